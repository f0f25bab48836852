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
 * What is done, is done to the paths in the journal, whatever this run's outputs are; and in an order in
 * which a crash leaves something to go on with: files, folders, the journal, then copies.
 *
 * Failure: a file that cannot be put back ends the start with the journal as it is.
 */
#include "renderer/outputs_self.h"

#include "base/alloc.h"
#include "base/str.h"
#include "base/wallclock.h"

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
        if (l && !l->real && j->files[i].good != COPY_NONE) {
            l->real = xstrdup(j->files[i].path);
            l->good = j->files[i].good;
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

static int put_back(const struct journal *j, enum copy_kind kind, bool *ret_changed, struct err *e)
{
    bool any = false;
    for (size_t i = 0; i < j->n; i++) {
        const struct journal_file *f = &j->files[i];
        enum copy_state state = kind == COPY_BEFORE ? f->before : f->good;
        bool changed = false;
        int r = state == COPY_NONE ? 0 : copy_put_back(f->path, kind, state, f->put, &changed, e);
        if (r == 0 && changed) {
            r = fs_flush_folder(f->path, e);
        }
        if (r < 0) {
            err_wrap(e, "an earlier run has ended in the middle of a change");
            return r;
        }
        any = any || changed;
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
    int r = j->phase == JOURNAL_OWED
                ? 0
                : put_back(j, j->phase == JOURNAL_REFUSED ? COPY_GOOD : COPY_BEFORE, &changed, e);
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

int outputs_start(struct outputs *o, enum outputs_found *found, struct err *e)
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
    r = r == JOURNAL_E_NONE ? 0 : act(o, &j, found, e);
    if (r == 0) {
        sweep(o, &j);
    }
    journal_deinit(&j);
    return r;
}
