/*
 * Happy path: compare() says which files are not as they should be, at the price of one stat() for each that
 * nobody has touched; stage() writes those beside the live ones. outputs_swap.c changes them.
 * Failure: what was staged goes again, all of it.
 * Not done: knowing what a check or a reload is.
 */
#include "renderer/outputs.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/must.h"
#include "renderer/outputs_self.h"

#include <errno.h>
#include <string.h>

/* ---- notes ---- */

void outputs_add_note(struct outputs *o, const struct err *e)
{
    if (o->n_notes < OUTPUTS_NOTES) {
        o->notes[o->n_notes++] = *e;
    }
}

bool outputs_note(struct outputs *o, struct err *ret)
{
    if (o->n_notes == 0) {
        return false;
    }
    *ret = o->notes[0];
    o->n_notes--;
    memmove(&o->notes[0], &o->notes[1], o->n_notes * sizeof(o->notes[0]));
    return true;
}

/* ---- life ---- */

int outputs_new(struct outputs **ret, const struct target_config *files, size_t n, bool keep_good,
                bool touch, enum outputs_found *found, struct err *e)
{
    must(n >= 1);
    struct outputs *o = xcalloc(1, sizeof(*o));
    o->n = n;
    o->files = xcalloc(n, sizeof(o->files[0]));
    o->digests = xcalloc(n, sizeof(o->digests[0]));
    o->differs = xcalloc(n, sizeof(o->differs[0]));
    o->keep_good = keep_good;
    o->touch = touch;
    o->good_known = true;
    o->journal = journal_path(files[0].path);
    for (size_t i = 0; i < n; i++) {
        live_init(&o->files[i], &files[i]);
    }
    *found = OUTPUTS_FOUND_CLEAN;
    int r = outputs_check_names(o, e);
    if (r == 0 && touch) {
        struct err unlocked = ERR_INIT;
        r = outputs_lock_early(o, &unlocked);
        if (r < 0) {
            err_set(e, unlocked.class, r, "%s", unlocked.msg);
        } else {
            r = outputs_start(o, found, r == OUTPUTS_E_UNLOCKED ? &unlocked : NULL, e);
        }
    }
    if (r < 0) {
        outputs_free(o);
        return r;
    }
    *ret = o;
    return 0;
}

struct outputs *outputs_free(struct outputs *o)
{
    if (!o) {
        return NULL;
    }
    fs_discard(&o->next);
    for (size_t i = 0; i < o->n; i++) {
        live_deinit(&o->files[i]);
    }
    for (size_t i = 0; o->locks && i < o->n; i++) {
        lock_file_release(&o->locks[i]);
    }
    free(o->locks);
    free(o->files);
    free(o->digests);
    free(o->differs);
    free(o->journal);
    free(o->live_path);
    free(o);
    return NULL;
}

/* ---- what is there ---- */

enum outputs_phase outputs_phase(const struct outputs *o)
{
    return o->phase;
}

const char *outputs_path(const struct outputs *o, size_t i)
{
    must(i < o->n);
    return o->files[i].c.path;
}

msec_t outputs_owed_since(const struct outputs *o)
{
    return o->owed_since;
}

int outputs_read(struct outputs *o, size_t i, struct buf *out, struct err *e)
{
    must(i < o->n);
    return live_read(&o->files[i], out, e);
}

size_t outputs_compare(struct outputs *o, const struct outputs_bytes *bytes, uint64_t *ret_digest)
{
    size_t n = 0;
    uint64_t all = 0;
    o->bytes = bytes;
    for (size_t i = 0; i < o->n; i++) {
        o->digests[i] = hash64(bytes[i].p, bytes[i].len);
        all = hash64_more(all, &o->digests[i], sizeof(o->digests[i]));
        o->differs[i] = !live_holds(&o->files[i], bytes[i].len, o->digests[i]);
        n += o->differs[i];
    }
    *ret_digest = all;
    return n;
}

bool outputs_differs(const struct outputs *o, size_t i)
{
    must(i < o->n);
    return o->differs[i];
}

int outputs_fix_attributes(struct outputs *o, struct err *e)
{
    must(o->touch);
    int r = outputs_catch_up(o, e);
    for (size_t i = 0; i < o->n && r == 0; i++) {
        r = live_fix_attributes(&o->files[i], e);
    }
    return r;
}

/* ---- staging ---- */

int outputs_stage(struct outputs *o, struct err *e)
{
    must(o->touch && o->bytes && o->phase != OUTPUTS_UNCHECKED);
    int r = outputs_catch_up(o, e);
    if (r == 0) {
        r = outputs_check_names(o, e); /* a symbolic link may lead elsewhere by now */
    }
    if (r == 0) {
        r = outputs_lock(o, e);
    }
    for (size_t i = 0; i < o->n && r == 0; i++) {
        if (o->differs[i]) {
            r = live_stage(&o->files[i], o->bytes[i].p, o->bytes[i].len, o->digests[i], e);
        }
    }
    if (r < 0) {
        outputs_discard(o);
    }
    return r;
}

const char *outputs_staged_path(const struct outputs *o, size_t i)
{
    must(i < o->n);
    return o->files[i].staged.path;
}

const char *outputs_live_path(struct outputs *o, size_t i)
{
    must(i < o->n);
    free(o->live_path);
    o->live_path = fs_real_path(o->files[i].c.path);
    return o->live_path;
}

void outputs_discard(struct outputs *o)
{
    for (size_t i = 0; i < o->n; i++) {
        fs_discard(&o->files[i].staged);
    }
}
