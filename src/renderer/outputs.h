#pragma once
/*
 * The files of one publisher, changed together, and what must survive a crash between swap and reload.
 *
 *            swap(UNCHECKED)              checked(owed)                settle
 *   SETTLED ────────────────► UNCHECKED ────────────────► OWED ────────────────► SETTLED
 *      │  ▲                       │ restore                ▲ │ restore              ▲
 *      │  └───────────────────────┘                        │ └──────────────────────┘
 *      └──────────────────── swap(OWED) ───────────────────┘
 *
 * A journal beside the first file (".<base>.tw-state", JSON) says in which of these a crash happened; it
 * is on disk before a file is touched. A start finds UNCHECKED: the files from before are put back, as
 * nobody has judged what replaced them. A start finds OWED: the files stay and the reload is owed. A crash
 * in the middle of a swap, whatever it leads to, is as UNCHECKED; in the middle of a restore, it is gone on
 * with. So the files are always all from before or all new.
 *
 * Two files may stand beside each: ".<base>.tw-before" (from before a swap) and ".<base>.tw-good" (the
 * last one that nginx is known to run, kept while a reload is owed and `keep_good`).
 */
#include "renderer/target.h"
#include "tidewaiter/clock.h"

struct outputs;

#define OUTPUTS_E_NOTHING 1 /* from restore: no file from before is known; the phase stays OWED */

enum outputs_phase { OUTPUTS_SETTLED, OUTPUTS_UNCHECKED, OUTPUTS_OWED };

enum outputs_found {
    OUTPUTS_FOUND_CLEAN,
    OUTPUTS_FOUND_OWED,       /* the phase is OWED */
    OUTPUTS_FOUND_TAKEN_BACK, /* an earlier run ended in the middle; the files from before are back. The
                               * phase is SETTLED, or OWED when a reload was owed before that already. */
};

struct outputs_bytes {
    const char *p;
    size_t len;
};

/*
 * files (n >= 1) and their strings are borrowed. touch false: dry run, nothing is put back or written.
 * Fails when a file cannot be put back, two paths lead to one file or one
 * to what stands beside another (-EINVAL; also for names too long to add to), or another process (or object)
 * that is no dry run has one of the files (-EBUSY, ERR_CONFLICT).
 *
 * A journal that cannot be read, or that somebody else has written, is not acted on: the files stay, a
 * reload is owed, and outputs_note() says so. One of a run with other files is: what was unchecked is put
 * back, what is owed is owed by this run, also where this run has no reload (it settles then). But only what
 * is an output of this run, or stands in the journal's own folder: who may write in that folder could have
 * written the journal, where root in a container is uid 0 as well. The rest stays, with a note.
 */
int outputs_new(struct outputs **ret, const struct target_config *files, size_t n, bool keep_good,
                bool touch, enum outputs_found *found, struct err *e) WARN_UNUSED;
struct outputs *outputs_free(struct outputs *o); /* discards what is staged; NULL is taken */

enum outputs_phase outputs_phase(const struct outputs *o);
const char *outputs_path(const struct outputs *o, size_t i);

/* Since when a reload is owed, as wall clock; 0 when none is. */
msec_t outputs_owed_since(const struct outputs *o);

/*
 * What the operator should know although nothing has failed: a file is written in place, a backup could
 * not be made, a journal was not understood. Each is there once; true while there is one, oldest first.
 * To be asked for after outputs_new(), swap(), checked(), settle() and restore().
 */
bool outputs_note(struct outputs *o, struct err *ret);

/* Appends file i's contents; -ENOENT when there is none. */
int outputs_read(struct outputs *o, size_t i, struct buf *out, struct err *e) WARN_UNUSED;

/*
 * Which files hold something else than bytes[i]; returns how many. The bytes are borrowed until the next
 * call, stage() writes them. ret_digest: of all bytes together. One stat() for each file that nobody has
 * touched since.
 */
size_t outputs_compare(struct outputs *o, const struct outputs_bytes *bytes, uint64_t *ret_digest);
bool outputs_differs(const struct outputs *o, size_t i); /* as compare() found */

/*
 * Gives the files that compare() has read the mode, owner and group that were asked for; and writes the journal that
 * outputs_checked(), settle() or restore() could not write.
 */
int outputs_fix_attributes(struct outputs *o, struct err *e) WARN_UNUSED;

/* Stages the files that differ, all or none; makes missing folders. -EBUSY as for outputs_new(), where a
 * symbolic link leads to another file by now. */
int outputs_stage(struct outputs *o, struct err *e) WARN_UNUSED;
/* NULL when file i is not staged. */
const char *outputs_staged_path(const struct outputs *o, size_t i);
/* The live file's real path (symbolic links followed), for file i. Borrowed until the next call. */
const char *outputs_live_path(struct outputs *o, size_t i);
void outputs_discard(struct outputs *o);

/*
 * Puts the staged files in place, all or none: what was put in place before a failure is put back. to:
 * UNCHECKED, OWED, or SETTLED (no check and no reload follow). From SETTLED or OWED. A swap to UNCHECKED
 * on top of an owed reload that is restored is OWED again. Nothing is staged afterwards.
 *
 * When it fails and a file could not be put back either, e says so and the phase is UNCHECKED: restore()
 * is to be tried again. Otherwise the phase after a failure is the one from before.
 */
int outputs_swap(struct outputs *o, enum outputs_phase to, struct err *e) WARN_UNUSED;

/*
 * From UNCHECKED: the check said yes. owed: a reload follows. A journal that cannot be written now is no
 * failure: a later call writes it, and a crash until then takes the files back.
 *
 * -ESTALE when a file does not hold what was put there, so that it was not that which was checked: the phase
 * stays UNCHECKED, and restore() is to follow.
 */
int outputs_checked(struct outputs *o, bool owed, struct err *e) WARN_UNUSED;

/* From OWED: nginx runs what is in the files. */
void outputs_settle(struct outputs *o);

/*
 * From UNCHECKED: the files from before. From OWED (keep_good): the last ones that nginx ran; SETTLED then,
 * or OUTPUTS_E_NOTHING when an earlier run has kept none. Failures may be tried again; a file whose copy
 * somebody has removed stays as it is, with a note.
 */
int outputs_restore(struct outputs *o, struct err *e) WARN_UNUSED;
