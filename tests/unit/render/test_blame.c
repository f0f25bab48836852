/*
 * What the real nginx said (tests/golden/blame), and what people or machines may make of such lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "render/blame.h"

#define FOLDER GOLDEN_DIR "/blame/"
#define HTTP   0
#define STREAM 1

static const struct blame_file files[] = {
    [HTTP] = {{"/srv/web/up.conf", "/etc/nginx/conf.d/m-ours.conf", NULL}},
    [STREAM] = {{"/etc/nginx/stream.d/m-ours.conf", NULL, "/etc/nginx/stream.d/.staged"}},
};

static const char *const kinds[] = {
    [ENGINE_BLAME_LINE] = "line",
    [ENGINE_BLAME_UPSTREAM] = "upstream",
    [ENGINE_BLAME_ZONE] = "zone",
};

/* As "http line 4", "any upstream \"web\"", "none". */
static const char *judge(const char *said)
{
    static char text[512];
    struct engine_blame b;
    size_t file = 99;
    int r = blame_parse(said, files, ARRAY_LEN(files), &file, &b);
    if (r < 0) {
        assert_int_equal(r, -ENOENT);
        assert_int_equal(file, 99);
        return "none";
    }
    assert_true(file < ARRAY_LEN(files));
    int n = snprintf(text, sizeof(text), "%s %s",
                     b.line == 0 ? "any"
                     : file      ? "stream"
                                 : "http",
                     kinds[b.kind]);
    if (b.line > 0) {
        n += snprintf(text + n, sizeof(text) - (size_t)n, " %zu", b.line);
    }
    assert_int_equal(b.name != NULL, b.kind != ENGINE_BLAME_LINE);
    if (b.name) {
        snprintf(text + n, sizeof(text) - (size_t)n, " %.*s", (int)b.name_len, b.name);
    }
    return text;
}

static void assert_judged(const char *said, const char *want)
{
    const char *got = judge(said);
    if (!streq(got, want)) {
        fail_msg("%s\nis judged as %s, not as %s", said, got, want);
    }
}

static void every_saying_of_nginx(void **state)
{
    struct buf text = BUF_INIT(1u << 20), said = BUF_INIT(1u << 20);
    struct err e = ERR_INIT;
    CLEANUP_JSON json *cases = NULL;
    if (fs_read(FOLDER "cases.json", &text, &e) < 0 ||
        json_parse(&cases, text.data, text.len, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    size_t n = 0;
    for (const json *it = json_first(cases); it; it = json_next(it)) {
        char path[512], want[512];
        const char *name = json_str(it, "name", "");
        snprintf(path, sizeof(path), FOLDER "%s.txt", name);
        buf_reset(&said);
        if (fs_read(path, &said, &e) < 0) {
            fail_msg("%s", e.msg);
        }
        int len = snprintf(want, sizeof(want), "%s", json_str(it, "blames", ""));
        const char *const more[] = {json_str(it, "kind", NULL), NULL, json_str(it, "of", NULL)};
        char line[24] = "";
        if (json_get(it, "line")) {
            snprintf(line, sizeof(line), "%d", (int)json_int(it, "line", 0));
        }
        for (size_t i = 0; i < ARRAY_LEN(more); i++) {
            const char *word = i == 1 ? (*line ? line : NULL) : more[i];
            if (word) {
                len += snprintf(want + len, sizeof(want) - (size_t)len, " %s", word);
            }
        }
        print_message("%s: %s\n", name, want);
        assert_judged(buf_str(&said), want);
        /* every one of them has a reason, and that is one whole line */
        size_t reason_len = 0;
        const char *reason = blame_reason(buf_str(&said), &reason_len);
        assert_true(reason_len > 0 && reason[-1] == ' ' && reason[reason_len] == '\n');
        n++;
    }
    assert_true(n >= 30);
    buf_deinit(&text);
    buf_deinit(&said);
}

static void assert_reason(const char *said, const char *want)
{
    size_t len = 99;
    const char *reason = blame_reason(said, &len);
    if (len != strlen(want) || memcmp(reason, want, len) != 0) {
        fail_msg("the reason in\n%s\nis \"%.*s\", not \"%s\"", said, (int)len, reason, want);
    }
}

static void the_reason_is_for_people(void **state)
{
    assert_reason("nginx: [emerg] unexpected \"}\" in /etc/x:3\nnginx: test failed\n",
                  "unexpected \"}\" in /etc/x:3");
    assert_reason("2026/11/20 21:16:58 [emerg] 28877#28877: no", "no");
    assert_reason("2026/11/20 21:16:58 [warn] 1#1: eh\n2026/11/20 21:16:58 [emerg] 1#1: no\n",
                  "no");
    assert_reason("nginx: [alert] first\nnginx: [emerg] second\nnginx: [emerg] third\n", "second");
    assert_reason("nginx: [crit] first\nnginx: [alert] second\n", "first");
    assert_reason("nginx: [alert] first\nnginx: [crit] second\n", "first");
    assert_reason("nginx: [alert] could not open error log file: open()\n", "");
    assert_reason("nginx: [warn] first\n", "");
    assert_reason("[emerg] bare\n  nginx: [emerg] indented\n", "");
    assert_reason("haproxy: bad\n", "");
    assert_reason("nginx: [emerg] 12#x: y\n", "12#x: y");
    assert_reason("", "");
}

static void places_match_whole_paths(void **state)
{
#define SAID "nginx: [emerg] bad in "
    assert_judged(SAID "/etc/nginx/conf.d/m-ours.conf:7\n", "http line 7");
    assert_judged(SAID "/srv/web/up.conf:7", "http line 7");
    assert_judged(SAID "/etc/nginx/stream.d/.staged:18446744073709551615",
                  "stream line 18446744073709551615");
    assert_judged(SAID "/srv/./web//up.conf:1\n", "http line 1");
    assert_judged(SAID "/srv/web/up.conf:0\n", "none");
    assert_judged(SAID "/srv/web/up.conf:-1\n", "none");
    assert_judged(SAID "/srv/web/up.conf:\n", "none");
    assert_judged(SAID "/srv/web/up.conf:18446744073709551616\n", "none");
    assert_judged(SAID "/srv/web/up.conf:7 \n", "none");
    assert_judged(SAID "/srv/web/up.conf", "none");
    assert_judged(SAID "/srv/web/up.confx:7\n", "none");
    assert_judged(SAID "/srv/web/up.con:7\n", "none");
    assert_judged(SAID "srv/web/up.conf:7\n", "none");
    assert_judged(SAID "/srv/.web/up.conf:7\n", "none");
    assert_judged(SAID "/srv/web/up.conf:7 in /etc/other:3\n", "none");
    assert_judged(SAID "\"x in /etc/other:3\" in /srv/web/up.conf:7\n", "http line 7");
    const struct blame_file odd = {{"/a in b/up:1.conf", NULL, NULL}};
    struct engine_blame b;
    size_t file = 99;
    assert_int_equal(blame_parse(SAID "/a in b/up:1.conf:12\n", &odd, 1, &file, &b), 0);
    assert_int_equal(file, 0);
    assert_int_equal(b.line, 12);
    assert_int_equal(blame_parse(SAID "/a in b/up:1.conf:12\n", NULL, 0, &file, &b), -ENOENT);
#undef SAID
}

static void names_are_those_of_sayings_that_blame(void **state)
{
    assert_judged("nginx: [emerg] duplicate upstream \"a\" in /x:1\n", "any upstream a");
    assert_judged("nginx: [emerg] duplicate upstream \"\" in /x:1\n", "none");
    assert_judged("nginx: [emerg] duplicate upstream \"a", "none");
    assert_judged("nginx: [emerg] duplicate upstream a in /x:1\n", "none");
    assert_judged("nginx: [emerg] cannot have duplicate upstream \"a\" in /x:1\n", "none");
    assert_judged("nginx: [emerg] upstream \"a\" is a nuisance in /x:1\n", "none");
    assert_judged("nginx: [warn] duplicate upstream \"a\" in /x:1\n", "none");
    assert_judged("nginx: [emerg] invalid value \"duplicate upstream \"a\" in \" in /x:1\n",
                  "none");
    assert_judged("nginx: [emerg] duplicate upstream \"a\" in /srv/web/up.conf:3\n",
                  "http upstream 3 a");
    assert_judged("", "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_saying_of_nginx),
        cmocka_unit_test(the_reason_is_for_people),
        cmocka_unit_test(places_match_whole_paths),
        cmocka_unit_test(names_are_those_of_sayings_that_blame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
