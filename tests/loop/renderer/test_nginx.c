/*
 * The real nginx has the last word: it checks every golden file, and files of random services whose
 * attributes are good, bad and hostile. Skipped (77) where nginx is not installed.
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

/* `nginx -t` over a whole configuration of its own that includes the file; what it says in *said. */
static bool nginx_takes(const char *file, struct buf *said)
{
    struct buf conf = BUF_INIT(1u << 16);
    char path[256], command[1024];
    buf_printf(&conf,
               "pid %s/pid; error_log %s/error.log; events {}\n"
               "http { access_log off; client_body_temp_path %s/t1; proxy_temp_path %s/t2;\n"
               "fastcgi_temp_path %s/t3; uwsgi_temp_path %s/t4; scgi_temp_path %s/t5;\n"
               "include %s; }\n",
               folder, folder, folder, folder, folder, folder, folder, file);
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

static void golden_files(void **state)
{
    struct buf said = BUF_INIT(1u << 20);
    DIR *dir = opendir(GOLDEN_DIR "/render");
    assert_non_null(dir);
    size_t n = 0;
    for (struct dirent *ent; (ent = readdir(dir)) != NULL;) {
        char path[512];
        if (str_ends(ent->d_name, ".conf")) {
            snprintf(path, sizeof(path), GOLDEN_DIR "/render/%s", ent->d_name);
            if (!nginx_takes(path, &said)) {
                fail_msg("%s: %s", path, buf_str(&said));
            }
            n++;
        }
    }
    closedir(dir);
    print_message("%zu files\n", n);
    assert_true(n >= 10);
    buf_deinit(&said);
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
        assert_int_equal(fs_replace(path, bad[i], strlen(bad[i]), 0644, false, NULL), 0);
        if (nginx_takes(path, &said)) {
            fail_msg("nginx takes %s", bad[i]);
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
                                         "32k",
                                         "64k",
                                         "1m",
                                         "4k",
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
    struct service_attr attrs[4];
    size_t n_attrs = 0;
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
        .port = (uint16_t)(1 + pick(65535)),
        .proto = pick(10) == 0 ? SERVICE_UDP : SERVICE_TCP,
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

static void random_services(void **state)
{
    struct buf said = BUF_INIT(1u << 20);
    char path[256];
    struct engine *g[3];
    size_t servers = 0, reports = 0;
    snprintf(path, sizeof(path), "%s/random.conf", folder);
    for (int policy = 0; policy < 3; policy++) {
        struct nginx_options o = {.empty = (enum nginx_empty)policy};
        assert_int_equal(nginx_engine_new(&g[policy], &o, NULL), 0);
    }
    for (unsigned round = 0; round < 150; round++) {
        uint64_t first = seed = round + 1;
        struct table t = TABLE_NULL;
        for (unsigned n = pick(40), i = 0; i < n; i++) {
            put_random(&t, i);
        }
        /* the three remember what they wrote in the rounds before */
        struct engine *e = g[round % 3];
        struct engine_result res;
        assert_int_equal(e->ops->render(e, &t, &res, NULL), 0);
        assert_int_equal(fs_replace(path, res.bytes, res.len, 0644, false, NULL), 0);
        servers += res.servers;
        reports += res.n_reports;
        if (!nginx_takes(path, &said)) {
            fail_msg("seed %ju: %s\n%s", (uintmax_t)first, buf_str(&said), res.bytes);
        }
        e->ops->commit(e);
        table_deinit(&t);
    }
    print_message("%zu servers, %zu values rejected\n", servers, reports);
    assert_true(servers > 500 && reports > 500);
    for (int policy = 0; policy < 3; policy++) {
        engine_free(g[policy]);
    }
    buf_deinit(&said);
}

static int make_folder(void **state)
{
    folder = loop_mkdir();
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
        cmocka_unit_test(the_judge_says_no_as_well),
        cmocka_unit_test(random_services),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
