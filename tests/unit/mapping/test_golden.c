/*
 * What real engines say of a container → services, for several sets of options.
 *
 * For each folder mapping/<engine> below GOLDEN_DIR, reads docker/<engine>/inspect-*.json and compares
 * with mapping/<engine>/<options>.txt. With UPDATE_GOLDEN=1 in the environment the expected files are written
 * anew, and the test fails all the same: what changed is to be read before it is kept.
 */
#include "fixture.h"

#include "base/alloc.h"
#include "docker/decode.h"

#include <dirent.h>
#include <limits.h>

#define FILES_MAX 64

static const char *const no_filters[1];
static const char *const team_filter[] = {"label=org.example.team=w*"};

#define COMMON .node = "node1", .host_v4 = FX_HOST, .host_v6 = "", .network = "", .tags = ""

static const struct {
    const char *file;
    struct mapping_options o;
} sets[] = {
    {"default.txt", {COMMON, .filters = no_filters}},
    {"internal.txt", {COMMON, .filters = no_filters, .internal = true}},
    {"explicit.txt", {COMMON, .filters = team_filter, .n_filters = 1, .explicit_only = true}},
    {"other.txt",
     {.node = "node1",
      .host_v4 = "",
      .host_v6 = FX_HOST6,
      .network = "front",
      .tags = "x,y",
      .filters = no_filters,
      .name_from = MAPPING_NAME_COMPOSE,
      .health = MAPPING_HEALTH_MARK,
      .deregister = MAPPING_DEREGISTER_ON_SUCCESS}},
};

struct recording {
    char *name; /* of the file */
    struct container *c;
};

struct engine {
    struct recording items[FILES_MAX];
    size_t n;
};

static char *read_file(const char *path, size_t *ret_len)
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

static void make_path(char path[PATH_MAX], const char *a, const char *b, const char *c)
{
    int n = snprintf(path, PATH_MAX, GOLDEN_DIR "/%s/%s/%s", a, b, c);
    assert_true(n > 0 && n < PATH_MAX);
}

static int compare_recordings(const void *a, const void *b)
{
    return strcmp(((const struct recording *)a)->name, ((const struct recording *)b)->name);
}

static void load(struct engine *e, const char *engine)
{
    char path[PATH_MAX];
    make_path(path, "docker", engine, ".");
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *ent; (ent = readdir(dir));) {
        if (!str_starts(ent->d_name, "inspect-") || !str_ends(ent->d_name, ".json")) {
            continue;
        }
        size_t len = 0;
        struct err err = ERR_INIT;
        assert_true(e->n < FILES_MAX);
        make_path(path, "docker", engine, ent->d_name);
        CLEANUP_FREE char *text = read_file(path, &len);
        assert_non_null(text);
        struct recording *r = &e->items[e->n];
        if (docker_decode_inspect(&r->c, text, len, NULL, &err) != 0) {
            fail_msg("%s: %s", path, err.msg);
        }
        r->name = xstrdup(ent->d_name);
        e->n++;
    }
    closedir(dir);
    qsort(e->items, e->n, sizeof(e->items[0]), compare_recordings);
}

static void unload(struct engine *e)
{
    for (size_t i = 0; i < e->n; i++) {
        container_free(e->items[i].c);
        free(e->items[i].name);
    }
}

static const struct container *peer_of(const struct engine *e, const struct container *c)
{
    const char *id = mapping_peer_id(c);
    for (size_t i = 0; id && i < e->n; i++) {
        if (streq(e->items[i].c->s.id, id)) {
            return e->items[i].c;
        }
    }
    return NULL;
}

static void render(struct buf *out, const struct engine *e, const struct mapping_options *o)
{
    for (size_t i = 0; i < e->n; i++) {
        const struct container *c = e->items[i].c;
        struct mapping_result r;
        mapping_map(o, c, peer_of(e, c), &r);
        buf_printf(out, "== %s\n", e->items[i].name);
        fx_write(out, &r, true);
        mapping_result_deinit(&r);
    }
}

static void write_file(const char *path, const struct buf *b)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(buf_str(b), 1, b->len, f), b->len);
    assert_int_equal(fclose(f), 0);
}

/* Returns how many recordings were looked at. */
static size_t check_engine(const char *name)
{
    struct engine e = {0};
    char path[PATH_MAX];
    load(&e, name);
    for (size_t i = 0; e.n && i < sizeof(sets) / sizeof(sets[0]); i++) {
        struct buf got = BUF_INIT(FX_OUTPUT);
        size_t len = 0;
        render(&got, &e, &sets[i].o);
        make_path(path, "mapping", name, sets[i].file);
        CLEANUP_FREE char *want = read_file(path, &len);
        if (getenv("UPDATE_GOLDEN")) {
            write_file(path, &got);
        } else if (!want) {
            fail_msg("%s: is missing", path);
        } else if (!streq(want, buf_str(&got))) {
            print_error("%s differs\n", path);
            assert_string_equal(buf_str(&got), want);
        }
        buf_deinit(&got);
    }
    size_t n = e.n;
    unload(&e);
    return n;
}

static void test_engines(void **state)
{
    DIR *dir = opendir(GOLDEN_DIR "/mapping");
    assert_non_null(dir);
    size_t looked_at = 0, engines = 0;
    for (struct dirent *ent; (ent = readdir(dir));) {
        if (ent->d_name[0] != '.' && ent->d_type == DT_DIR) {
            size_t n = check_engine(ent->d_name);
            looked_at += n;
            engines += n > 0;
        }
    }
    closedir(dir);
    if (getenv("UPDATE_GOLDEN")) {
        fail_msg("the expected files of %zu engines were written anew", engines);
    }
    assert_true(engines >= 3);
    assert_true(looked_at >= 3 * 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_engines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
