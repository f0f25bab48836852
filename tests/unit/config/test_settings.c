/*
 * The commands' own tables: defaults as documented, the credentials' rules, and which sections count.
 */
#include "base/alloc.h"
#include "base/fs.h"
#include "config/agent_settings.h"
#include "config/explain_settings.h"
#include "config/ls_settings.h"
#include "config/render_settings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGV(...) ((char **)(const char *[]){__VA_ARGS__, NULL})
#define INPUT(argv_, envp_)                                                                        \
    (&(const struct options_input){.argc = count(argv_), .argv = (argv_), .envp = (envp_)})

static char *nothing[] = {NULL};

static int count(char *const *argv)
{
    int n = 0;
    while (argv[n]) {
        n++;
    }
    return n;
}

static void agent_has_its_defaults(void **state)
{
    struct agent_settings s;
    struct err e = ERR_INIT;
    assert_int_equal(agent_settings_load(&s, INPUT(nothing, nothing), &e), 0);
    assert_null(s.registry.uri);
    assert_null(s.mapping.node);
    assert_null(s.mapping.ip);
    assert_null(s.docker.url);
    assert_int_equal(s.ttl, 30000);
    assert_int_equal(s.resync, 60000);
    assert_int_equal(s.inspects, 16);
    assert_false(s.mapping.internal || s.mapping.explicit_only || s.once || s.dry_run);
    assert_true(s.drain);
    assert_int_equal(s.mapping.name_from, SETTING_NAME_IMAGE);
    assert_int_equal(s.mapping.health, SETTING_HEALTH_GATE);
    assert_int_equal(s.mapping.deregister, SETTING_DEREGISTER_ALWAYS);
    assert_int_equal(s.on_exit, SETTING_EXIT_KEEP);
    assert_int_equal(s.mapping.filter.n, 0);
    assert_int_equal(s.common.log_level, LOG_INFO);
    assert_int_equal(s.common.log_format, LOG_TEXT);
    options_deinit(&s.base);
    options_deinit(&s.base);
}

static void agent_takes_its_options(void **state)
{
    char **argv = ARGV("--node=n", "--ip", "eth0", "--ttl", "5s", "--internal", "--network", "net",
                       "--explicit", "--filter", "label=a", "--filter", "name=b*", "--name-from",
                       "compose", "--tags", "a,b", "--health=mark", "--no-drain", "--deregister",
                       "on-success", "--resync", "2m", "--on-exit", "deregister", "--docker",
                       "tcp://h:1", "--once", "--dry-run", "--inspects", "4", "--log-level",
                       "debug", "--log-format=json", "etcd://h");
    struct agent_settings s;
    struct err e = ERR_INIT;
    if (agent_settings_load(&s, INPUT(argv, nothing), &e) < 0) {
        fail_msg("%s", e.msg);
    }
    assert_string_equal(s.mapping.node, "n");
    assert_string_equal(s.mapping.ip, "eth0");
    assert_int_equal(s.ttl, 5000);
    assert_true(s.mapping.internal && s.mapping.explicit_only && s.once && s.dry_run && !s.drain);
    assert_string_equal(s.mapping.network, "net");
    assert_int_equal(s.mapping.filter.n, 2);
    assert_string_equal(s.mapping.filter.items[1], "name=b*");
    assert_int_equal(s.mapping.name_from, SETTING_NAME_COMPOSE);
    assert_string_equal(s.mapping.tags, "a,b");
    assert_int_equal(s.mapping.health, SETTING_HEALTH_MARK);
    assert_int_equal(s.mapping.deregister, SETTING_DEREGISTER_ON_SUCCESS);
    assert_int_equal(s.resync, 120000);
    assert_int_equal(s.on_exit, SETTING_EXIT_DEREGISTER);
    assert_string_equal(s.docker.url, "tcp://h:1");
    assert_int_equal(s.inspects, 4);
    assert_int_equal(s.common.log_level, LOG_DEBUG);
    assert_int_equal(s.common.log_format, LOG_JSON);
    assert_string_equal(s.registry.uri, "etcd://h");
    options_deinit(&s.base);
}

static void render_takes_its_options(void **state)
{
    struct render_settings s;
    struct err e = ERR_INIT;
    assert_int_equal(render_settings_load(&s, INPUT(nothing, nothing), &e), 0);
    assert_null(s.output);
    assert_int_equal(s.services.n, 1);
    assert_string_equal(s.services.items[0], "*");
    assert_int_equal(s.expect.n, 0);
    assert_int_equal(s.empty, SETTING_EMPTY_DOWN);
    assert_int_equal(s.hold, 10000);
    assert_int_equal(s.wait.min, 100);
    assert_int_equal(s.wait.max, 1000);
    assert_null(s.check);
    assert_null(s.reload);
    assert_true(s.mode == FS_MODE_KEEP);
    options_deinit(&s.base);

    char **argv =
        ARGV("-o", "/x", "--services", "a*", "--services=b", "--expect", "web", "--empty", "keep",
             "--hold", "0", "--wait", "1s:2s", "--check", "nginx -t", "--reload=nginx -s reload",
             "--mode", "0640", "--once", "--dry-run", "file:///r");
    assert_int_equal(render_settings_load(&s, INPUT(argv, nothing), &e), 0);
    assert_string_equal(s.output, "/x");
    assert_int_equal(s.services.n, 2);
    assert_string_equal(s.expect.items[0], "web");
    assert_int_equal(s.empty, SETTING_EMPTY_KEEP);
    assert_int_equal(s.hold, 0);
    assert_int_equal(s.wait.max, 2000);
    assert_string_equal(s.check, "nginx -t");
    assert_string_equal(s.reload, "nginx -s reload");
    assert_int_equal(s.mode, 0640);
    assert_true(s.once && s.dry_run);
    assert_string_equal(s.registry.uri, "file:///r");
    options_deinit(&s.base);
}

static void refuses_what_does_not_exist(void **state)
{
    static const char *const options[] = {"--listen", "--template", "--confdir"};
    struct agent_settings a;
    struct render_settings r;
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        struct err e = ERR_INIT;
        char **argv = ARGV(options[i], "x");
        assert_int_equal(agent_settings_load(&a, INPUT(argv, nothing), &e), -EINVAL);
        assert_int_equal(render_settings_load(&r, INPUT(argv, nothing), &e), -EINVAL);
        assert_memory_equal(e.msg, "unknown option --", 17);
    }
}

static void takes_tools_variables(void **state)
{
    char **envp = ARGV("ETCDCTL_CACERT=/ca", "ETCDCTL_CERT=/c", "ETCDCTL_KEY=/k", "ETCDCTL_USER=u",
                       "ETCDCTL_PASSWORD=p", "DOCKER_HOST=tcp://d:2376", "DOCKER_TLS_VERIFY=1",
                       "DOCKER_CERT_PATH=/d", "ETCDCTL_ENDPOINTS=http://a:1,http://b:2");
    struct agent_settings s;
    assert_int_equal(agent_settings_load(&s, INPUT(nothing, envp), NULL), 0);
    assert_string_equal(s.registry.etcd_cacert, "/ca");
    assert_string_equal(s.registry.etcd_cert, "/c");
    assert_string_equal(s.registry.etcd_key, "/k");
    assert_string_equal(s.registry.etcd_user, "u");
    assert_string_equal(s.registry.etcd_password, "p");
    assert_string_equal(s.docker.url, "tcp://d:2376");
    assert_true(s.docker.tls_verify);
    assert_string_equal(s.docker.cert_path, "/d");
    assert_string_equal(s.registry.uri, "etcd://");
    assert_string_equal(s.registry.etcd_endpoints, "http://a:1,http://b:2");
    assert_string_equal(options_origin(&s.base, "registry")->text, "ETCDCTL_ENDPOINTS");
    struct buf out = BUF_INIT(100000);
    options_show(&s.base, &out);
    assert_non_null(strstr(buf_str(&out), "etcd-password: \"***\""));
    buf_deinit(&out);
    options_deinit(&s.base);

    char **argv = ARGV("etcd://h", "--etcd-cacert=/other", "--docker=unix:///s");
    assert_int_equal(agent_settings_load(&s, INPUT(argv, envp), NULL), 0);
    assert_string_equal(s.registry.uri, "etcd://h");
    assert_string_equal(s.registry.etcd_cacert, "/other");
    assert_string_equal(s.docker.url, "unix:///s");
    options_deinit(&s.base);

    /* said to be none, the embedded registry is used whatever the variable says */
    assert_int_equal(agent_settings_load(&s, INPUT(ARGV(""), envp), NULL), 0);
    assert_null(s.registry.uri);
    options_deinit(&s.base);

    envp = ARGV("ETCDCTL_ENDPOINTS=https://a:1");
    assert_int_equal(agent_settings_load(&s, INPUT(nothing, envp), NULL), 0);
    assert_string_equal(s.registry.uri, "etcds://");
    options_deinit(&s.base);
}

static void takes_users_apart(void **state)
{
    struct agent_settings s;
    struct err e = ERR_INIT;
    assert_int_equal(agent_settings_load(&s, INPUT(nothing, ARGV("ETCDCTL_USER=u:p:q")), &e), 0);
    assert_string_equal(s.registry.etcd_user, "u");
    assert_string_equal(s.registry.etcd_password, "p:q");
    options_deinit(&s.base);
    char **both = ARGV("ETCDCTL_USER=u:v", "ETCDCTL_PASSWORD=p");
    assert_int_equal(agent_settings_load(&s, INPUT(nothing, both), &e), 0);
    assert_string_equal(s.registry.etcd_user, "u:v");
    assert_string_equal(s.registry.etcd_password, "p");
    options_deinit(&s.base);
    assert_int_equal(agent_settings_load(&s, INPUT(ARGV("--etcd-user=u:hunter2"), nothing), &e),
                     -EINVAL);
    assert_string_equal(e.msg, "--etcd-user: found a name with a password, allowed: a name; the "
                               "password goes into a file named by etcd-password-file");
}

static void wants_certificate_and_key(void **state)
{
    struct agent_settings s;
    struct err e = ERR_INIT;
    assert_int_equal(agent_settings_load(&s, INPUT(ARGV("--etcd-cert=/c"), nothing), &e), -EINVAL);
    assert_string_equal(e.msg, "--etcd-cert: found without etcd-key, allowed: both or none");
    assert_int_equal(agent_settings_load(&s, INPUT(nothing, ARGV("ETCDCTL_KEY=/k")), &e), -EINVAL);
    assert_string_equal(e.msg, "ETCDCTL_KEY: found without etcd-cert, allowed: both or none");
}

static void reads_the_password_file(void **state)
{
    char path[] = "/tmp/tidewaiter-password-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    static const struct {
        const char *text, *password;
    } cases[] = {{"pw\n", "pw"}, {"pw\r\n", "pw"}, {"p w", "p w"}, {"", NULL},
                 {"\n", NULL},   {"a\nb\n", NULL}, {"a\n\n", NULL}};
    char option[64];
    snprintf(option, sizeof(option), "--etcd-password-file=%s", path);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct agent_settings s;
        struct err e = ERR_INIT;
        assert_int_equal(
            fs_replace(path, cases[i].text, strlen(cases[i].text), FS_MODE_KEEP, false, &e), 0);
        char **envp = ARGV("ETCDCTL_PASSWORD=weaker", "ETCDCTL_USER=u");
        int r = agent_settings_load(&s, INPUT(ARGV(option), envp), &e);
        if (!cases[i].password) {
            assert_int_equal(r, -EINVAL);
            assert_non_null(strstr(e.msg, "--etcd-password-file: /tmp/"));
            continue;
        }
        assert_int_equal(r, 0);
        assert_string_equal(s.registry.etcd_password, cases[i].password);
        options_deinit(&s.base);
    }
    unlink(path);
    struct agent_settings s;
    struct err e = ERR_INIT;
    assert_int_equal(agent_settings_load(&s, INPUT(ARGV(option), nothing), &e), -ENOENT);
    assert_memory_equal(e.msg, "--etcd-password-file: open /tmp/", 32);
}

static void sections_serve_their_commands(void **state)
{
    static const char yaml[] = "agent:\n"
                               "  registry: etcd://a\n"
                               "  node: n\n"
                               "  etcd-cacert: /agent-ca\n"
                               "  on-exit: deregister\n"
                               "render:\n"
                               "  registry: etcd://r\n"
                               "  services: [x]\n"
                               "  check: nginx -t\n";
    char path[] = "/tmp/tidewaiter-sections-XXXXXX";
    close(mkstemp(path));
    assert_int_equal(fs_replace(path, yaml, strlen(yaml), FS_MODE_KEEP, false, NULL), 0);
    const struct options_input input = {.argv = nothing, .envp = nothing, .default_file = path};
    struct agent_settings agent;
    struct render_settings render;
    struct ls_settings ls;
    assert_int_equal(agent_settings_load(&agent, &input, NULL), 0);
    assert_string_equal(agent.registry.uri, "etcd://a");
    assert_int_equal(agent.on_exit, SETTING_EXIT_DEREGISTER);
    options_deinit(&agent.base);
    assert_int_equal(render_settings_load(&render, &input, NULL), 0);
    assert_string_equal(render.registry.uri, "etcd://r");
    assert_null(render.registry.etcd_cacert);
    assert_string_equal(render.check, "nginx -t");
    options_deinit(&render.base);
    assert_int_equal(ls_settings_load(&ls, &input, NULL), 0);
    assert_string_equal(ls.registry.uri, "etcd://r");
    assert_string_equal(ls.registry.etcd_cacert, "/agent-ca");
    assert_string_equal(ls.services.items[0], "*");
    assert_false(ls.json || ls.watch);
    options_deinit(&ls.base);

    char **argv = ARGV("--json", "a", "b");
    const struct options_input words = {
        .argc = 3, .argv = argv, .envp = nothing, .default_file = path};
    struct explain_settings explain;
    assert_int_equal(explain_settings_load(&explain, &words, NULL), 0);
    assert_string_equal(explain.mapping.node, "n");
    assert_int_equal(explain.containers.n, 2);
    assert_string_equal(explain.containers.items[1], "b");
    assert_true(explain.json);
    options_deinit(&explain.base);
    unlink(path);
}

static void explain_needs_a_container(void **state)
{
    struct explain_settings s;
    struct err e = ERR_INIT;
    assert_int_equal(explain_settings_load(&s, INPUT(nothing, nothing), &e), -EINVAL);
    assert_string_equal(e.msg,
                        "no container is named; usage: tidewaiter explain [OPTIONS] CONTAINER...");
    assert_int_equal(explain_settings_load(&s, INPUT(ARGV("--check-config"), nothing), &e), 0);
    options_deinit(&s.base);
    assert_int_equal(explain_settings_load(&s, INPUT(ARGV("--help"), nothing), &e), 0);
    assert_true(s.common.help);
    options_deinit(&s.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agent_has_its_defaults),
        cmocka_unit_test(agent_takes_its_options),
        cmocka_unit_test(render_takes_its_options),
        cmocka_unit_test(refuses_what_does_not_exist),
        cmocka_unit_test(takes_tools_variables),
        cmocka_unit_test(takes_users_apart),
        cmocka_unit_test(wants_certificate_and_key),
        cmocka_unit_test(reads_the_password_file),
        cmocka_unit_test(sections_serve_their_commands),
        cmocka_unit_test(explain_needs_a_container),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
