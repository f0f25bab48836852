/*
 * Happy path: no journal, so nothing was under way; only names that a crash outside its time has left are
 * swept away.
 *
 *   journal     what is done                                          then
 *   unchecked   the files from before are put back                    SETTLED, or OWED as before the swap
 *   owed        nothing, the copies of what nginx ran are taken over  OWED
 *   refused     the last good files are put back                      SETTLED
 *   not understood, or others may have written it: nothing            OWED, as it may well be
 *
 * What is done, is done to this run's outputs and to other files in the journal's own folder, and in an
 * order in which a crash leaves something to go on with: files, folders, the journal, then copies. Nowhere
 * else: in a folder that a container has mounted, root of that container can write what looks like this
 * program's own, and would reach with it what its mounts do not show.
 *
 * Failure: a file that cannot be put back ends the start with the journal as it is. What is not to be touched
 * (elsewhere, being published by another process, a copy that is none) gets a note and stays.
 */
#include "renderer/outputs_self.h"

#include "base/alloc.h"
#include "base/str.h"
#include "base/wallclock.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static struct live *find_output(struct outputs *o, const char *real)
{
    for (size_t i = 0; i < o->n; i++) {
        CLEANUP_FREE char *path = fs_real_path(o->files[i].c.path);
        if (streq(path, real)) {
            return &o->files[i];
        }
    }
    return NULL;
}

/* A reload that is owed goes on being owed, with what it would be taken back to. */
static void take_over(struct outputs *o, const struct journal *j)
{
    o->phase = OUTPUTS_OWED;
    o->owed_since = j->owed_since > 0 ? j->owed_since : j->since;
    o->good_known = j->keeps_good && o->keep_good;
    for (size_t i = 0; i < j->n && o->good_known; i++) {
        struct live *l = find_output(o, j->files[i].path);
        const struct journal_file *f = &j->files[i];
        if (l && !l->real && f->good != COPY_NONE) {
            l->real = xstrdup(f->path);
            l->good = f->good;
            /* back after a trial, which the journal of what is owed was made before */
            l->put = copy_live_holds(f->path, f->put_before) ? f->put_before : f->put;
        }
    }
}

static void sweep(struct outputs *o, const struct journal *j)
{
    for (size_t i = 0; i < o->n; i++) {
        const struct live *l = &o->files[i];
        CLEANUP_FREE char *real = fs_real_path(l->c.path);
        copy_sweep(real, l->c.backup, l->good == COPY_FILE);
    }
    /* also beside files that are no outputs any more */
    for (size_t i = 0; i < j->n; i++) {
        if (!find_output(o, j->files[i].path)) {
            copy_sweep(j->files[i].path, false, false);
        }
    }
}

static void note_left_alone(struct outputs *o, const char *path, const char *why)
{
    struct err note = ERR_INIT;
    err_set(&note, ERR_CONFLICT, -EPERM,
            "an earlier run has ended in the middle of a change; %.100s is left as it is: %.90s",
            path, why);
    outputs_add_note(o, &note);
}

static int put_back(struct outputs *o, const struct journal *j, enum copy_kind kind,
                    bool *ret_changed, struct err *e)
{
    bool any = false;
    for (size_t i = 0; i < j->n; i++) {
        const struct journal_file *f = &j->files[i];
        enum copy_state state = kind == COPY_BEFORE ? f->before : f->good;
        enum copy_back back = COPY_BACK_SAME;
        int r = state == COPY_NONE ? 0 : copy_put_back(f->path, kind, state, f->put, &back, e);
        if (r == 0 && back == COPY_BACK_DONE) {
            r = fs_flush_folder(f->path, e);
        }
        if (r < 0) {
            err_wrap(e, "an earlier run has ended in the middle of a change");
            return r;
        }
        any = any || back == COPY_BACK_DONE;
        if (back == COPY_BACK_GONE) {
            note_left_alone(o, f->path, "its copy from before is gone");
        } else if (back == COPY_BACK_STRANGE) {
            note_left_alone(o, f->path, "its copy from before has been exchanged");
        }
    }
    *ret_changed = any;
    return 0;
}

static void not_understood(struct outputs *o, struct err *why)
{
    o->phase = OUTPUTS_OWED;
    o->owed_since = clock_wall();
    o->good_known = false;
    err_wrap(why, "what an earlier run has left cannot be known, the files stay and a reload is "
                  "owed");
    outputs_add_note(o, why);
}

static int act(struct outputs *o, const struct journal *j, enum outputs_found *found, struct err *e)
{
    bool changed = false;
    int r =
        j->phase == JOURNAL_OWED
            ? 0
            : put_back(o, j, j->phase == JOURNAL_REFUSED ? COPY_GOOD : COPY_BEFORE, &changed, e);
    if (r < 0) {
        return r;
    }
    bool owed = j->phase == JOURNAL_OWED || (j->phase == JOURNAL_UNCHECKED && j->owed_since > 0);
    if (owed) {
        take_over(o, j);
    }
    if (j->phase != JOURNAL_OWED) {
        struct err why = ERR_INIT;
        /* until it is written, the next start finds this one again, with nothing left to put back */
        o->behind = outputs_write_phase(o, o->phase, o->owed_since, &why) < 0;
        if (o->behind) {
            outputs_add_note(o, &why);
        }
    }
    *found = changed ? OUTPUTS_FOUND_TAKEN_BACK : owed ? OUTPUTS_FOUND_OWED : OUTPUTS_FOUND_CLEAN;
    return 0;
}

/* Directly in it, so that its name cannot lead elsewhere; and itself no link. */
static bool in_journals_folder(const struct outputs *o, const char *path)
{
    struct stat st;
    const char *base = strrchr(path, '/') + 1;
    CLEANUP_FREE char *journal = fs_real_path(o->journal);
    size_t len = (size_t)(base - path);
    const char *slash = strrchr(journal, '/');
    return slash && (size_t)(slash + 1 - journal) == len && memcmp(path, journal, len) == 0 &&
           *base && !streq(base, ".") && !streq(base, "..") &&
           (lstat(path, &st) < 0 || S_ISREG(st.st_mode));
}

/* Takes out of the journal what is not to be touched; locks takes one for each that is no output. */
static void keep_ours(struct outputs *o, struct journal *j, struct lock_file *locks)
{
    size_t n = 0;
    for (size_t i = 0; i < j->n; i++) {
        struct journal_file f = j->files[i];
        struct err why = ERR_INIT;
        bool ours = find_output(o, f.path) != NULL;
        if (!ours && !in_journals_folder(o, f.path)) {
            err_set(&why, ERR_CONFLICT, -EPERM, "it is no output of this one, nor in %s's folder",
                    o->journal);
        } else if (!ours) {
            ours = outputs_lock_other(&locks[n], f.path, &why) == 0;
        }
        if (ours) {
            j->files[n++] = f;
            continue;
        }
        if (j->phase != JOURNAL_OWED) {
            note_left_alone(o, f.path, why.msg);
        }
        free(f.path);
    }
    j->n = n;
}

static int act_on_ours(struct outputs *o, struct journal *j, enum outputs_found *found,
                       struct err *e)
{
    struct lock_file *locks = xcalloc(j->n + 1, sizeof(locks[0]));
    const size_t n = j->n;
    for (size_t i = 0; i < n; i++) {
        locks[i] = (struct lock_file)LOCK_FILE_NULL;
    }
    keep_ours(o, j, locks);
    int r = act(o, j, found, e);
    if (r == 0) {
        sweep(o, j);
    }
    for (size_t i = 0; i < n; i++) {
        lock_file_release(&locks[i]);
    }
    free(locks);
    return r;
}

/* One journal; o->journal is its path. */
static int end_earlier(struct outputs *o, struct journal *j, enum outputs_found *found,
                       const struct err *unlocked, struct err *e)
{
    if (!unlocked) {
        return act_on_ours(o, j, found, e);
    }
    if (j->phase == JOURNAL_OWED) {
        return act(o, j, found, e);
    }
    return err_set(e, unlocked->class, unlocked->code,
                   "an earlier run has ended in the middle of a change: %s", unlocked->msg);
}

/*
 * The journal beside an output that is not the first: of a run where it was. Left there, it would be acted on
 * when that is so again, on files that have changed since.
 */
static int end_of_other_first(struct outputs *o, size_t i, enum outputs_found *found, struct err *e)
{
    struct journal j = {0};
    CLEANUP_FREE char *other = journal_path(o->files[i].c.path);
    int r = journal_read(&j, other, NULL);
    if (r != 0) {
        return 0; /* none, or one that nobody is going to act on */
    }
    char *own = o->journal;
    o->journal = other;
    r = end_earlier(o, &j, found, NULL, e);
    o->journal = own;
    if (r == 0 && o->phase == OUTPUTS_OWED) {
        r = outputs_write_phase(o, OUTPUTS_OWED, o->owed_since, e);
    }
    if (r == 0) {
        r = journal_remove(other, e);
    }
    journal_deinit(&j);
    return r;
}

int outputs_start(struct outputs *o, enum outputs_found *found, const struct err *unlocked,
                  struct err *e)
{
    struct journal j = {0};
    struct err why = ERR_INIT;
    *found = OUTPUTS_FOUND_CLEAN;
    int r = journal_read(&j, o->journal, &why);
    if (r < 0) {
        not_understood(o, &why);
        *found = OUTPUTS_FOUND_OWED;
        return 0; /* no sweeping either: who repairs this by hand may want the copies */
    }
    bool any = r != JOURNAL_E_NONE;
    r = any ? end_earlier(o, &j, found, unlocked, e) : 0;
    /* before names are swept that these count on */
    for (size_t i = 1; i < o->n && r == 0 && !any && !unlocked; i++) {
        enum outputs_found of_other = OUTPUTS_FOUND_CLEAN;
        r = end_of_other_first(o, i, &of_other, e);
        *found = of_other == OUTPUTS_FOUND_CLEAN ? *found : of_other;
    }
    if (r == 0 && !any && !unlocked) {
        sweep(o, &j);
    }
    journal_deinit(&j);
    return r;
}
