#pragma once
/*
 * One output: what is in it, putting something else there, and putting it back.
 *
 * Copies (copies.h) are made by live_set_aside() before live_promote(); whether their making is known to a
 * crash is the caller's business (journal.h).
 */
#include "renderer/copies.h"
#include "renderer/target.h"

#include <sys/stat.h>

struct buf;

struct live {
    struct target_config c;
    /* the file as it was when its contents were last known, and their digest */
    struct stat stamp;
    bool known;
    uint64_t digest;
    struct fs_staged staged;
    struct stat staged_stamp;
    uint64_t staged_digest;
    char *real; /* where the staged file goes and copies stand; NULL before the first */
    enum copy_state before, good;
    uint64_t put;                    /* digest of what the last promotion puts there */
    uint64_t put_before;             /* and of the one before that, while swapping */
    bool swapping;                   /* set aside, and neither retired nor put back yet */
    bool touched;                    /* since then something has been done to the live file */
    bool told_in_place, told_backup; /* the operator knows */
};

#define LIVE_E_IN_PLACE 1 /* from live_promote: done, but not atomically */
#define LIVE_E_GONE     2 /* from live_put_back: somebody has removed the copy, the file stays */

void live_init(struct live *l, const struct target_config *c);
void live_deinit(struct live *l); /* idempotent; discards what is staged, leaves copies */

/* Appends the contents; -ENOENT when there is no file. */
int live_read(struct live *l, struct buf *out, struct err *e) WARN_UNUSED;

/* True when the file holds just these bytes (digest: their hash64). Reads it only when it was touched. */
bool live_holds(struct live *l, size_t len, uint64_t digest);

/* Gives the file that was read last the mode, owner and group that were asked for, where it has others. */
int live_fix_attributes(const struct live *l, struct err *e) WARN_UNUSED;

/* Makes the folder where the file is to be, when it is missing. */
int live_make_folder(const struct live *l, struct err *e) WARN_UNUSED;

/* Writes the bytes beside the file. */
int live_stage(struct live *l, const void *bytes, size_t len, uint64_t digest,
               struct err *e) WARN_UNUSED;

/* Makes COPY_BEFORE, and COPY_GOOD where it is wanted and there is none. On failure neither stays. */
int live_set_aside(struct live *l, bool want_good, struct err *e) WARN_UNUSED;

/* The staged file takes the live one's place, or LIVE_E_IN_PLACE. Folders are not flushed. */
int live_promote(struct live *l, struct err *e) WARN_UNUSED;

/* The file is the one that live_promote() has put there, or another with its contents. */
bool live_is_promoted(const struct live *l);

/* Ends the swap: COPY_BEFORE becomes the backup where one is wanted (negative: that failed), else it goes. */
int live_retire(struct live *l, struct err *e) WARN_UNUSED;

/* Ends a swap that has not touched the file, and of which no journal tells. */
void live_abandon(struct live *l);

/* Puts back what the copy says, when there is one and the live file was touched. May be tried again.
 * LIVE_E_GONE; -EINVAL when what bears the copy's name is none. */
int live_put_back(struct live *l, enum copy_kind kind, struct err *e) WARN_UNUSED;
void live_drop_good(struct live *l);
