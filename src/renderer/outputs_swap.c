/*
 * Happy path of a swap:
 *   copies of the live files (links) ─► journal "unchecked", flushed ─► renames ─► folders flushed ─►
 *   journal "owed" (made beforehand, so that this takes no space) or none ─► copies go, or become backups
 *
 * A crash before the first journal leaves names to sweep; between the journals, files to put back; after
 * the second, nothing or a reload. So whatever the number of files, they change together.
 *
 * Failure: before the renames nothing was touched; later, what was touched is put back at once, and if
 * that fails, the phase says so (UNCHECKED) until restore() has succeeded. A journal that cannot be written
 * when there is no way back leaves `behind`, and is written by the next call that can.
 */
#include "renderer/outputs.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"
#include "base/wallclock.h"
#include "renderer/outputs_self.h"

#include <errno.h>
#include <string.h>

#define TO(phase) (1u << OUTPUTS_##phase)
static const unsigned allowed[] = {
    [OUTPUTS_SETTLED] = TO(SETTLED) | TO(UNCHECKED) | TO(OWED),
    [OUTPUTS_UNCHECKED] = TO(SETTLED) | TO(OWED),
    [OUTPUTS_OWED] = TO(SETTLED) | TO(UNCHECKED) | TO(OWED),
};

static void set_phase(struct outputs *o, enum outputs_phase to)
{
    must(allowed[o->phase] & 1u << to);
    o->phase = to;
    if (to == OUTPUTS_SETTLED) {
        o->owed_since = 0;
        o->good_known = true;
    }
    o->refused = false;
}

/* ---- the journal ---- */

/* The paths are borrowed; files is freed by the caller. */
static struct journal describe(const struct outputs *o, enum journal_phase phase, msec_t owed_since)
{
    struct journal j = {.phase = phase,
                        .since = clock_wall(),
                        .owed_since = owed_since,
                        .keeps_good = o->keep_good && o->good_known,
                        .files = xcalloc(o->n, sizeof(j.files[0]))};
    for (size_t i = 0; i < o->n; i++) {
        const struct live *l = &o->files[i];
        if (l->swapping || l->good != COPY_NONE) {
            j.files[j.n++] =
                (struct journal_file){.path = l->real,
                                      .before = phase == JOURNAL_UNCHECKED ? l->before : COPY_NONE,
                                      .good = l->good,
                                      .put = l->put,
                                      .put_before = l->put_before};
        }
    }
    return j;
}

static int write_journal(struct outputs *o, enum journal_phase phase, msec_t owed_since,
                         struct err *e)
{
    struct journal j = describe(o, phase, owed_since);
    int r = journal_write(o->journal, &j, e);
    free(j.files);
    return r;
}

static int stage_next(struct outputs *o, msec_t owed_since, struct err *e)
{
    struct journal j = describe(o, JOURNAL_OWED, owed_since);
    fs_discard(&o->next);
    int r = journal_stage(&o->next, o->journal, &j, e);
    free(j.files);
    return r;
}

int outputs_write_phase(struct outputs *o, enum outputs_phase phase, msec_t owed_since,
                        struct err *e)
{
    must(phase != OUTPUTS_UNCHECKED);
    if (phase == OUTPUTS_SETTLED) {
        fs_discard(&o->next);
        return journal_remove(o->journal, e);
    }
    return o->next.path ? journal_promote(&o->next, e)
                        : write_journal(o, JOURNAL_OWED, owed_since, e);
}

/* The journal says what the phase is: copies that no start would ask for may go. */
static void finish(struct outputs *o)
{
    o->behind = false;
    for (size_t i = 0; i < o->n; i++) {
        struct live *l = &o->files[i];
        struct err e = ERR_INIT;
        bool failed = l->swapping && live_retire(l, &e) < 0;
        if (failed && !l->told_backup) {
            err_wrap(&e, "no backup of %s", l->c.path);
            outputs_add_note(o, &e);
        }
        l->told_backup = failed;
        if (o->phase == OUTPUTS_SETTLED) {
            live_drop_good(l);
        }
    }
}

/* For a phase that is entered whether or not that can be written down. */
static void enter(struct outputs *o, enum outputs_phase to, msec_t owed_since)
{
    struct err e = ERR_INIT;
    int r = outputs_write_phase(o, to, owed_since, &e);
    set_phase(o, to);
    if (to == OUTPUTS_OWED) {
        o->owed_since = owed_since;
    }
    if (r == 0) {
        finish(o);
        return;
    }
    if (!o->behind) {
        err_wrap(&e, "a crash now would be taken for one in the middle of a change");
        outputs_add_note(o, &e);
    }
    o->behind = true;
}

int outputs_catch_up(struct outputs *o, struct err *e)
{
    int r = o->behind ? outputs_write_phase(o, o->phase, o->owed_since, e) : 0;
    if (o->behind && r == 0) {
        finish(o);
    }
    return r;
}

/* ---- changing files ---- */

static size_t folder_len(const char *path)
{
    return (size_t)(strrchr(path, '/') - path);
}

static bool same_folder(const char *a, const char *b)
{
    return folder_len(a) == folder_len(b) && memcmp(a, b, folder_len(a)) == 0;
}

/* What stood in a folder that is gone (a release that was replaced by another) went with it. */
static int flush(const char *real, struct err *e)
{
    struct err why = ERR_INIT;
    int r = fs_flush_folder(real, &why);
    return r == -ENOENT || r == -ENOTDIR || r == 0 ? 0 : err_set(e, why.class, r, "%s", why.msg);
}

/* Each folder in which something is being changed, once. */
static int flush_folders(const struct outputs *o, struct err *e)
{
    int r = 0;
    for (size_t i = 0; i < o->n && r == 0; i++) {
        const struct live *l = &o->files[i];
        bool done = !l->swapping;
        for (size_t j = 0; j < i && !done; j++) {
            done = o->files[j].swapping && same_folder(o->files[j].real, l->real);
        }
        r = done ? 0 : flush(l->real, e);
    }
    return r;
}

/* Copies, and the journal for later; nothing that nginx or a start reads is touched. */
static int set_aside(struct outputs *o, enum outputs_phase to, msec_t owed_since, struct err *e)
{
    bool want_good = o->keep_good && o->good_known && to != OUTPUTS_SETTLED;
    int r = 0;
    for (size_t i = 0; i < o->n && r == 0; i++) {
        r = o->files[i].staged.path ? live_set_aside(&o->files[i], want_good, e) : 0;
    }
    return r == 0 && to != OUTPUTS_SETTLED ? stage_next(o, owed_since, e) : r;
}

static void abandon(struct outputs *o)
{
    fs_discard(&o->next);
    outputs_discard(o);
    for (size_t i = 0; i < o->n; i++) {
        struct live *l = &o->files[i];
        if (l->swapping) {
            live_abandon(l);
        }
        if (o->phase == OUTPUTS_SETTLED) {
            live_drop_good(l);
        }
    }
}

static int promote(struct outputs *o, struct err *e)
{
    for (size_t i = 0; i < o->n; i++) {
        struct live *l = &o->files[i];
        int r = l->swapping ? live_promote(l, e) : 0;
        if (r < 0) {
            return r;
        }
        if (r == LIVE_E_IN_PLACE && !l->told_in_place) {
            struct err note = ERR_INIT;
            err_set(&note, ERR_TRANSIENT, -EBUSY,
                    "%s is a mount point of its own and is written in place, so that readers may "
                    "see a part of it: mount its folder instead",
                    l->c.path);
            outputs_add_note(o, &note);
            l->told_in_place = true;
        }
    }
    return flush_folders(o, e);
}

/* Each, also behind one that fails; returns the first failure. */
static int put_back(struct outputs *o, enum copy_kind kind, const char *what_stays, struct err *e)
{
    int first = 0;
    for (size_t i = 0; i < o->n; i++) {
        struct live *l = &o->files[i];
        bool concerned = kind == COPY_GOOD || l->swapping;
        int r = concerned ? live_put_back(l, kind, first == 0 ? e : NULL) : 0;
        if (r == LIVE_E_GONE) {
            struct err note = ERR_INIT;
            err_set(&note, ERR_CONFLICT, -ENOENT, "%s: its copy from before is gone, so %s stays",
                    l->c.path, what_stays);
            outputs_add_note(o, &note);
        } else if (first == 0) {
            first = r;
        }
    }
    return first;
}

/* From UNCHECKED, or what would become it: to where the swap began. */
static int take_back(struct outputs *o, const char *what_stays, struct err *e)
{
    int first = put_back(o, COPY_BEFORE, what_stays, e);
    if (first == 0) {
        first = flush_folders(o, e);
    }
    if (first < 0) {
        return first;
    }
    outputs_discard(o);
    enter(o, o->owed_since > 0 ? OUTPUTS_OWED : OUTPUTS_SETTLED, o->owed_since);
    return 0;
}

/* Everything behind set_aside(). */
static int replace(struct outputs *o, enum outputs_phase to, msec_t owed_since, struct err *e)
{
    /* with what is owed after taking this back */
    int r = write_journal(o, JOURNAL_UNCHECKED, o->owed_since, e);
    if (r == 0) {
        r = flush_folders(o, e);
    }
    if (r == 0) {
        r = promote(o, e);
    }
    return r == 0 && to != OUTPUTS_UNCHECKED ? outputs_write_phase(o, to, owed_since, e) : r;
}

int outputs_swap(struct outputs *o, enum outputs_phase to, struct err *e)
{
    must(o->touch && o->phase != OUTPUTS_UNCHECKED);
    msec_t owed_since = o->owed_since > 0 ? o->owed_since : clock_wall();
    int r = outputs_catch_up(o, e);
    if (r < 0) {
        outputs_discard(o);
        return r;
    }
    r = set_aside(o, to, owed_since, e);
    if (r < 0) {
        abandon(o);
        return r;
    }
    struct err failure = ERR_INIT, why = ERR_INIT;
    r = replace(o, to, owed_since, &failure);
    if (r == 0) {
        set_phase(o, to);
        o->owed_since = to == OUTPUTS_OWED ? owed_since : o->owed_since;
        if (to != OUTPUTS_UNCHECKED) {
            finish(o);
        }
        return 0;
    }
    set_phase(o, OUTPUTS_UNCHECKED);
    if (take_back(o, "the new file", &why) < 0) {
        outputs_discard(o);
        return err_set(e, why.class, r,
                       "%.110s; what had been changed by then could not be put back: %.110s",
                       failure.msg, why.msg);
    }
    return err_set(e, failure.class, r, "%s", failure.msg);
}

int outputs_checked(struct outputs *o, bool owed, struct err *e)
{
    must(o->phase == OUTPUTS_UNCHECKED);
    for (size_t i = 0; i < o->n; i++) {
        if (o->files[i].swapping && !live_is_promoted(&o->files[i])) {
            return err_set(e, ERR_CONFLICT, -ESTALE,
                           "somebody has replaced or removed %s while it was being checked: what "
                           "is there now has not been checked, the files from before are put back",
                           o->files[i].c.path);
        }
    }
    enter(o, owed ? OUTPUTS_OWED : OUTPUTS_SETTLED,
          !owed               ? 0
          : o->owed_since > 0 ? o->owed_since
                              : clock_wall());
    return 0;
}

void outputs_settle(struct outputs *o)
{
    must(o->phase == OUTPUTS_OWED);
    enter(o, OUTPUTS_SETTLED, 0);
}

static int put_back_good(struct outputs *o, struct err *e)
{
    int first = put_back(o, COPY_GOOD, "the file that nginx has refused", e);
    for (size_t i = 0; i < o->n && first == 0; i++) {
        first = o->files[i].real ? flush(o->files[i].real, e) : 0;
    }
    return first;
}

/* nginx has refused what is in the files. */
static int restore_good(struct outputs *o, struct err *e)
{
    bool any = false;
    for (size_t i = 0; i < o->n; i++) {
        any = any || o->files[i].good != COPY_NONE;
    }
    if (!any && !o->refused) {
        return OUTPUTS_E_NOTHING;
    }
    int r = write_journal(o, JOURNAL_REFUSED, o->owed_since, e);
    if (r == 0) {
        o->refused = true;
        r = put_back_good(o, e);
    }
    if (r == 0) {
        enter(o, OUTPUTS_SETTLED, 0);
    }
    return r;
}

int outputs_restore(struct outputs *o, struct err *e)
{
    must(o->touch && o->phase != OUTPUTS_SETTLED);
    return o->phase == OUTPUTS_UNCHECKED ? take_back(o, "the file that failed its check", e)
                                         : restore_good(o, e);
}
