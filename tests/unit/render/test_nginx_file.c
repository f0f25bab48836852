/*
 * The live file of an earlier run: what is taken over from it, and what is not, because people edit files.
 */
#include "render/nginx_file.h"

#include "unit/render/records.h"

#include "base/alloc.h"
#include "render/nginx.h"

#define BLOCK(name, body) "\nupstream " name " {\n" body "}\n"
#define GOOD              BLOCK("good", "    server 10.0.0.1:80;\n")

/* What KEEP makes of a live file when the registry is empty. */
static char *keep_in(enum nginx_context context, const char *live, size_t *ret_skipped,
                     size_t *ret_servers)
{
    struct engine *g = NULL;
    struct engine_result res;
    struct table none = TABLE_NULL;
    assert_int_equal(
        nginx_engine_new(&g, &(struct nginx_options){.context = context, .empty = NGINX_EMPTY_KEEP},
                         NULL),
        0);
    *ret_skipped = g->ops->adopt(g, live, strlen(live));
    assert_int_equal(g->ops->render(g, &none, &res, NULL), 0);
    assert_int_equal(res.live_servers, res.servers);
    *ret_servers = res.servers;
    char *out = xmemdup0(res.bytes, res.len);
    engine_free(g);
    return out;
}

static char *keep(const char *live, size_t *ret_skipped, size_t *ret_servers)
{
    return keep_in(NGINX_HTTP, live, ret_skipped, ret_servers);
}

static void good_blocks_are_kept(void **state)
{
    static const char text[] = NGINX_HEADER BLOCK(
        "all", "    zone all 64k;\n    hash $uri consistent;\n    keepalive 8;\n"
               "    server 10.0.0.1:80 weight=2 max_conns=1 max_fails=0 fail_timeout=1m;\n"
               "    server [::1]:80 down;\n")
        BLOCK("backup", "    least_conn;\n    server 10.0.0.1:80;\n"
                        "    server 10.0.0.2:80 backup down;\n")
            BLOCK("down", "    server 127.0.0.1:9 down;\n")
                BLOCK("only", "    server 127.0.0.1:9 down;\n    server 10.0.0.1:80 backup;\n");
    size_t skipped, servers;
    CLEANUP_FREE char *out = keep(text, &skipped, &servers);
    assert_string_equal(out, text);
    assert_int_equal(skipped, 0);
    assert_int_equal(servers, 5);
}

static void a_bad_block_is_kept_by_name(void **state)
{
    static const char *const bodies[] = {
        "",
        "    # a comment\n",
        "\n    server 10.0.0.1:80;\n",
        "    server 10.0.0.1:80\n",
        "    server 10.0.0.1:80;;\n",
        "    server 10.0.0.1:80; }\n",
        "    server 10.0.0.1:80;\r\n",
        "\tserver 10.0.0.1:80;\n",
        "   server 10.0.0.1:80;\n",
        "     server 10.0.0.1:80;\n",
        "    server  10.0.0.1:80;\n",
        "    server 10.0.0.1;\n",
        "    server 10.0.0.1:0;\n",
        "    server web:80;\n",
        "    server ;\n",
        "    server 10.0.0.1:80 weight=0;\n",
        "    server 10.0.0.1:80 weight=x;\n",
        "    server 10.0.0.1:80 max_conns=-1;\n",
        "    server 10.0.0.1:80 fail_timeout=5ms;\n",
        "    server 10.0.0.1:80 resolve;\n",
        "    server 10.0.0.1:80  down;\n",
        "    server 10.0.0.1:80 down ;\n",
        "    server 10.0.0.1:80 backup;\n", /* nginx refuses a block of backups only */
        "    ip_hash;\n    server 10.0.0.1:80;\n    server 10.0.0.2:80 backup;\n",
        "    server 10.0.0.1:80;\n    least_conn;\n",
        "    keepalive 8;\n    least_conn;\n    server 10.0.0.1:80;\n",
        "    keepalive 8;\n    keepalive 8;\n    server 10.0.0.1:80;\n",
        "    keepalive 0;\n    server 10.0.0.1:80;\n",
        "    random;\n    random;\n    server 10.0.0.1:80;\n",
        "    zone other 64k;\n    server 10.0.0.1:80;\n",
        "    zone bad 4k;\n    server 10.0.0.1:80;\n",
        "    zone bad 64k;\n    zone bad 64k;\n    server 10.0.0.1:80;\n",
        "    random;\n    zone bad 64k;\n    server 10.0.0.1:80;\n",
        "    hash $nosuch;\n    server 10.0.0.1:80;\n",
        "    include /etc/passwd;\n    server 10.0.0.1:80;\n",
        "    server 10.0.0.1:80;\n    }\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct buf live = BUF_INIT(65536);
        buf_printf(&live, "%s\nupstream bad {\n%s}\n%s", NGINX_HEADER, bodies[i], GOOD);
        size_t skipped, servers;
        CLEANUP_FREE char *out = keep(buf_str(&live), &skipped, &servers);
        static const char want[] = NGINX_HEADER BLOCK("bad", "    server 127.0.0.1:9 down;\n") GOOD;
        if (strcmp(out, want) != 0) {
            fail_msg("%s became\n%s", buf_str(&live), out);
        }
        assert_int_equal(servers, 1);
        buf_deinit(&live);
    }
}

static void a_stream_file_has_lines_of_its_own(void **state)
{
    static const char text[] = NGINX_HEADER BLOCK(
        "all", "    zone all:stream 64k;\n    hash $remote_addr$protocol consistent;\n"
               "    server 10.0.0.1:53 weight=2 max_conns=1 max_fails=0 fail_timeout=1m;\n"
               "    server [::1]:53 down;\n")
        BLOCK("backup", "    least_conn;\n    server 10.0.0.1:53;\n"
                        "    server 10.0.0.2:53 backup;\n");
    size_t skipped, servers;
    CLEANUP_FREE char *out = keep_in(NGINX_STREAM, text, &skipped, &servers);
    assert_string_equal(out, text);
    assert_int_equal(skipped, 0);
    assert_int_equal(servers, 4);

    /* what one context takes and the other does not; "1" is the name of both blocks */
    static const struct {
        enum nginx_context refuses;
        const char *line;
    } foreign[] = {
        {NGINX_STREAM, "    ip_hash;\n"},         {NGINX_STREAM, "    keepalive 8;\n"},
        {NGINX_STREAM, "    hash $uri;\n"},       {NGINX_STREAM, "    zone 1 64k;\n"},
        {NGINX_HTTP, "    zone 1:stream 64k;\n"}, {NGINX_HTTP, "    hash $protocol;\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
        struct buf live = BUF_INIT(65536);
        buf_printf(&live, "%s\nupstream 1 {\n%s    server 10.0.0.1:80;\n}\n", NGINX_HEADER,
                   foreign[i].line);
        for (int c = NGINX_HTTP; c <= NGINX_STREAM; c++) {
            CLEANUP_FREE char *kept =
                keep_in((enum nginx_context)c, buf_str(&live), &skipped, &servers);
            bool refused = foreign[i].refuses == (enum nginx_context)c;
            const char *want = refused ? NGINX_HEADER BLOCK("1", "    server 127.0.0.1:9 down;\n")
                                       : buf_str(&live);
            if (strcmp(kept, want) != 0 || skipped != refused || servers != !refused) {
                fail_msg("in %d %s became\n%s", c, buf_str(&live), kept);
            }
        }
        buf_deinit(&live);
    }

    /* names that only begin as the zone's */
    static const char *const zones[] = {"zone 1:streams 64k;", "zone 1:streams64k;",
                                        "zone 1:strea 64k;", "zone 1:stream", "zone 2:stream 64k;"};
    for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
        struct buf live = BUF_INIT(65536);
        buf_printf(&live, "%s\nupstream 1 {\n    %s\n    server 10.0.0.1:80;\n}\n", NGINX_HEADER,
                   zones[i]);
        CLEANUP_FREE char *kept = keep_in(NGINX_STREAM, buf_str(&live), &skipped, &servers);
        assert_string_equal(kept, NGINX_HEADER BLOCK("1", "    server 127.0.0.1:9 down;\n"));
        buf_deinit(&live);
    }
}

static void what_is_between_blocks_is_skipped(void **state)
{
    static const struct {
        const char *text, *want;
        size_t skipped;
    } cases[] = {
        {"", NGINX_HEADER, 0},
        {NGINX_HEADER, NGINX_HEADER, 0},
        {GOOD, NGINX_HEADER, 4}, /* no header: not ours, not one line of it */
        {" " NGINX_HEADER GOOD, NGINX_HEADER, 5},
        {NGINX_HEADER "# mine\nserver {}\n" GOOD "}\n", NGINX_HEADER GOOD, 3},
        {NGINX_HEADER "upstream a b {\n}\n", NGINX_HEADER, 2},
        {NGINX_HEADER "upstream A {\n}\n", NGINX_HEADER, 2},
        {NGINX_HEADER "upstream {\n}\n", NGINX_HEADER, 2},
        {NGINX_HEADER "upstream  {\n}\n", NGINX_HEADER, 2},
        {NGINX_HEADER "upstream x{\n}\n", NGINX_HEADER, 2},
        /* moved and doubled: sorted again, the first counts */
        {NGINX_HEADER GOOD BLOCK("b", "    server 10.0.0.2:80;\n")
             BLOCK("good", "    server 10.0.0.3:80;\n"),
         NGINX_HEADER BLOCK("b", "    server 10.0.0.2:80;\n") GOOD, 0},
        /* cut off */
        {NGINX_HEADER GOOD "\nupstream z {\n    server 10.0.0.2:80;",
         NGINX_HEADER GOOD BLOCK("z", "    server 127.0.0.1:9 down;\n"), 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t skipped, servers;
        CLEANUP_FREE char *out = keep(cases[i].text, &skipped, &servers);
        assert_string_equal(out, cases[i].want);
        if (skipped != cases[i].skipped) {
            fail_msg("case %zu: %zu lines skipped, not %zu", i, skipped, cases[i].skipped);
        }
    }
}

static void memory_is_that_of_the_live_file(void **state)
{
    struct engine *g = NULL;
    struct engine_result res;
    struct table t = TABLE_NULL, none = TABLE_NULL;
    assert_int_equal(nginx_engine_new(&g, &(struct nginx_options){.empty = NGINX_EMPTY_KEEP}, NULL),
                     0);
    records_put_text(&t, "[{\"name\":\"web\",\"host\":\"10.0.0.1\"}]");
    assert_int_equal(g->ops->render(g, &t, &res, NULL), 0);
    assert_int_equal(res.live_servers, 0);
    /* never committed (a check said no): nothing to remember */
    assert_int_equal(g->ops->render(g, &none, &res, NULL), 0);
    assert_int_equal(res.upstreams, 0);
    assert_int_equal(g->ops->render(g, &t, &res, NULL), 0);
    g->ops->commit(g);
    assert_int_equal(g->ops->render(g, &none, &res, NULL), 0);
    assert_int_equal(res.upstreams, 1);
    assert_int_equal(res.empty, 1);
    assert_int_equal(res.live_servers, 1);
    assert_int_equal(res.servers, 1); /* kept ones are servers: nothing is emptied */
    engine_free(g);
    table_deinit(&t);
}

static void names_that_are_not_selected_any_more_go(void **state)
{
    static const char *const services[] = {"web*"};
    static const char live[] = NGINX_HEADER BLOCK("api", "    server 10.0.0.1:80;\n")
        BLOCK("web-1", "    server 10.0.0.2:80;\n") BLOCK("zzz", "    server 10.0.0.3:80;\n");
    struct engine *g = NULL;
    struct engine_result res;
    struct table none = TABLE_NULL;
    assert_int_equal(
        nginx_engine_new(&g, &(struct nginx_options){.services = services, .n_services = 1}, NULL),
        0);
    assert_int_equal(g->ops->adopt(g, live, strlen(live)), 0);
    assert_int_equal(g->ops->render(g, &none, &res, NULL), 0);
    assert_string_equal(res.bytes, NGINX_HEADER BLOCK("web-1", "    server 127.0.0.1:9 down;\n"));
    assert_int_equal(res.live_servers, 3);
    engine_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_blocks_are_kept),
        cmocka_unit_test(a_bad_block_is_kept_by_name),
        cmocka_unit_test(a_stream_file_has_lines_of_its_own),
        cmocka_unit_test(what_is_between_blocks_is_skipped),
        cmocka_unit_test(memory_is_that_of_the_live_file),
        cmocka_unit_test(names_that_are_not_selected_any_more_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
