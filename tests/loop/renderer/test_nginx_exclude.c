/*
 * The whole circle with the real nginx: it refuses a configuration, its words are read, the least is left
 * out, and again, until it takes what is left. What stands in the way is what people have in files of their
 * own, before ours and after. Skipped (77) where nginx is not installed, and what is about its stream block
 * where its stream module is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "lib/loop_test.h"
#include "render/blame.h"
#include "render/nginx.h"
#include "unit/render/records.h"

#define NGINX      "/usr/sbin/nginx"
#define ROUNDS_MAX 16

enum { HTTP, STREAM, N_OUTPUTS };

struct site {
    char *dir;
    const char *load; /* the directive that loads the stream module; NULL: there is none */
    char paths[N_OUTPUTS][256];
    struct engine *engines[N_OUTPUTS];
    struct engine_result res[N_OUTPUTS];
    struct table t;
    struct buf said;
    char reports[4096]; /* of what was left out */
};

static void put(const struct site *s, const char *name, const char *text, size_t len)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", s->dir, name);
    assert_int_equal(fs_replace(path, text, len, 0644, false, NULL), 0);
}

/* Files of other people: http_before, http_after, stream_before, stream_after. */
static void put_theirs(const struct site *s, const char *name, const char *text)
{
    char file[64];
    snprintf(file, sizeof(file), "%s.conf", name);
    put(s, file, text, strlen(text));
}

static bool nginx_takes(struct site *s)
{
    char command[1024], path[512];
    struct buf conf = BUF_INIT(1u << 16);
    const char *d = s->dir;
    buf_printf(&conf,
               "%s\npid %s/pid; error_log %s/error.log; events {}\n"
               "http { access_log off; client_body_temp_path %s/t1; proxy_temp_path %s/t2;\n"
               "fastcgi_temp_path %s/t3; uwsgi_temp_path %s/t4; scgi_temp_path %s/t5;\n"
               "include %s/http_before.conf; include %s; include %s/http_after.conf; }\n",
               s->load ? s->load : "", d, d, d, d, d, d, d, d, s->paths[HTTP], d);
    if (s->load) {
        buf_printf(&conf,
                   "stream { include %s/stream_before.conf; include %s; "
                   "include %s/stream_after.conf; }\n",
                   d, s->paths[STREAM], d);
    }
    put(s, "nginx.conf", buf_str(&conf), conf.len);
    buf_deinit(&conf);
    snprintf(command, sizeof(command), NGINX " -t -q -c %s/nginx.conf >%s/said 2>&1", d, d);
    int status = system(command);
    snprintf(path, sizeof(path), "%s/said", d);
    buf_reset(&s->said);
    assert_int_equal(fs_read(path, &s->said, NULL), 0);
    return status == 0;
}

static void clear(struct site *s)
{
    static const char *const theirs[] = {"http_before", "http_after", "stream_before",
                                         "stream_after"};
    for (size_t i = 0; i < ARRAY_LEN(theirs); i++) {
        put_theirs(s, theirs[i], "");
    }
}

static void site_init(struct site *s, const char *records)
{
    static const char *const loads[] = {"", "load_module modules/ngx_stream_module.so;",
                                        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;"};
    *s = (struct site){.dir = loop_mkdir(), .t = TABLE_NULL, .said = BUF_INIT(1u << 20)};
    clear(s);
    for (size_t i = 0; i < N_OUTPUTS; i++) {
        const char *name = i == HTTP ? "http.conf" : "stream.conf";
        struct nginx_options o = {.context = i == HTTP ? NGINX_HTTP : NGINX_STREAM};
        assert_int_equal(nginx_engine_new(&s->engines[i], &o, NULL), 0);
        snprintf(s->paths[i], sizeof(s->paths[i]), "%s/%s", s->dir, name);
        put(s, name, "", 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(loads); i++) {
        s->load = loads[i];
        if (nginx_takes(s)) {
            break;
        }
        s->load = NULL;
    }
    records_put_text(&s->t, records);
}

static void site_deinit(struct site *s)
{
    for (size_t i = 0; i < N_OUTPUTS; i++) {
        engine_free(s->engines[i]);
    }
    table_deinit(&s->t);
    buf_deinit(&s->said);
    loop_rmdir(s->dir);
}

static void render(struct site *s)
{
    for (size_t i = 0; i < N_OUTPUTS; i++) {
        struct engine *g = s->engines[i];
        assert_int_equal(g->ops->render(g, &s->t, &s->res[i], NULL), 0);
        put(s, i == HTTP ? "http.conf" : "stream.conf", s->res[i].bytes, s->res[i].len);
    }
}

/* As a publisher does it; false: nothing of ours is to blame. */
static bool leave_out(struct site *s)
{
    const struct blame_file files[N_OUTPUTS] = {{{s->paths[HTTP]}}, {{s->paths[STREAM]}}};
    struct engine_blame b;
    struct engine_report r;
    size_t file = 0;
    if (blame_parse(buf_str(&s->said), files, N_OUTPUTS, &file, &b) < 0) {
        return false;
    }
    size_t end = b.line > 0 ? file + 1 : N_OUTPUTS;
    for (; file < end; file++) {
        if (s->engines[file]->ops->exclude(s->engines[file], &b, &r) == 0) {
            size_t len = strlen(s->reports);
            snprintf(s->reports + len, sizeof(s->reports) - len, "%s %s\n", r.id, r.text);
            return true;
        }
    }
    return false;
}

/* Until nginx takes it. Returns how many candidates were refused; ROUNDS_MAX when that did not help. */
static unsigned settle(struct site *s)
{
    s->reports[0] = '\0';
    render(s);
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        if (nginx_takes(s)) {
            return round;
        }
        if (!leave_out(s)) {
            return ROUNDS_MAX;
        }
        render(s);
    }
    return ROUNDS_MAX;
}

static void assert_in(const char *text, const char *what, bool there)
{
    if ((strstr(text, what) != NULL) != there) {
        fail_msg("\"%s\" is%s in\n%s", what, there ? " not" : "", text);
    }
}

static void assert_rounds(struct site *s, unsigned want)
{
    unsigned rounds = settle(s);
    if (rounds != want) {
        fail_msg("%u rounds, not %u: %s\n%s\n%s", rounds, want, s->reports, buf_str(&s->said),
                 s->res[HTTP].bytes);
    }
}

static const char services[] =
    "[{\"name\":\"web\",\"host\":\"10.0.0.1\",\"id\":\"n:web-1:80\",\"container\":\"c1\","
    "\"attrs\":{\"nginx_zone\":\"64k\"}},"
    "{\"name\":\"web\",\"host\":\"10.0.0.2\",\"id\":\"n:web-2:80\"},"
    "{\"name\":\"api\",\"host\":\"10.0.1.1\",\"id\":\"n:api-1:80\","
    "\"attrs\":{\"nginx_balance\":\"ip_hash\",\"nginx_zone\":\"32k\"}},"
    "{\"name\":\"localhost\",\"host\":\"10.0.2.1\",\"id\":\"n:local-1:80\"},"
    "{\"name\":\"zzz\",\"host\":\"10.0.3.1\",\"id\":\"n:zzz-1:80\"},"
    "{\"name\":\"dns\",\"host\":\"10.0.4.1\",\"id\":\"n:dns-1:53\",\"port\":53,\"proto\":\"udp\","
    "\"attrs\":{\"nginx_zone\":\"64k\"}}]";

static void nothing_in_the_way(void **state)
{
    struct site s;
    site_init(&s, services);
    assert_rounds(&s, 0);
    assert_int_equal(s.res[HTTP].servers, 5);
    assert_int_equal(s.res[STREAM].servers, 1);
    site_deinit(&s);
}

static void names_that_people_use(void **state)
{
    struct site s;
    site_init(&s, services);
    put_theirs(&s, "http_before", "upstream api { server 192.0.2.1:80; }\n");
    put_theirs(&s, "http_after",
               "upstream WEB { server 192.0.2.1:80; }\n"
               "server { listen 127.0.0.1:18999; location / { proxy_pass http://web; }\n"
               "location /l { proxy_pass http://localhost:8080; } }\n");
    assert_rounds(&s, 3);
    assert_in(s.reports, "n:api-1:80 upstream api clashes", true);
    assert_in(s.reports, "n:web-1:80 upstream web clashes", true);
    assert_in(s.reports, "n:local-1:80 upstream localhost clashes", true);
    assert_in(s.res[HTTP].bytes, "# upstream api: left out", true);
    assert_in(s.res[HTTP].bytes, "upstream zzz {\n    server 10.0.3.1:80;\n}\n", true);
    assert_int_equal(s.res[HTTP].servers, 1);
    assert_int_equal(s.res[HTTP].excluded_servers, 4);
    assert_int_equal(s.res[HTTP].upstreams, 1);
    /* it lasts, and the reason for one of them going is no reason for the others */
    s.engines[HTTP]->ops->commit(s.engines[HTTP]);
    assert_rounds(&s, 0);
    assert_int_equal(s.res[HTTP].excluded, 3);
    /* what changes is tried again, and refused again */
    records_put_text(&s.t, "[{\"name\":\"web\",\"host\":\"10.0.0.3\",\"id\":\"n:web-3:80\"}]");
    assert_rounds(&s, 1);
    assert_in(s.reports, "n:web-1:80 upstream web clashes", true);
    /* people have cleaned up */
    clear(&s);
    assert_rounds(&s, 0);
    assert_int_equal(s.res[HTTP].excluded, 3);
    s.engines[HTTP]->ops->readmit(s.engines[HTTP]);
    assert_rounds(&s, 0);
    assert_int_equal(s.res[HTTP].excluded, 0);
    assert_int_equal(s.res[HTTP].servers, 6);
    site_deinit(&s);
}

static void zones_that_people_use(void **state)
{
    struct site s;
    site_init(&s, services);
    put_theirs(&s, "http_before", "limit_req_zone $binary_remote_addr zone=web:1m rate=1r/s;\n");
    put_theirs(&s, "http_after",
               "upstream theirs { zone api 8m; server 192.0.2.1:80; }\n"
               "server { listen 127.0.0.1:18999; location / { proxy_pass http://web; } }\n");
    assert_rounds(&s, 2);
    assert_in(s.reports, "n:web-1:80 nginx refused \"zone web 64k\"", true);
    assert_in(s.reports, "n:api-1:80 nginx refused \"zone api 32k\"", true);
    assert_in(s.res[HTTP].bytes, "upstream web {\n    server 10.0.0.1:80;\n", true);
    /* the directives go together; nothing of the traffic is lost */
    assert_in(s.res[HTTP].bytes, "upstream api {\n    server 10.0.1.1:80;\n", true);
    assert_int_equal(s.res[HTTP].servers, 5);
    assert_int_equal(s.res[HTTP].excluded, 2);
    site_deinit(&s);
}

static void both_blocks(void **state)
{
    struct site s;
    site_init(&s, services);
    if (!s.load) {
        site_deinit(&s);
        skip();
    }
    put_theirs(&s, "http_after", "upstream zzz { server 192.0.2.1:80; }\n");
    put_theirs(&s, "stream_after",
               "upstream theirs { zone dns:stream 8m; server 192.0.2.1:53; }\n");
    assert_rounds(&s, 2);
    assert_in(s.reports, "n:zzz-1:80 upstream zzz clashes", true);
    assert_in(s.reports, "n:dns-1:53 nginx refused \"zone dns:stream 64k\"", true);
    assert_int_equal(s.res[STREAM].servers, 1);
    put_theirs(&s, "stream_after", "upstream dns { server 192.0.2.1:53; }\n");
    assert_rounds(&s, 1);
    assert_in(s.reports, "n:dns-1:53 upstream dns clashes", true);
    assert_int_equal(s.res[HTTP].servers, 4);
    assert_int_equal(s.res[STREAM].upstreams, 0);
    site_deinit(&s);
}

static void faults_that_are_not_ours(void **state)
{
    static const char *const faults[] = {
        "server { listen 127.0.0.1:18999; location / { proxy_pass http://nosuch.invalid; } }\n",
        "frobnicate web;\n",
        "upstream theirs { server 192.0.2.1:80; } upstream theirs { server 192.0.2.1:80; }\n",
        "upstream theirs { server 192.0.2.1:80 x=1; }\n",
        "upstream theirs { hash $nosuch; server 192.0.2.1:80; }\n",
        "upstream theirs {",
        "server { listen 192.0.2.1:80; }\n",
    };
    struct site s;
    site_init(&s, services);
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        put_theirs(&s, "http_after", faults[i]);
        assert_rounds(&s, ROUNDS_MAX);
        assert_string_equal(s.reports, "");
        assert_int_equal(s.res[HTTP].servers, 5);
        size_t len = 0;
        const char *reason = blame_reason(buf_str(&s.said), &len);
        assert_true(len > 10);
        print_message("%.*s\n", (int)len, reason);
    }
    site_deinit(&s);
}

/* Where nothing of the file can stand, all of it goes, and what is live of other people's stays live. */
static void a_file_that_is_included_in_the_wrong_place(void **state)
{
    struct site s;
    char text[512];
    site_init(&s, services);
    snprintf(text, sizeof(text), "server { listen 127.0.0.1:18999; include %s; }\n", s.paths[HTTP]);
    put_theirs(&s, "http_after", text);
    /* every block costs two rounds: its servers, then itself */
    assert_rounds(&s, 8);
    assert_int_equal(s.res[HTTP].upstreams, 0);
    assert_int_equal(s.res[HTTP].excluded_servers, 5);
    site_deinit(&s);
}

int main(void)
{
    if (access(NGINX, X_OK) < 0) {
        fprintf(stderr, "nginx is not installed\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_in_the_way),
        cmocka_unit_test(names_that_people_use),
        cmocka_unit_test(zones_that_people_use),
        cmocka_unit_test(both_blocks),
        cmocka_unit_test(faults_that_are_not_ours),
        cmocka_unit_test(a_file_that_is_included_in_the_wrong_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
