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

#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "lib/loop_test.h"
#include "render/blame.h"
#include "renderer/content.h"
#include "unit/render/records.h"

#define NGINX      "/usr/sbin/nginx"
#define ROUNDS_MAX 16

enum { HTTP, STREAM, N_OUTPUTS };

struct site {
    char *dir;
    const char *load; /* the directive that loads the stream module; NULL: there is none */
    char paths[N_OUTPUTS][256];
    struct content content;
    struct outputs_bytes bytes[N_OUTPUTS];
    const struct engine_result *res[N_OUTPUTS];
    struct table t;
    struct buf said;
    int log_fd;
    struct buf log; /* of what was left out */
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
    static const struct nginx_options options[N_OUTPUTS] = {
        [HTTP] = {.context = NGINX_HTTP}, [STREAM] = {.context = NGINX_STREAM}};
    *s = (struct site){.dir = loop_mkdir(),
                       .t = TABLE_NULL,
                       .said = BUF_INIT(1u << 20),
                       .log = BUF_INIT(1u << 20)};
    char log[512];
    snprintf(log, sizeof(log), "%s/log", s->dir);
    s->log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(s->log_fd >= 0);
    log_set_fd(s->log_fd);
    log_setup(LOG_INFO, LOG_TEXT);
    assert_int_equal(content_init(&s->content, options, N_OUTPUTS, NULL), 0);
    clear(s);
    for (size_t i = 0; i < N_OUTPUTS; i++) {
        const char *name = i == HTTP ? "http.conf" : "stream.conf";
        s->res[i] = &s->content.parts[i].result;
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
    content_deinit(&s->content);
    table_deinit(&s->t);
    buf_deinit(&s->said);
    buf_deinit(&s->log);
    log_set_fd(STDERR_FILENO);
    close(s->log_fd);
    loop_rmdir(s->dir);
}

static void render(struct site *s)
{
    assert_int_equal(content_render(&s->content, &s->t, s->bytes, NULL), 0);
    for (size_t i = 0; i < N_OUTPUTS; i++) {
        put(s, i == HTTP ? "http.conf" : "stream.conf", s->bytes[i].p, s->bytes[i].len);
    }
}

static void read_log(struct site *s)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/log", s->dir);
    buf_reset(&s->log);
    assert_int_equal(fs_read(path, &s->log, NULL), 0);
}

/* Until nginx takes it. Returns how many candidates were refused; ROUNDS_MAX when that did not help. */
static unsigned settle(struct site *s)
{
    const struct blame_file files[N_OUTPUTS] = {{{s->paths[HTTP]}}, {{s->paths[STREAM]}}};
    assert_int_equal(ftruncate(s->log_fd, 0), 0);
    unsigned rounds = 0;
    render(s);
    while (rounds < ROUNDS_MAX && !nginx_takes(s)) {
        if (content_refuse(&s->content, buf_str(&s->said), files)) {
            rounds++;
            render(s);
        } else {
            rounds = ROUNDS_MAX;
        }
    }
    if (rounds < ROUNDS_MAX) {
        content_accepted(&s->content);
    }
    read_log(s);
    return rounds;
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
        fail_msg("%u rounds, not %u: %s\n%s\n%s", rounds, want, buf_str(&s->log), buf_str(&s->said),
                 s->bytes[HTTP].p);
    }
}

/* The log says so of that service, in one line. */
static void assert_left_out(struct site *s, const char *id, const char *text)
{
    char field[128];
    snprintf(field, sizeof(field), " id=%s ", id);
    size_t len;
    for (const char *line = buf_str(&s->log); *line; line += len + (line[len] == '\n')) {
        len = strcspn(line, "\n");
        CLEANUP_FREE char *copy = xmemdup0(line, len);
        if (strstr(copy, field) && strstr(copy, text)) {
            return;
        }
    }
    fail_msg("no %s and %s in\n%s", id, text, buf_str(&s->log));
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
    assert_int_equal(s.res[HTTP]->servers, 5);
    assert_int_equal(s.res[STREAM]->servers, 1);
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
    assert_left_out(&s, "n:api-1:80", "upstream api clashes");
    assert_left_out(&s, "n:web-1:80", "upstream web clashes");
    assert_left_out(&s, "n:local-1:80", "upstream localhost clashes");
    assert_in(s.bytes[HTTP].p, "# upstream api: left out", true);
    assert_in(s.bytes[HTTP].p, "upstream zzz {\n    server 10.0.3.1:80;\n}\n", true);
    assert_int_equal(s.res[HTTP]->servers, 1);
    assert_int_equal(s.res[HTTP]->excluded_servers, 4);
    assert_int_equal(s.res[HTTP]->upstreams, 1);
    /* it lasts, and the reason for one of them going is no reason for the others */
    content_commit(&s.content);
    assert_rounds(&s, 0);
    assert_int_equal(s.res[HTTP]->excluded, 3);
    /* what changes is tried again, and refused again */
    records_put_text(&s.t, "[{\"name\":\"web\",\"host\":\"10.0.0.3\",\"id\":\"n:web-3:80\"}]");
    assert_rounds(&s, 1);
    assert_string_equal(buf_str(&s.log), ""); /* no news */
    assert_in(s.bytes[HTTP].p, "# upstream web: left out", true);
    /* people have cleaned up */
    clear(&s);
    assert_rounds(&s, 0);
    assert_int_equal(s.res[HTTP]->excluded, 3);
    content_readmit(&s.content);
    assert_rounds(&s, 0);
    assert_int_equal(s.res[HTTP]->excluded, 0);
    assert_int_equal(s.res[HTTP]->servers, 6);
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
    assert_left_out(&s, "n:web-1:80", "nginx refused \\\"zone web 64k\\\"");
    assert_left_out(&s, "n:api-1:80", "nginx refused \\\"zone api 32k\\\"");
    assert_in(s.bytes[HTTP].p, "upstream web {\n    server 10.0.0.1:80;\n", true);
    /* the directives go together; nothing of the traffic is lost */
    assert_in(s.bytes[HTTP].p, "upstream api {\n    server 10.0.1.1:80;\n", true);
    assert_int_equal(s.res[HTTP]->servers, 5);
    assert_int_equal(s.res[HTTP]->excluded, 2);
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
    assert_left_out(&s, "n:zzz-1:80", "upstream zzz clashes");
    assert_left_out(&s, "n:dns-1:53", "nginx refused \\\"zone dns:stream 64k\\\"");
    assert_int_equal(s.res[STREAM]->servers, 1);
    put_theirs(&s, "stream_after", "upstream dns { server 192.0.2.1:53; }\n");
    assert_rounds(&s, 1);
    assert_left_out(&s, "n:dns-1:53", "upstream dns clashes");
    assert_int_equal(s.res[HTTP]->servers, 4);
    assert_int_equal(s.res[STREAM]->upstreams, 0);
    site_deinit(&s);
}

/* nginx says which name is taken, but not in which block. */
static void a_name_in_both_blocks(void **state)
{
    static const char theirs[] = "upstream a { server 192.0.2.1:80; }\n";
    static const char proxy[] =
        "server { listen 127.0.0.1:18999; location / { proxy_pass http://a; } }\n";
    static const struct {
        const char *http, *stream;
        bool http_taken, stream_taken;
        unsigned rounds;
        const char *logged;
    } cases[] = {
        {"", theirs, false, true, 2, "id=n:a-2:5432"},
        {proxy, theirs, false, true, 2, "host not found in upstream"},
        {theirs, "", true, false, 1, "id=n:a-1:80"},
        {theirs, theirs, true, true, 3, "a part of more than one file"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct site s;
        site_init(&s, "[{\"name\":\"a\",\"host\":\"10.0.0.1\",\"id\":\"n:a-1:80\"},"
                      "{\"name\":\"a\",\"host\":\"10.0.2.1\",\"id\":\"n:a-2:5432\","
                      "\"port\":5432,\"attrs\":{\"nginx\":\"stream\"}}]");
        if (!s.load) {
            site_deinit(&s);
            skip();
        }
        put_theirs(&s, "http_after", cases[i].http);
        put_theirs(&s, "stream_after", cases[i].stream);
        assert_rounds(&s, cases[i].rounds);
        assert_in(s.bytes[HTTP].p, "upstream a {", !cases[i].http_taken);
        assert_in(s.bytes[STREAM].p, "upstream a {", !cases[i].stream_taken);
        assert_in(buf_str(&s.log), cases[i].logged, true);
        site_deinit(&s);
    }
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
        assert_string_equal(buf_str(&s.log), "");
        assert_int_equal(s.res[HTTP]->servers, 5);
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
    assert_int_equal(s.res[HTTP]->upstreams, 0);
    assert_int_equal(s.res[HTTP]->excluded_servers, 5);
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
        cmocka_unit_test(a_name_in_both_blocks),
        cmocka_unit_test(faults_that_are_not_ours),
        cmocka_unit_test(a_file_that_is_included_in_the_wrong_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
