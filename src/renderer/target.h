#pragma once
/*
 * The output file: what is in it, and putting something else there.
 */
#include "base/fs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define TARGET_OWNER_KEEP FS_OWNER_KEEP /* that of the file in place, else of this process */
#define TARGET_GROUP_KEEP FS_GROUP_KEEP

/* One file and how it is to be. */
struct target_config {
    const char *path;
    mode_t mode; /* or FS_MODE_KEEP */
    uid_t owner; /* or TARGET_OWNER_KEEP */
    gid_t group; /* or TARGET_GROUP_KEEP */
    bool backup; /* the file from before the last change stays as "<real path>.bak" */
};

struct target {
    const char *path; /* borrowed */
    mode_t mode;      /* or FS_MODE_KEEP */
    /* the file as it was when its contents were last known, and their digest */
    struct stat stamp;
    bool known;
    uint64_t digest;
    struct fs_staged staged;
    uint64_t staged_digest;
    char *aside;   /* the file that a trial has replaced; NULL when there is no trial */
    bool had_file; /* there was one */
};

/*
 * path is borrowed. When an earlier run ended in the middle of a trial, the file from before is put back
 * and recovered says so; with recovered NULL nothing is touched.
 */
int target_init(struct target *t, const char *path, mode_t mode, bool *recovered,
                struct err *e) WARN_UNUSED;
void target_deinit(struct target *t); /* idempotent; discards what is staged */

/* Appends the contents; -ENOENT when there is no file. */
int target_read(struct target *t, struct buf *out, struct err *e) WARN_UNUSED;

/* True when the file holds just these bytes (digest: their hash64). Reads it only when it was touched. */
bool target_holds(struct target *t, size_t len, uint64_t digest);

/* Gives the file the mode that was asked for, where it has another. */
int target_fix_mode(struct target *t, struct err *e) WARN_UNUSED;

/* Writes the bytes beside the file; the folder is made when it is missing. */
int target_stage(struct target *t, const void *bytes, size_t len, uint64_t digest,
                 struct err *e) WARN_UNUSED;
const char *target_staged_path(const struct target *t);
void target_discard(struct target *t);
int target_promote(struct target *t, struct err *e) WARN_UNUSED;

/*
 * A trial: target_set_aside() before target_promote(); then either target_keep(), or target_restore(),
 * which puts back the file from before (or none, if there was none). -ENOENT: somebody has removed it, so
 * the trial is over and the file stays as it is; after other failures it may be tried again.
 */
int target_set_aside(struct target *t, struct err *e) WARN_UNUSED;
void target_keep(struct target *t);
int target_restore(struct target *t, struct err *e) WARN_UNUSED;
bool target_on_trial(const struct target *t);
