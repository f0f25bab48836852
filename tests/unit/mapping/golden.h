#pragma once
/*
 * Recorded inspects of real engines, mapped with several sets of options, against expected files.
 *
 * With UPDATE_GOLDEN=1 in the environment the expected files are written anew, and the test fails all the
 * same: what changed is to be read before it is kept.
 */
#include "fixture.h"

#include "base/alloc.h"
#include "docker/decode.h"

#include <dirent.h>
#include <limits.h>

#define FILES_MAX 64

struct golden_set {
    const char *file; /* expected, in the engine's folder */
    struct mapping_options o;
};

struct golden_recording {
    char *name; /* of the file */
    struct container *c;
};

struct golden_engine {
    struct golden_recording items[FILES_MAX];
    size_t n;
};

static inline char *golden_read_file(const char *path, size_t *ret_len)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        return NULL;
    }
    struct buf b = BUF_INIT(FX_OUTPUT);
    char chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;) {
        buf_append(&b, chunk, n);
    }
    fclose(f);
    assert_int_equal(buf_error(&b), 0);
    *ret_len = b.len;
    return buf_take(&b);
}

static inline void golden_make_path(char path[PATH_MAX], const char *a, const char *b,
                                    const char *c)
{
    int n = snprintf(path, PATH_MAX, GOLDEN_DIR "/%s/%s/%s", a, b, c);
    assert_true(n > 0 && n < PATH_MAX);
}

static inline int golden_compare_recordings(const void *a, const void *b)
{
    return strcmp(((const struct golden_recording *)a)->name,
                  ((const struct golden_recording *)b)->name);
}

/* Adds the recordings of <source>/<engine>, if there is such a folder. */
static inline void golden_load(struct golden_engine *e, const char *source, const char *engine)
{
    char path[PATH_MAX];
    golden_make_path(path, source, engine, ".");
    DIR *dir = opendir(path);
    if (!dir) {
        return;
    }
    for (struct dirent *ent; (ent = readdir(dir));) {
        if (!str_starts(ent->d_name, "inspect-") || !str_ends(ent->d_name, ".json")) {
            continue;
        }
        size_t len = 0;
        struct err err = ERR_INIT;
        assert_true(e->n < FILES_MAX);
        golden_make_path(path, source, engine, ent->d_name);
        CLEANUP_FREE char *text = golden_read_file(path, &len);
        assert_non_null(text);
        struct golden_recording *r = &e->items[e->n];
        if (docker_decode_inspect(&r->c, text, len, NULL, &err) != 0) {
            fail_msg("%s: %s", path, err.msg);
        }
        r->name = xstrdup(ent->d_name);
        e->n++;
    }
    closedir(dir);
}

static inline void golden_unload(struct golden_engine *e)
{
    for (size_t i = 0; i < e->n; i++) {
        container_free(e->items[i].c);
        free(e->items[i].name);
    }
}

static inline const struct container *golden_peer_of(const struct golden_engine *e,
                                                     const struct container *c)
{
    const char *id = mapping_peer_id(c);
    for (size_t i = 0; id && i < e->n; i++) {
        if (streq(e->items[i].c->s.id, id)) {
            return e->items[i].c;
        }
    }
    return NULL;
}

static inline void golden_render(struct buf *out, const struct golden_engine *e,
                                 const struct mapping_options *o)
{
    for (size_t i = 0; i < e->n; i++) {
        const struct container *c = e->items[i].c;
        struct mapping_result r;
        mapping_map(o, c, golden_peer_of(e, c), &r);
        buf_printf(out, "== %s\n", e->items[i].name);
        fx_write(out, &r, true);
        mapping_result_deinit(&r);
    }
}

static inline void golden_write_file(const char *path, const struct buf *b)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(buf_str(b), 1, b->len, f), b->len);
    assert_int_equal(fclose(f), 0);
}

/* Returns how many recordings were looked at. */
static inline size_t golden_check_engine(const char *folder, const char *name,
                                         const struct golden_set *sets, size_t n_sets)
{
    struct golden_engine e = {0};
    char path[PATH_MAX];
    golden_load(&e, "docker", name);
    if (!streq(folder, "mapping")) {
        golden_load(&e, folder, name);
    }
    qsort(e.items, e.n, sizeof(e.items[0]), golden_compare_recordings);
    for (size_t i = 0; e.n && i < n_sets; i++) {
        struct buf got = BUF_INIT(FX_OUTPUT);
        size_t len = 0;
        golden_render(&got, &e, &sets[i].o);
        golden_make_path(path, folder, name, sets[i].file);
        CLEANUP_FREE char *want = golden_read_file(path, &len);
        if (getenv("UPDATE_GOLDEN")) {
            golden_write_file(path, &got);
        } else if (!want) {
            fail_msg("%s: is missing", path);
        } else if (!streq(want, buf_str(&got))) {
            print_error("%s differs\n", path);
            assert_string_equal(buf_str(&got), want);
        }
        buf_deinit(&got);
    }
    size_t n = e.n;
    golden_unload(&e);
    return n;
}

/*
 * For each engine <folder>/<engine> below GOLDEN_DIR: what docker/<engine> and <folder>/<engine> have in
 * inspect-*.json, against <folder>/<engine>/<set>.
 */
static inline void golden_check(const char *folder, const struct golden_set *sets, size_t n_sets,
                                size_t least)
{
    char path[PATH_MAX];
    golden_make_path(path, folder, ".", ".");
    DIR *dir = opendir(path);
    assert_non_null(dir);
    size_t looked_at = 0, engines = 0;
    for (struct dirent *ent; (ent = readdir(dir));) {
        if (ent->d_name[0] != '.' && ent->d_type == DT_DIR) {
            size_t n = golden_check_engine(folder, ent->d_name, sets, n_sets);
            looked_at += n;
            engines += n > 0;
        }
    }
    closedir(dir);
    if (getenv("UPDATE_GOLDEN")) {
        fail_msg("the expected files of %zu engines were written anew", engines);
    }
    assert_true(engines >= 3);
    assert_true(looked_at >= least);
}
