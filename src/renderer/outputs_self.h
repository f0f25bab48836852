#pragma once
/*
 * The insides of struct outputs, for outputs*.c alone.
 */
#include "base/lock_file.h"
#include "renderer/journal.h"
#include "renderer/live.h"
#include "renderer/outputs.h"

#define OUTPUTS_NOTES 16

struct outputs {
    struct live *files;
    size_t n;
    const struct outputs_bytes *bytes; /* of the last compare() */
    uint64_t *digests;                 /* of each of them */
    bool *differs;
    struct lock_file *locks; /* one beside each file */
    enum outputs_phase phase;
    bool keep_good, touch;
    bool good_known; /* while OWED: what nginx runs is in the files or their COPY_GOOD */
    bool refused;    /* while OWED: putting back those has begun and is to be ended */
    msec_t owed_since;
    char *journal;         /* its path */
    struct fs_staged next; /* the journal that says OWED, made before a file is touched */
    bool behind;           /* the journal on disk is not that of the phase */
    char *live_path;       /* the last that was asked for */
    struct err notes[OUTPUTS_NOTES];
    size_t n_notes;
};

/* What a full list cannot take is dropped. */
void outputs_add_note(struct outputs *o, const struct err *e);

#define OUTPUTS_E_UNLOCKED 1 /* from outputs_lock_early */

/*
 * Locks what is not locked yet, and lets go of what is no output any more. -EBUSY names the process that
 * publishes to one of the files. Missing folders are made.
 */
int outputs_lock(struct outputs *o, struct err *e) WARN_UNUSED;

/*
 * The same for a start, which may find a folder that is not there yet, or a disk that is full or read-only:
 * OUTPUTS_E_UNLOCKED with e filled then. What cannot become right by itself is negative.
 */
int outputs_lock_early(struct outputs *o, struct err *e) WARN_UNUSED;

/* Locks a file that is none of the outputs. */
int outputs_lock_other(struct lock_file *ret, const char *real, struct err *e) WARN_UNUSED;

/*
 * Finds and ends what an earlier run has left, and enters the phase that follows from it. unlocked: why the
 * files could not be locked, NULL: they are; nothing is touched then, and fails when something has to be.
 */
int outputs_start(struct outputs *o, enum outputs_found *found, const struct err *unlocked,
                  struct err *e) WARN_UNUSED;

/* Two of the paths lead to one file, one to what stands beside another, or a name is too long: -EINVAL. */
int outputs_check_names(const struct outputs *o, struct err *e) WARN_UNUSED;

/* Writes the journal that was not, if one was not. */
int outputs_catch_up(struct outputs *o, struct err *e) WARN_UNUSED;

/* Writes or removes the journal for SETTLED or OWED; on failure the one on disk is as it was. */
int outputs_write_phase(struct outputs *o, enum outputs_phase phase, msec_t owed_since,
                        struct err *e) WARN_UNUSED;
