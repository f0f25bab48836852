/*
 * What is left out of a file that was refused, step by step, and when it comes back.
 */
#include "unit/render/records.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/str.h"
#include "render/nginx.h"
#include "render/nginx_file.h"

#define HEADER        NGINX_HEADER
#define DOWN          NGINX_PLACEHOLDER
#define OMITTED(name) "\n# upstream " name ": left out, nginx refused it.\n"

#define WEB                                                                                        \
    "{\"name\":\"web\",\"host\":\"10.0.0.1\",\"id\":\"n:web-1:80\",\"container\":\"c1\","          \
    "\"attrs\":{\"nginx_zone\":\"64k\"}},"                                                         \
    "{\"name\":\"web\",\"host\":\"10.0.0.2\",\"id\":\"n:web-2:80\",\"container\":\"c2\","          \
    "\"attrs\":{\"nginx_balance\":\"least_conn\"}}"
#define API "{\"name\":\"api\",\"host\":\"10.0.1.1\",\"id\":\"n:api-1:80\"}"

#define API_BLOCK "\nupstream api {\n    server 10.0.1.1:80;\n}\n"
#define WEB_HEAD  "\nupstream web {\n"
#define WEB_DIRS  "    zone web 64k;\n    least_conn;\n"
#define WEB_1     "    server 10.0.0.1:80;\n"
#define WEB_2     "    server 10.0.0.2:80;\n"

struct bed {
    struct engine *g;
    struct table t;
    struct engine_result res;
    struct engine_report said;
};

static void bed_init(struct bed *b, enum nginx_context context, enum nginx_empty empty)
{
    struct nginx_options o = {.context = context, .empty = empty};
    *b = (struct bed){.t = TABLE_NULL};
    assert_int_equal(nginx_engine_new(&b->g, &o, NULL), 0);
}

static void bed_deinit(struct bed *b)
{
    b->g = engine_free(b->g);
    table_deinit(&b->t);
}

static void set_records(struct bed *b, const char *records)
{
    char text[4096];
    table_deinit(&b->t);
    snprintf(text, sizeof(text), "[%s]", records);
    records_put_text(&b->t, text);
}

static void render(struct bed *b)
{
    struct err e = ERR_INIT;
    if (b->g->ops->render(b->g, &b->t, &b->res, &e) < 0) {
        fail_msg("%s", e.msg);
    }
}

static void assert_file(struct bed *b, const char *want)
{
    render(b);
    if (!streq(b->res.bytes, want)) {
        fail_msg("this is\n%s\nand not\n%s", b->res.bytes, want);
    }
    assert_int_equal(b->res.len, strlen(want));
}

static void assert_counts(const struct bed *b, size_t upstreams, size_t servers, size_t excluded,
                          size_t excluded_servers)
{
    const struct engine_result *r = &b->res;
    if (r->upstreams != upstreams || r->servers != servers || r->excluded != excluded ||
        r->excluded_servers != excluded_servers) {
        fail_msg("upstreams=%zu servers=%zu excluded=%zu excluded_servers=%zu", r->upstreams,
                 r->servers, r->excluded, r->excluded_servers);
    }
}

/* Blames the line of the last file in which text is. */
static int blame(struct bed *b, const char *text)
{
    const char *at = strstr(b->res.bytes, text);
    if (!at) {
        fail_msg("no %s in\n%s", text, b->res.bytes);
    }
    struct engine_blame what = {.kind = ENGINE_BLAME_LINE, .line = 1};
    for (const char *p = b->res.bytes; p < at; p++) {
        what.line += *p == '\n';
    }
    return b->g->ops->exclude(b->g, &what, &b->said);
}

static int blame_name(struct bed *b, enum engine_blame_kind kind, const char *name)
{
    struct engine_blame what = {.kind = kind, .name = name, .name_len = strlen(name)};
    return b->g->ops->exclude(b->g, &what, &b->said);
}

static void assert_said(const struct bed *b, const char *service, const char *id, const char *text)
{
    const struct engine_report *r = &b->said;
    if (!streq(r->service, service) || !streq(r->id, id) || !strstr(r->text, text)) {
        fail_msg("%s %s: %s", r->service, r->id, r->text);
    }
}

static void every_step_of_a_block(void **state)
{
    struct bed b;
    bed_init(&b, NGINX_HTTP, NGINX_EMPTY_DOWN);
    set_records(&b, WEB "," API);
    assert_file(&b, HEADER API_BLOCK WEB_HEAD WEB_DIRS WEB_1 WEB_2 "}\n");
    assert_counts(&b, 2, 3, 0, 0);

    assert_int_equal(blame(&b, "server 10.0.0.1:80"), 0);
    assert_said(&b, "web", "n:web-1:80",
                "nginx refused \"server 10.0.0.1:80\" of upstream web: this server is left out");
    assert_string_equal(b.said.container, "c1");
    assert_file(&b, HEADER API_BLOCK WEB_HEAD WEB_DIRS WEB_2 "}\n");
    assert_counts(&b, 2, 2, 1, 1);

    assert_int_equal(blame(&b, "least_conn"), 0);
    assert_said(&b, "web", "n:web-2:80",
                "nginx refused \"least_conn\" of upstream web: its directives are left out");
    assert_file(&b, HEADER API_BLOCK WEB_HEAD WEB_2 "}\n");
    assert_counts(&b, 2, 2, 2, 1);

    assert_int_equal(blame(&b, "server 10.0.0.2:80"), 0);
    assert_said(&b, "web", "n:web-2:80", "this server is left out");
    assert_file(&b, HEADER API_BLOCK WEB_HEAD DOWN "}\n");
    assert_counts(&b, 2, 1, 3, 2);
    assert_int_equal(b.res.empty, 0); /* the registry has servers for it */

    assert_int_equal(blame(&b, "server 127.0.0.1:9"), 0);
    assert_said(&b, "web", "n:web-1:80", "nginx refused upstream web: it is left out");
    assert_file(&b, HEADER API_BLOCK OMITTED("web"));
    assert_counts(&b, 1, 1, 1, 2);

    assert_int_equal(blame(&b, "# upstream web"), -ENOENT);
    assert_file(&b, HEADER API_BLOCK OMITTED("web"));
    bed_deinit(&b);
}

static void a_head_is_the_whole_block(void **state)
{
    static const char *const places[] = {"upstream web {", "}\n"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct bed b;
        bed_init(&b, NGINX_HTTP, NGINX_EMPTY_DOWN);
        set_records(&b, WEB);
        render(&b);
        assert_int_equal(blame(&b, places[i]), 0);
        assert_said(&b, "web", "n:web-1:80", "its servers are left out");
        assert_file(&b, HEADER WEB_HEAD DOWN "}\n");
        assert_counts(&b, 1, 0, 3, 2);
        assert_int_equal(blame(&b, places[i]), 0);
        assert_said(&b, "web", "n:web-1:80", "it is left out");
        assert_file(&b, HEADER OMITTED("web"));
        bed_deinit(&b);
    }
}

static void directives_first(void **state)
{
    struct bed b;
    bed_init(&b, NGINX_HTTP, NGINX_EMPTY_DOWN);
    set_records(&b, WEB);
    render(&b);
    assert_int_equal(blame(&b, "zone web"), 0);
    assert_said(&b, "web", "n:web-1:80", "nginx refused \"zone web 64k\"");
    assert_file(&b, HEADER WEB_HEAD WEB_1 WEB_2 "}\n");
    assert_counts(&b, 1, 2, 1, 0);
    /* lines of the file and of the body have different numbers now */
    assert_int_equal(blame(&b, "10.0.0.2"), 0);
    assert_said(&b, "web", "n:web-2:80", "this server");
    assert_file(&b, HEADER WEB_HEAD WEB_1 "}\n");
    bed_deinit(&b);
}

static void a_placeholder_stands_in_for_the_last_ordinary_server(void **state)
{
    struct bed b;
    bed_init(&b, NGINX_HTTP, NGINX_EMPTY_DOWN);
    set_records(&b, WEB ",{\"name\":\"web\",\"host\":\"10.0.0.3\",\"attrs\":{\"backup\":\"1\"}},"
                        "{\"name\":\"web\",\"host\":\"10.0.0.4\",\"attrs\":{\"backup\":\"1\"}}");
    render(&b);
    assert_int_equal(blame(&b, "10.0.0.1:80"), 0);
    render(&b);
    assert_int_equal(blame(&b, "10.0.0.2:80"), 0);
    assert_file(&b, HEADER WEB_HEAD WEB_DIRS DOWN
                "    server 10.0.0.3:80 backup;\n    server 10.0.0.4:80 backup;\n}\n");
    /* behind the line that was put in */
    assert_int_equal(blame(&b, "10.0.0.4:80"), 0);
    assert_said(&b, "web", "n:10.0.0.4:80", "this server");
    assert_file(&b, HEADER WEB_HEAD WEB_DIRS DOWN "    server 10.0.0.3:80 backup;\n}\n");
    assert_int_equal(blame(&b, "127.0.0.1:9"), 0);
    assert_file(&b, HEADER WEB_HEAD DOWN "}\n");
    assert_counts(&b, 1, 0, 5, 4);
    bed_deinit(&b);
}

static void a_taken_name_goes_at_once(void **state)
{
    struct bed b;
    bed_init(&b, NGINX_HTTP, NGINX_EMPTY_DOWN);
    set_records(&b, WEB "," API);
    render(&b);
    assert_int_equal(blame_name(&b, ENGINE_BLAME_UPSTREAM, "nosuch"), -ENOENT);
    assert_int_equal(blame_name(&b, ENGINE_BLAME_UPSTREAM, "we"), -ENOENT);
    assert_int_equal(blame_name(&b, ENGINE_BLAME_UPSTREAM, "web2"), -ENOENT);
    assert_int_equal(blame_name(&b, ENGINE_BLAME_UPSTREAM, ""), -ENOENT);
    assert_int_equal(blame_name(&b, ENGINE_BLAME_UPSTREAM, "WEB"), 0);
    assert_said(&b, "web", "n:web-1:80", "clashes with nginx's other configuration");
    assert_file(&b, HEADER API_BLOCK OMITTED("web"));
    assert_counts(&b, 1, 1, 1, 2);
    assert_int_equal(blame_name(&b, ENGINE_BLAME_UPSTREAM, "web"), -ENOENT);
    bed_deinit(&b);
}

static void zones_have_names_too(void **state)
{
    struct bed b;
    bed_init(&b, NGINX_HTTP, NGINX_EMPTY_DOWN);
    set_records(&b, WEB "," API);
    render(&b);
    assert_int_equal(blame_name(&b, ENGINE_BLAME_ZONE, "api"), -ENOENT); /* has none */
    assert_int_equal(blame_name(&b, ENGINE_BLAME_ZONE, "WEB"), -ENOENT);
    assert_int_equal(blame_name(&b, ENGINE_BLAME_ZONE, "web:stream"), -ENOENT);
    assert_int_equal(blame_name(&b, ENGINE_BLAME_ZONE, "web"), 0);
    assert_said(&b, "web", "n:web-1:80", "\"zone web 64k\"");
    assert_file(&b, HEADER API_BLOCK WEB_HEAD WEB_1 WEB_2 "}\n");
    assert_int_equal(blame_name(&b, ENGINE_BLAME_ZONE, "web"), -ENOENT);
    bed_deinit(&b);

    bed_init(&b, NGINX_STREAM, NGINX_EMPTY_DOWN);
    set_records(&b, "{\"name\":\"web\",\"host\":\"10.0.0.1\",\"attrs\":{\"nginx\":\"stream\","
                    "\"nginx_zone\":\"64k\"}}");
    render(&b);
    assert_int_equal(blame_name(&b, ENGINE_BLAME_ZONE, "web"), -ENOENT);
    assert_int_equal(blame_name(&b, ENGINE_BLAME_ZONE, "stream"), -ENOENT);
    assert_int_equal(blame_name(&b, ENGINE_BLAME_ZONE, "web:stream"), 0);
    assert_file(&b, HEADER WEB_HEAD WEB_1 "}\n");
    bed_deinit(&b);
}

static void lines_that_are_nobodys(void **state)
{
    struct bed b;
    bed_init(&b, NGINX_HTTP, NGINX_EMPTY_DOWN);
    struct engine_blame what = {.kind = ENGINE_BLAME_LINE, .line = 1};
    assert_int_equal(b.g->ops->exclude(b.g, &what, &b.said), -ENOENT); /* nothing rendered yet */
    set_records(&b, WEB);
    render(&b);
    size_t lines = 0;
    for (const char *p = b.res.bytes; *p; p++) {
        lines += *p == '\n';
    }
    const size_t places[] = {0, 1, 2, lines + 1, lines + 2, SIZE_MAX};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        what.line = places[i];
        assert_int_equal(b.g->ops->exclude(b.g, &what, &b.said), -ENOENT);
    }
    assert_file(&b, HEADER WEB_HEAD WEB_DIRS WEB_1 WEB_2 "}\n");
    /* a second blame needs a second file */
    assert_int_equal(blame(&b, "10.0.0.1"), 0);
    assert_int_equal(blame(&b, "10.0.0.2"), -ENOENT);
    assert_file(&b, HEADER WEB_HEAD WEB_DIRS WEB_2 "}\n");
    bed_deinit(&b);
}

static void back_with_the_next_change(void **state)
{
    struct bed b;
    bed_init(&b, NGINX_HTTP, NGINX_EMPTY_DOWN);
    set_records(&b, WEB "," API);
    render(&b);
    assert_int_equal(blame(&b, "10.0.0.1"), 0);
    assert_file(&b, HEADER API_BLOCK WEB_HEAD WEB_DIRS WEB_2 "}\n");
    /* others change: it stays out */
    set_records(&b, WEB);
    assert_file(&b, HEADER WEB_HEAD WEB_DIRS WEB_2 "}\n");
    assert_counts(&b, 1, 1, 1, 1);
    /* its own block changes, be it through another server */
    set_records(&b, WEB ",{\"name\":\"web\",\"host\":\"10.0.0.3\"}");
    assert_file(&b, HEADER WEB_HEAD WEB_DIRS WEB_1 WEB_2 "    server 10.0.0.3:80;\n}\n");
    assert_counts(&b, 1, 3, 0, 0);
    /* and that was the end of it */
    set_records(&b, WEB);
    assert_file(&b, HEADER WEB_HEAD WEB_DIRS WEB_1 WEB_2 "}\n");
    assert_int_equal(blame(&b, "upstream web"), 0);
    assert_file(&b, HEADER WEB_HEAD DOWN "}\n");
    /* without servers it is another block */
    b.g->ops->commit(b.g);
    set_records(&b, API);
    assert_file(&b, HEADER API_BLOCK WEB_HEAD DOWN "}\n");
    assert_counts(&b, 2, 1, 0, 0);
    assert_int_equal(b.res.empty, 1);
    bed_deinit(&b);
}

static void readmitted(void **state)
{
    struct bed b;
    bed_init(&b, NGINX_HTTP, NGINX_EMPTY_DOWN);
    set_records(&b, WEB "," API);
    render(&b);
    assert_int_equal(blame(&b, "10.0.0.1"), 0);
    render(&b);
    assert_int_equal(blame_name(&b, ENGINE_BLAME_UPSTREAM, "api"), 0);
    assert_file(&b, HEADER OMITTED("api") WEB_HEAD WEB_DIRS WEB_2 "}\n");
    assert_counts(&b, 1, 1, 2, 2);
    b.g->ops->commit(b.g);
    b.g->ops->readmit(b.g);
    assert_int_equal(blame(&b, "10.0.0.2"), -ENOENT); /* that file is history */
    assert_file(&b, HEADER API_BLOCK WEB_HEAD WEB_DIRS WEB_1 WEB_2 "}\n");
    assert_counts(&b, 2, 3, 0, 0);
    b.g->ops->readmit(b.g);
    bed_deinit(&b);
}

static void not_an_emptied_registry(void **state)
{
    struct bed b;
    bed_init(&b, NGINX_HTTP, NGINX_EMPTY_DOWN);
    set_records(&b, WEB);
    render(&b);
    b.g->ops->commit(b.g);
    render(&b);
    assert_int_equal(blame_name(&b, ENGINE_BLAME_UPSTREAM, "web"), 0);
    for (int i = 0; i < 3; i++) {
        render(&b);
        assert_int_equal(b.res.live_servers, 2);
        assert_int_equal(b.res.servers + b.res.excluded_servers, 2);
        assert_int_equal(b.res.servers, 0);
        b.g->ops->commit(b.g);
    }
    /* now it is one */
    set_records(&b, API);
    table_deinit(&b.t);
    render(&b);
    assert_int_equal(b.res.live_servers, 2);
    assert_int_equal(b.res.servers + b.res.excluded_servers, 0);
    /* what another run finds has what it has */
    b.g->ops->adopt(b.g, HEADER API_BLOCK, strlen(HEADER API_BLOCK));
    render(&b);
    assert_int_equal(b.res.live_servers, 1);
    bed_deinit(&b);
}

static void names_are_not_forgotten(void **state)
{
    static const struct {
        enum nginx_empty empty;
        const char *gone;
    } cases[] = {
        {NGINX_EMPTY_DOWN, HEADER WEB_HEAD DOWN "}\n"},
        {NGINX_EMPTY_KEEP, HEADER WEB_HEAD DOWN "}\n"}, /* was never live with servers */
        {NGINX_EMPTY_OMIT, HEADER},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bed b, later;
        bed_init(&b, NGINX_HTTP, cases[i].empty);
        bed_init(&later, NGINX_HTTP, cases[i].empty);
        set_records(&b, WEB);
        render(&b);
        assert_int_equal(blame_name(&b, ENGINE_BLAME_UPSTREAM, "web"), 0);
        assert_file(&b, HEADER OMITTED("web"));
        b.g->ops->commit(b.g);
        /* a restart finds the name in the file */
        assert_int_equal(later.g->ops->adopt(later.g, b.res.bytes, b.res.len), 0);
        assert_file(&later, cases[i].gone);
        table_deinit(&b.t);
        assert_file(&b, cases[i].gone);
        bed_deinit(&later);
        bed_deinit(&b);
    }
}

static void servers_of_the_past(void **state)
{
    struct bed b;
    bed_init(&b, NGINX_HTTP, NGINX_EMPTY_KEEP);
    set_records(&b, WEB);
    render(&b);
    b.g->ops->commit(b.g);
    table_deinit(&b.t);
    assert_file(&b, HEADER WEB_HEAD WEB_DIRS WEB_1 WEB_2 "}\n");
    assert_int_equal(b.res.empty, 1);
    assert_int_equal(blame(&b, "10.0.0.1"), 0);
    assert_said(&b, "web", "", "this server is left out");
    assert_string_equal(b.said.container, "");
    for (int i = 0; i < 3; i++) {
        assert_file(&b, HEADER WEB_HEAD WEB_DIRS WEB_2 "}\n");
        assert_counts(&b, 1, 1, 1, 1);
        b.g->ops->commit(b.g); /* what is kept is no longer what is live */
    }
    render(&b);
    assert_int_equal(blame_name(&b, ENGINE_BLAME_UPSTREAM, "web"), 0);
    for (int i = 0; i < 3; i++) {
        assert_file(&b, HEADER OMITTED("web"));
        assert_counts(&b, 0, 0, 1, 2);
        assert_int_equal(b.res.live_servers, 2);
        b.g->ops->commit(b.g);
    }
    b.g->ops->readmit(b.g);
    assert_file(&b, HEADER WEB_HEAD DOWN "}\n"); /* the name is there, its servers are gone */
    bed_deinit(&b);

    bed_init(&b, NGINX_HTTP, NGINX_EMPTY_DOWN);
    b.g->ops->adopt(b.g, HEADER API_BLOCK, strlen(HEADER API_BLOCK));
    assert_file(&b, HEADER "\nupstream api {\n" DOWN "}\n");
    assert_int_equal(blame(&b, "upstream api"), 0);
    assert_said(&b, "api", "", "it is left out");
    for (int i = 0; i < 3; i++) {
        assert_file(&b, HEADER OMITTED("api"));
        assert_counts(&b, 0, 0, 1, 0);
        b.g->ops->commit(b.g);
    }
    bed_deinit(&b);
}

/* The reload is refused when the file is live already, and the last good one is put back. */
static void refused_after_it_went_live(void **state)
{
    struct bed b;
    bed_init(&b, NGINX_HTTP, NGINX_EMPTY_DOWN);
    set_records(&b, WEB);
    render(&b);
    b.g->ops->commit(b.g);
    assert_int_equal(blame(&b, "10.0.0.2"), 0);
    b.g->ops->adopt(b.g, HEADER API_BLOCK, strlen(HEADER API_BLOCK));
    assert_file(&b, HEADER "\nupstream api {\n" DOWN "}\n" WEB_HEAD WEB_DIRS WEB_1 "}\n");
    b.g->ops->commit(b.g);
    /* what was put back is not what was rendered last */
    b.g->ops->adopt(b.g, HEADER API_BLOCK, strlen(HEADER API_BLOCK));
    struct engine_blame what = {.kind = ENGINE_BLAME_LINE, .line = 4};
    assert_int_equal(b.g->ops->exclude(b.g, &what, &b.said), -ENOENT);
    bed_deinit(&b);
}

/* The table of the render may be gone when the judge has made up its mind. */
static void services_outlive_their_table(void **state)
{
    struct bed b;
    bed_init(&b, NGINX_HTTP, NGINX_EMPTY_DOWN);
    set_records(&b, WEB);
    render(&b);
    table_deinit(&b.t);
    assert_int_equal(blame(&b, "10.0.0.2"), 0);
    assert_said(&b, "web", "n:web-2:80", "this server");
    bed_deinit(&b);
}

/* Whatever is refused and whatever the policy: the same again gives the same again. */
static void the_order_of_records_does_not_show(void **state)
{
    static const char *const orders[] = {WEB "," API, API "," WEB};
    char *first = NULL;
    for (size_t i = 0; i < 2; i++) {
        struct bed b;
        bed_init(&b, NGINX_HTTP, NGINX_EMPTY_DOWN);
        set_records(&b, orders[i]);
        render(&b);
        assert_int_equal(blame(&b, "10.0.0.2"), 0);
        render(&b);
        assert_int_equal(blame(&b, "zone"), 0);
        render(&b);
        assert_int_equal(blame_name(&b, ENGINE_BLAME_UPSTREAM, "api"), 0);
        render(&b);
        if (first) {
            assert_string_equal(first, b.res.bytes);
        } else {
            first = xstrdup(b.res.bytes);
        }
        render(&b);
        assert_string_equal(first, b.res.bytes);
        bed_deinit(&b);
    }
    free(first);
}

/* A name that comes, is refused and goes leaves nothing behind: as many names as the file has. */
static void entries_end_with_their_blocks(void **state)
{
    struct bed b;
    bed_init(&b, NGINX_HTTP, NGINX_EMPTY_OMIT);
    for (int i = 0; i < 200; i++) {
        char record[128];
        snprintf(record, sizeof(record), "{\"name\":\"s%d\",\"host\":\"10.0.0.1\"}", i);
        set_records(&b, record);
        render(&b);
        assert_int_equal(blame(&b, "10.0.0.1"), 0);
        render(&b);
        assert_counts(&b, 1, 0, 1, 1);
        if (i % 2) {
            b.g->ops->commit(b.g);
        }
    }
    /* none of them is excluded when it comes back, so none was kept */
    for (int i = 0; i < 199; i++) {
        char record[128];
        snprintf(record, sizeof(record), "{\"name\":\"s%d\",\"host\":\"10.0.0.1\"}", i);
        set_records(&b, record);
        render(&b);
        assert_counts(&b, 1, 1, 0, 0);
    }
    bed_deinit(&b);
}

/* ---- taken back ---- */

static int undo(struct bed *b)
{
    return b->g->ops->undo(b->g, &b->said);
}

static void every_step_can_be_taken_back(void **state)
{
    /* each is refused, taken back and refused again; what is left then is the next one's beginning */
    static const struct {
        const char *line, *left;
        size_t excluded, excluded_servers; /* then */
    } steps[] = {
        {"server 10.0.0.1:80", HEADER API_BLOCK WEB_HEAD WEB_DIRS WEB_2 "}\n", 1, 1},
        {"least_conn", HEADER API_BLOCK WEB_HEAD WEB_2 "}\n", 2, 1},
        {"upstream web", HEADER API_BLOCK WEB_HEAD DOWN "}\n", 3, 2},
        {"server 127.0.0.1:9", HEADER API_BLOCK OMITTED("web"), 1, 2},
        {"server 10.0.1.1", HEADER "\nupstream api {\n" DOWN "}\n" OMITTED("web"), 2, 3},
    };
    struct bed b;
    bed_init(&b, NGINX_HTTP, NGINX_EMPTY_DOWN);
    set_records(&b, WEB "," API);
    render(&b);
    assert_int_equal(undo(&b), -ENOENT);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        CLEANUP_FREE char *before = xstrdup(b.res.bytes);
        size_t excluded = b.res.excluded, excluded_servers = b.res.excluded_servers;
        assert_int_equal(blame(&b, steps[i].line), 0);
        if (i % 2) { /* at once, or when it is known that it did not help */
            assert_file(&b, steps[i].left);
        }
        assert_int_equal(undo(&b), 0);
        assert_said(&b, i < 4 ? "web" : "api", "", "is as before");
        assert_string_equal(b.said.container, "");
        assert_int_equal(undo(&b), -ENOENT);
        assert_int_equal(blame(&b, "upstream api"), -ENOENT); /* of which file? */
        assert_file(&b, before);
        assert_counts(&b, i < 4 ? 2 : 1, 3 - excluded_servers, excluded, excluded_servers);
        assert_int_equal(undo(&b), -ENOENT);
        assert_int_equal(blame(&b, steps[i].line), 0);
        assert_file(&b, steps[i].left);
        assert_int_equal(b.res.excluded, steps[i].excluded);
        assert_int_equal(b.res.excluded_servers, steps[i].excluded_servers);
    }
    bed_deinit(&b);
}

static void a_taken_name_can_be_taken_back(void **state)
{
    struct bed b;
    bed_init(&b, NGINX_HTTP, NGINX_EMPTY_DOWN);
    set_records(&b, WEB "," API);
    render(&b);
    assert_int_equal(blame_name(&b, ENGINE_BLAME_UPSTREAM, "api"), 0);
    render(&b);
    assert_int_equal(blame_name(&b, ENGINE_BLAME_UPSTREAM, "web"), 0);
    assert_file(&b, HEADER OMITTED("api") OMITTED("web"));
    /* the last one only, whether it has gone live or not */
    b.g->ops->commit(b.g);
    assert_int_equal(undo(&b), 0);
    assert_said(&b, "web", "", "upstream web is as before: leaving that out did not help");
    assert_int_equal(blame_name(&b, ENGINE_BLAME_UPSTREAM, "web"), -ENOENT);
    assert_file(&b, HEADER OMITTED("api") WEB_HEAD WEB_DIRS WEB_1 WEB_2 "}\n");
    assert_counts(&b, 1, 2, 1, 1);
    b.g->ops->commit(b.g);
    assert_int_equal(undo(&b), -ENOENT);
    b.g->ops->readmit(b.g);
    assert_file(&b, HEADER API_BLOCK WEB_HEAD WEB_DIRS WEB_1 WEB_2 "}\n");
    bed_deinit(&b);
}

static void what_has_ended_cannot_be_taken_back(void **state)
{
    struct bed b;
    bed_init(&b, NGINX_HTTP, NGINX_EMPTY_OMIT);
    set_records(&b, WEB "," API);
    render(&b);
    assert_int_equal(blame(&b, "10.0.0.1"), 0);
    b.g->ops->readmit(b.g);
    assert_int_equal(undo(&b), -ENOENT);
    render(&b);
    /* another body */
    assert_int_equal(blame(&b, "10.0.0.1"), 0);
    set_records(&b, WEB "," API ",{\"name\":\"web\",\"host\":\"10.0.0.3\"}");
    render(&b);
    assert_int_equal(undo(&b), -ENOENT);
    /* another body, which was refused as well, but not last */
    assert_int_equal(blame(&b, "10.0.0.2"), 0);
    set_records(&b, WEB "," API);
    render(&b);
    assert_int_equal(blame(&b, "10.0.1.1"), 0);
    render(&b);
    /* no block */
    set_records(&b, WEB);
    render(&b);
    assert_int_equal(undo(&b), -ENOENT);
    assert_file(&b, HEADER WEB_HEAD WEB_DIRS WEB_1 WEB_2 "}\n");
    bed_deinit(&b);
}

static void servers_of_the_past_come_back(void **state)
{
    struct bed b;
    bed_init(&b, NGINX_HTTP, NGINX_EMPTY_KEEP);
    set_records(&b, WEB);
    render(&b);
    b.g->ops->commit(b.g);
    table_deinit(&b.t);
    render(&b);
    assert_int_equal(blame_name(&b, ENGINE_BLAME_UPSTREAM, "web"), 0);
    assert_file(&b, HEADER OMITTED("web"));
    b.g->ops->commit(b.g); /* so the live file has them no more */
    assert_int_equal(undo(&b), 0);
    for (int i = 0; i < 3; i++) {
        assert_file(&b, HEADER WEB_HEAD WEB_DIRS WEB_1 WEB_2 "}\n");
        assert_counts(&b, 1, 2, 0, 0);
        assert_int_equal(b.res.live_servers, 2);
        b.g->ops->commit(b.g);
    }
    /* and are refused like any other */
    assert_int_equal(blame(&b, "10.0.0.1"), 0);
    assert_file(&b, HEADER WEB_HEAD WEB_DIRS WEB_2 "}\n");
    bed_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_of_a_block),
        cmocka_unit_test(a_head_is_the_whole_block),
        cmocka_unit_test(directives_first),
        cmocka_unit_test(a_placeholder_stands_in_for_the_last_ordinary_server),
        cmocka_unit_test(a_taken_name_goes_at_once),
        cmocka_unit_test(zones_have_names_too),
        cmocka_unit_test(lines_that_are_nobodys),
        cmocka_unit_test(back_with_the_next_change),
        cmocka_unit_test(readmitted),
        cmocka_unit_test(not_an_emptied_registry),
        cmocka_unit_test(names_are_not_forgotten),
        cmocka_unit_test(servers_of_the_past),
        cmocka_unit_test(refused_after_it_went_live),
        cmocka_unit_test(services_outlive_their_table),
        cmocka_unit_test(the_order_of_records_does_not_show),
        cmocka_unit_test(entries_end_with_their_blocks),
        cmocka_unit_test(every_step_can_be_taken_back),
        cmocka_unit_test(a_taken_name_can_be_taken_back),
        cmocka_unit_test(what_has_ended_cannot_be_taken_back),
        cmocka_unit_test(servers_of_the_past_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
