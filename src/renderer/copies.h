#pragma once
/*
 * The files that stand beside a live one for a while, so that it can be put back: from before a swap, and
 * the last that nginx is known to run. `live` is a real path throughout (fs_real_path()).
 */
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum copy_kind { COPY_BEFORE, COPY_GOOD };

enum copy_state {
    COPY_NONE,   /* not made: the live file is not concerned */
    COPY_FILE,   /* it stands beside the live file */
    COPY_ABSENT, /* there was no live file */
};

/* What copy_put_back() has found and done. */
enum copy_back {
    COPY_BACK_SAME, /* nothing was to be done, or somebody has put something else there */
    COPY_BACK_DONE, /* the live file is another than it was */
    COPY_BACK_GONE, /* somebody has removed the copy: what was put in the live file's place stays */
    COPY_BACK_STRANGE, /* what bears the copy's name is none, and stays, as does the live file */
};

#define COPY_BACKUP   ".bak"
#define COPY_FILE_MAX (64u * 1024 * 1024) /* the largest live file that is read */

/* ".<base>.tw-before", ".<base>.tw-good"; the caller frees it. */
char *copy_path(const char *live, enum copy_kind kind);

/* Makes it, in the place of an older one: COPY_FILE or COPY_ABSENT. Not flushed where it is a link. */
int copy_make(const char *live, enum copy_kind kind, enum copy_state *ret,
              struct err *e) WARN_UNUSED;

/*
 * Puts the live file back to what the copy says, and removes the copy; may be done again after a crash in
 * the middle. put: hash64 of what was put in the live file's place. For COPY_ABSENT, a live file that holds
 * something else stays.
 *
 * A copy is a regular file; and where others than the folder's owner may write in the folder, it belongs to
 * root, this process, the folder's owner or the live file's. All else is COPY_BACK_STRANGE.
 */
int copy_put_back(const char *live, enum copy_kind kind, enum copy_state state, uint64_t put,
                  enum copy_back *ret, struct err *e) WARN_UNUSED;

/* The file, itself no link, holds contents of this hash64. */
bool copy_live_holds(const char *live, uint64_t digest);

void copy_drop(const char *live, enum copy_kind kind);

/* Moves COPY_BEFORE to "<live>.bak"; gone in any case. */
int copy_to_backup(const char *live, struct err *e) WARN_UNUSED;

/* The copy is the very file that is live, by another name. */
bool copy_is_live(const char *live, enum copy_kind kind);

/*
 * Removes what a crash before or after the journal's time has left beside a live file: staged files, and
 * copies (not what is none, by the rule above). A COPY_BEFORE that holds something else than the live file becomes the backup when that is
 * wanted. keep_good: a journal still counts on COPY_GOOD.
 */
void copy_sweep(const char *live, bool backup, bool keep_good);
