/*
 * The real nginx has the last word: it checks every golden file, and files of random services whose
 * attributes are good, bad and hostile; the files of both contexts in one configuration, because nginx has
 * names that both share. Skipped (77) where nginx is not installed, and what is about its stream block where
 * its stream module is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "lib/loop_test.h"
#include "render/nginx.h"

static char *folder;
static const char *stream_module; /* what loads it; NULL: not there */

static const char *nginx_binary(void)
{
    static const char *const places[] = {"/usr/sbin/nginx", "/usr/bin/nginx",
                                         "/usr/local/sbin/nginx"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (access(places[i], X_OK) == 0) {
            return places[i];
        }
    }
    return NULL;
}

/*
 * `nginx -t` over a whole configuration of its own that includes the files, each NULL or a path; what it
 * says in *said.
 */
static bool nginx_takes(const char *http, const char *stream, struct buf *said)
{
    struct buf conf = BUF_INIT(1u << 16);
    char path[256], command[1024];
    buf_printf(&conf,
               "%s\npid %s/pid; error_log %s/error.log; events {}\n"
               "http { access_log off; client_body_temp_path %s/t1; proxy_temp_path %s/t2;\n"
               "fastcgi_temp_path %s/t3; uwsgi_temp_path %s/t4; scgi_temp_path %s/t5;\n",
               stream && stream_module ? stream_module : "", folder, folder, folder, folder, folder,
               folder, folder);
    if (http) {
        buf_printf(&conf, "include %s;\n", http);
    }
    buf_puts(&conf, "}\n");
    if (stream) {
        buf_printf(&conf, "stream { include %s; }\n", stream);
    }
    snprintf(path, sizeof(path), "%s/nginx.conf", folder);
    assert_int_equal(fs_replace(path, buf_str(&conf), conf.len, 0644, false, NULL), 0);
    buf_deinit(&conf);
    snprintf(command, sizeof(command), "%s -t -q -c %s >%s/said 2>&1", nginx_binary(), path,
             folder);
    int status = system(command);
    snprintf(path, sizeof(path), "%s/said", folder);
    buf_reset(said);
    assert_int_equal(fs_read(path, said, NULL), 0);
    return status == 0;
}

static void put_file(const char *path, const char *text, size_t len)
{
    assert_int_equal(fs_replace(path, text, len, 0644, false, NULL), 0);
}

/* Built in, or a module where packages put it. */
static void find_stream_module(void)
{
    static const char *const loads[] = {
        "",
        "load_module modules/ngx_stream_module.so;",
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;",
        "load_module /usr/lib64/nginx/modules/ngx_stream_module.so;",
    };
    struct buf said = BUF_INIT(1u << 20);
    char path[256];
    snprintf(path, sizeof(path), "%s/nothing.conf", folder);
    put_file(path, "", 0);
    for (size_t i = 0; i < ARRAY_LEN(loads); i++) {
        stream_module = loads[i];
        if (nginx_takes(NULL, path, &said)) {
            buf_deinit(&said);
            return;
        }
    }
    print_message("no stream module: %s", buf_str(&said));
    stream_module = NULL;
    buf_deinit(&said);
}

static void need_stream_module(void)
{
    if (!stream_module) {
        skip();
    }
}

/* The golden files of one context; returns how many. */
static size_t check_golden(bool stream)
{
    struct buf said = BUF_INIT(1u << 20);
    DIR *dir = opendir(GOLDEN_DIR "/render");
    assert_non_null(dir);
    size_t n = 0;
    for (struct dirent *ent; (ent = readdir(dir)) != NULL;) {
        char path[512];
        if (str_ends(ent->d_name, ".conf") && str_starts(ent->d_name, "stream-") == stream) {
            snprintf(path, sizeof(path), GOLDEN_DIR "/render/%s", ent->d_name);
            if (!nginx_takes(stream ? NULL : path, stream ? path : NULL, &said)) {
                fail_msg("%s: %s", path, buf_str(&said));
            }
            n++;
        }
    }
    closedir(dir);
    buf_deinit(&said);
    print_message("%zu files\n", n);
    return n;
}

static void golden_files(void **state)
{
    assert_true(check_golden(false) >= 10);
}

static void golden_stream_files(void **state)
{
    need_stream_module();
    assert_true(check_golden(true) >= 8);
}

static void the_judge_says_no_as_well(void **state)
{
    static const char *const bad[] = {
        "upstream web { }\n",
        "upstream web { server 10.0.0.1:80 backup; }\n",
        "upstream web { server nosuch.invalid:80; }\n",
        "upstream web { server 10.0.0.1:80 weight=0; }\n",
        "upstream web { random; server 10.0.0.1:80; server 10.0.0.2:80 backup; }\n",
        "upstream web { zone web 4k; server 10.0.0.1:80; }\n",
        "upstream web { hash $nosuch; server 10.0.0.1:80; }\n",
        "upstream web { server 10.0.0.1:80; } upstream WEB { server 10.0.0.1:80; }\n",
    };
    struct buf said = BUF_INIT(1u << 20);
    char path[256];
    snprintf(path, sizeof(path), "%s/bad.conf", folder);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        put_file(path, bad[i], strlen(bad[i]));
        if (nginx_takes(path, NULL, &said)) {
            fail_msg("nginx takes %s", bad[i]);
        }
    }
    buf_deinit(&said);
}

/* Each with the words of its answer: a stream block that is not there would refuse all of them. */
static void the_judge_says_no_in_stream(void **state)
{
    static const struct {
        const char *http, *stream, *answer;
    } bad[] = {
        {"", "upstream web { }\n", "no servers are inside"},
        {"", "upstream web { server 10.0.0.1:80 backup; }\n", "no servers in upstream"},
        {"", "upstream web { server 10.0.0.1; }\n", "no port in upstream"},
        {"", "upstream web { ip_hash; server 10.0.0.1:80; }\n", "not allowed here"},
        {"", "upstream web { keepalive 8; server 10.0.0.1:80; }\n", "not allowed here"},
        {"", "upstream web { hash $request_uri; server 10.0.0.1:80; }\n", "unknown"},
        {"", "upstream web { hash $http_host; server 10.0.0.1:80; }\n", "unknown"},
        {"", "upstream web { random; server 10.0.0.1:80; server 10.0.0.2:80 backup; }\n",
         "does not support parameter \"backup\""},
        {"", "upstream web { hash $protocol; server 10.0.0.1:80; server 10.0.0.2:80 backup; }\n",
         "does not support parameter \"backup\""},
        {"", "upstream web { server 10.0.0.1:80; } upstream WEB { server 10.0.0.1:80; }\n",
         "duplicate upstream"},
        {"", "upstream web { zone web:stream 16k; server 10.0.0.1:80; }\n", "too small"},
        {"upstream web { zone web 64k; server 10.0.0.1:80; }\n",
         "upstream web { zone web 64k; server 10.0.0.1:80; }\n",
         "already declared for a different use"},
    };
    struct buf said = BUF_INIT(1u << 20);
    char http[256], stream[256];
    need_stream_module();
    snprintf(http, sizeof(http), "%s/bad.conf", folder);
    snprintf(stream, sizeof(stream), "%s/bad-stream.conf", folder);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        put_file(http, bad[i].http, strlen(bad[i].http));
        put_file(stream, bad[i].stream, strlen(bad[i].stream));
        if (nginx_takes(http, stream, &said) || !strstr(buf_str(&said), bad[i].answer)) {
            fail_msg("%s: nginx says %s", bad[i].stream, buf_str(&said));
        }
    }
    buf_deinit(&said);
}

/* ---- random services ---- */

static uint64_t seed;

static unsigned pick(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}
#define PICK(list) ((list)[pick(ARRAY_LEN(list))])

static void put_random(struct table *t, unsigned i)
{
    static const char *const names[] = {"web",      "Web", "api", "a.b_c-d",
                                        "bad name", "x;",  "db",  "q"};
    static const char *const hosts[] = {"10.0.0.1",    "10.0.0.2",    "10.0.0.10",
                                        "::1",         "2001:db8::1", "host.invalid",
                                        "10.0.0.1; }", "172.16.0.9",  "fd00::2"};
    static const char *const keys[] = {"weight",       "max_conns",       "max_fails",
                                       "fail_timeout", "backup",          "nginx_balance",
                                       "nginx_zone",   "nginx_keepalive", "nginx"};
    static const char *const values[] = {"0",
                                         "1",
                                         "5",
                                         "100",
                                         "65535",
                                         "65536",
                                         "-1",
                                         "true",
                                         "false",
                                         "10s",
                                         "1m30s",
                                         "500ms",
                                         "least_conn",
                                         "ip_hash",
                                         "random",
                                         "hash $remote_addr",
                                         "hash $request_uri consistent",
                                         "hash $nosuch",
                                         "hash $protocol$server_port",
                                         "hash $proxy_protocol_addr consistent",
                                         "32k",
                                         "64k",
                                         "1m",
                                         "4k",
                                         "stream",
                                         "stream",
                                         "",
                                         ";",
                                         "}",
                                         "1;",
                                         "$uri",
                                         "\"",
                                         "'",
                                         "#",
                                         "\\",
                                         "10s;\n}",
                                         "2147483648",
                                         "hash $arg_a$cookie_b consistent",
                                         "{{.src}}"};
    static const enum service_proto protos[] = {SERVICE_TCP, SERVICE_TCP, SERVICE_TCP, SERVICE_UDP,
                                                SERVICE_UDP, SERVICE_TCP, SERVICE_SCTP};
    struct service_attr attrs[4];
    size_t n_attrs = 0;
    if (pick(4) == 0) { /* often enough for zones of one name in both contexts */
        attrs[n_attrs++] = (struct service_attr){"nginx_zone", "64k"};
    }
    for (unsigned k = pick(5); k > 0; k--) {
        struct service_attr a = {PICK(keys), PICK(values)};
        bool twice = false;
        for (size_t m = 0; m < n_attrs; m++) {
            twice |= streq(attrs[m].key, a.key);
        }
        if (!twice && n_attrs < ARRAY_LEN(attrs)) {
            attrs[n_attrs++] = a;
        }
    }
    char id[32];
    snprintf(id, sizeof(id), "n:c:%u", i);
    struct service_spec spec = {
        .name = PICK(names),
        .id = id,
        .host = PICK(hosts),
        .port = (uint16_t)(pick(3) > 0 ? 1 + pick(65535) : 53),
        .proto = PICK(protos),
        .status = pick(8) == 0 ? SERVICE_CRITICAL : SERVICE_PASSING,
        .weight = pick(3) > 0 ? SERVICE_WEIGHT_UNSET : (int)pick(200),
        .attrs = attrs,
        .n_attrs = n_attrs,
    };
    struct service *svc = NULL;
    if (service_new(&svc, &spec, NULL) == 0) {
        table_put(t, svc);
    }
}

/* One file of the two that a table gives. */
struct side {
    struct engine
        *g[3]; /* one for each policy; each remembers what it wrote in the rounds before */
    char path[256];
    size_t servers, reports;
};

static void open_side(struct side *s, enum nginx_context context)
{
    *s = (struct side){0};
    snprintf(s->path, sizeof(s->path), "%s/random-%d.conf", folder, (int)context);
    for (int policy = 0; policy < 3; policy++) {
        struct nginx_options o = {.context = context, .empty = (enum nginx_empty)policy};
        assert_int_equal(nginx_engine_new(&s->g[policy], &o, NULL), 0);
    }
}

static void write_side(struct side *s, const struct table *t, unsigned round)
{
    struct engine *e = s->g[round % 3];
    struct engine_result res;
    assert_int_equal(e->ops->render(e, t, &res, NULL), 0);
    put_file(s->path, res.bytes, res.len);
    s->servers += res.servers;
    s->reports += res.n_reports;
    e->ops->commit(e);
}

static void show_side(const struct side *s)
{
    struct buf text = BUF_INIT(1u << 20);
    assert_int_equal(fs_read(s->path, &text, NULL), 0);
    print_message("%s\n%s\n", s->path, buf_str(&text));
    buf_deinit(&text);
}

static void close_side(struct side *s, const char *name)
{
    print_message("%s: %zu servers, %zu values rejected\n", name, s->servers, s->reports);
    assert_true(s->servers > 500 && s->reports > 500);
    for (int policy = 0; policy < 3; policy++) {
        engine_free(s->g[policy]);
    }
}

static void random_services(void **state)
{
    struct buf said = BUF_INIT(1u << 20);
    struct side http, stream;
    open_side(&http, NGINX_HTTP);
    open_side(&stream, NGINX_STREAM);
    for (unsigned round = 0; round < 150; round++) {
        uint64_t first = seed = round + 1;
        struct table t = TABLE_NULL;
        for (unsigned n = pick(40), i = 0; i < n; i++) {
            put_random(&t, i);
        }
        write_side(&http, &t, round);
        write_side(&stream, &t, round);
        if (!nginx_takes(http.path, stream_module ? stream.path : NULL, &said)) {
            show_side(&http);
            show_side(&stream);
            fail_msg("seed %ju: %s", (uintmax_t)first, buf_str(&said));
        }
        table_deinit(&t);
    }
    close_side(&http, "http");
    close_side(&stream, "stream");
    buf_deinit(&said);
}

static int make_folder(void **state)
{
    folder = loop_mkdir();
    find_stream_module();
    return 0;
}

static int remove_folder(void **state)
{
    loop_rmdir(folder);
    return 0;
}

int main(void)
{
    if (!nginx_binary()) {
        fprintf(stderr, "nginx is not installed\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_files),
        cmocka_unit_test(golden_stream_files),
        cmocka_unit_test(the_judge_says_no_as_well),
        cmocka_unit_test(the_judge_says_no_in_stream),
        cmocka_unit_test(random_services),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
