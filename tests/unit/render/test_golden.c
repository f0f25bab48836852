/*
 * Golden pairs: tests/golden/render/NAME.json (options, records before, records) gives NAME.conf, byte for
 * byte, and NAME.reports. With UPDATE_GOLDEN=1 in the environment the results are written instead of
 * compared; tests/loop/renderer/test_nginx.c has the real nginx check every NAME.conf, those that begin with
 * "stream-" inside its stream block.
 */
#include "unit/render/records.h"

#include <dirent.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "render/nginx.h"

#define FOLDER    GOLDEN_DIR "/render/"
#define NAMES_MAX 16

static size_t strings(const json *j, const char *names[NAMES_MAX])
{
    size_t n = 0;
    for (const json *it = j ? json_first(j) : NULL; it; it = json_next(it)) {
        assert_true(n < NAMES_MAX);
        names[n++] = json_value(it);
    }
    return n;
}

static void render(struct engine *g, const json *records, struct engine_result *ret)
{
    struct table t = TABLE_NULL;
    struct err e = ERR_INIT;
    records_put(&t, records);
    if (g->ops->render(g, &t, ret, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    table_deinit(&t); /* the result must not need the table, but for the names in reports */
}

static void compare(const char *name, const char *suffix, const char *bytes, size_t len)
{
    char path[512];
    struct buf want = BUF_INIT(1u << 20);
    struct err e = ERR_INIT;
    snprintf(path, sizeof(path), FOLDER "%s%s", name, suffix);
    if (getenv("UPDATE_GOLDEN")) {
        assert_int_equal(fs_replace(path, bytes, len, 0644, false, &e), 0);
        return;
    }
    if (fs_read(path, &want, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    if (want.len != len || memcmp(want.data, bytes, len) != 0) {
        fail_msg("%s differs; this is\n%.*s", path, (int)len, bytes);
    }
    buf_deinit(&want);
}

static void check_pair(const char *name, size_t counts[2])
{
    char path[512];
    struct buf text = BUF_INIT(1u << 20);
    struct err e = ERR_INIT;
    CLEANUP_JSON json *j = NULL;
    snprintf(path, sizeof(path), FOLDER "%s.json", name);
    if (fs_read(path, &text, &e) < 0 || json_parse(&j, text.data, text.len, &e) < 0) {
        fail_msg("%s: %s", path, e.msg);
    }
    const char *services[NAMES_MAX], *expect[NAMES_MAX];
    struct nginx_options o = {.services = services, .expect = expect};
    bool stream = streq(json_str(j, "context", "http"), "stream");
    assert_int_equal(stream, str_starts(name, "stream-"));
    o.context = stream ? NGINX_STREAM : NGINX_HTTP;
    o.n_services = strings(json_get(j, "services"), services);
    o.n_expect = strings(json_get(j, "expect"), expect);
    const char *empty = json_str(j, "empty", "down");
    o.empty = streq(empty, "keep")   ? NGINX_EMPTY_KEEP
              : streq(empty, "omit") ? NGINX_EMPTY_OMIT
                                     : NGINX_EMPTY_DOWN;

    struct engine *g = NULL;
    assert_int_equal(nginx_engine_new(&g, &o, &e), 0);
    struct engine_result res;
    const json *before = json_get(j, "before");
    if (before) {
        render(g, before, &res);
        g->ops->commit(g);
    }
    struct table t = TABLE_NULL;
    records_put(&t, json_get(j, "records"));
    assert_int_equal(g->ops->render(g, &t, &res, &e), 0);
    compare(name, ".conf", res.bytes, res.len);

    struct buf reports = BUF_INIT(1u << 20);
    buf_printf(&reports, "upstreams=%zu servers=%zu empty=%zu\n", res.upstreams, res.servers,
               res.empty);
    for (size_t i = 0; i < res.n_reports; i++) {
        const struct engine_report *r = &res.reports[i];
        buf_printf(&reports, "%s %s %.4s %s\n", r->service, r->id, r->container, r->text);
    }
    compare(name, ".reports", reports.data, reports.len);
    buf_deinit(&reports);

    /* what was written is understood again, to the last line, and kept as it is */
    g->ops->commit(g);
    struct nginx_options keep = {.context = o.context, .empty = NGINX_EMPTY_KEEP};
    struct engine *again = NULL;
    struct engine_result kept;
    assert_int_equal(nginx_engine_new(&again, &keep, &e), 0);
    assert_int_equal(again->ops->adopt(again, res.bytes, res.len), 0);
    struct table none = TABLE_NULL;
    assert_int_equal(again->ops->render(again, &none, &kept, &e), 0);
    if (kept.len != res.len || memcmp(kept.bytes, res.bytes, res.len) != 0) {
        fail_msg("%s is read back as\n%s", name, kept.bytes);
    }
    assert_int_equal(kept.servers, res.servers);
    counts[o.context]++;
    engine_free(again);
    engine_free(g);
    table_deinit(&t);
    buf_deinit(&text);
}

static void every_pair(void **state)
{
    DIR *dir = opendir(FOLDER);
    assert_non_null(dir);
    size_t counts[2] = {0};
    for (struct dirent *ent; (ent = readdir(dir)) != NULL;) {
        if (str_ends(ent->d_name, ".json")) {
            CLEANUP_FREE char *name = xmemdup0(ent->d_name, strlen(ent->d_name) - 5);
            check_pair(name, counts);
        }
    }
    closedir(dir);
    print_message("%zu pairs for http, %zu for stream\n", counts[NGINX_HTTP], counts[NGINX_STREAM]);
    assert_true(counts[NGINX_HTTP] >= 10 && counts[NGINX_STREAM] >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_pair)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
