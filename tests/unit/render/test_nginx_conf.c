/*
 * What nginx -V and the main context of nginx.conf say. The outputs of -V are those of Debian's nginx
 * 1.22.1 and of an nginx that was built with no options, shortened in the middle.
 */
#include "render/nginx_conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static const char *text_of(const char *s)
{
    return s ? s : "(none)";
}

static void expect(const char *what, const char *got, const char *wanted)
{
    if (strcmp(text_of(got), text_of(wanted)) != 0) {
        fail_msg("%s: got %s, wanted %s", what, text_of(got), text_of(wanted));
    }
}

static void main_context(void **state)
{
    static const struct {
        const char *text, *pid, *error_log, *nowhere;
    } cases[] = {
        {"", NULL, NULL, NULL},
        {"pid /run/nginx.pid;", "/run/nginx.pid", NULL, NULL},
        {"user www;\npid\t/run/a.pid ;error_log logs/e.log warn;", "/run/a.pid", "logs/e.log",
         NULL},
        {"pid \"/run/my nginx.pid\"; error_log '/var/log/a;b';", "/run/my nginx.pid",
         "/var/log/a;b", NULL},
        {"pid /run/a\\ b;", "/run/a\\ b", NULL, NULL}, /* as nginx: the backslash stays */
        {"pid \"/run/\\\"x\\\"\";", "/run/\"x\"", NULL, NULL},
        {"# pid /no;\npid /yes; # pid /no;", "/yes", NULL, NULL},
        {"pid /run/x#y;", "/run/x#y", NULL, NULL}, /* no comment inside a word */
        {"http { pid /no; server { error_log /no; } } pid /yes;", "/yes", NULL, NULL},
        {"http { map $a $b { ~^/x\\}$ 1; } log_format x '}}'; set ${a}b; } pid /yes;", "/yes", NULL,
         NULL},
        {"log_format x ${a}{ error_log /no; } pid /yes;", "/yes", NULL, NULL},
        {"error_log stderr;", NULL, NULL, "stderr"},
        {"error_log syslog:server=unix:/dev/log;", NULL, NULL, "syslog:server=unix:/dev/log"},
        {"error_log memory:32m debug;", NULL, NULL, "memory:32m"},
        {"error_log /dev/null crit;", NULL, NULL, "/dev/null"},
        {"error_log stderr; error_log /a; error_log /b;", NULL, "/a", "stderr"},
        {"pid /a; } pid /b; error_log /c;", "/a", NULL, NULL},
        {"pid /a; error_log \"/b;", "/a", NULL, NULL},
        {"pid /a", NULL, NULL, NULL},
        {"pid /a {", NULL, NULL, NULL},
        {"pid; error_log;", NULL, NULL, NULL},
        {"pid \"\"; error_log \"\";", NULL, NULL, ""},
        {"pid /a\\", NULL, NULL, NULL},
        {"pid /a; pid /b;", "/a", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct nginx_conf c;
        nginx_conf_parse(&c, cases[i].text, strlen(cases[i].text));
        expect(cases[i].text, c.pid, cases[i].pid);
        expect(cases[i].text, c.error_log, cases[i].error_log);
        expect(cases[i].text, c.log_nowhere, cases[i].nowhere);
        nginx_conf_deinit(&c);
    }
}

static void a_word_has_its_limit(void **state)
{
    char text[5000] = "error_log /a; pid /";
    memset(text + strlen(text), 'x', 4500);
    strncat(text, ";", 2);
    struct nginx_conf c;
    nginx_conf_parse(&c, text, strlen(text));
    expect("too long", c.pid, NULL);
    expect("too long", c.error_log, "/a");
    nginx_conf_deinit(&c);
}

static void built(void **state)
{
    static const struct {
        const char *said, *prefix, *conf, *pid, *error_log;
    } cases[] = {
        {"nginx version: nginx/1.22.1\nTLS SNI support enabled\n"
         "configure arguments: --with-cc-opt='-g -O2 --prefix=/no -Wdate-time' "
         "--prefix=/usr/share/nginx --conf-path=/etc/nginx/nginx.conf "
         "--error-log-path=stderr --pid-path=/run/nginx.pid --with-compat\n",
         "/usr/share/nginx", "/etc/nginx/nginx.conf", "/run/nginx.pid", NULL},
        {"nginx version: nginx/1.27.0\nconfigure arguments:\n", "/usr/local/nginx",
         "/usr/local/nginx/conf/nginx.conf", "/usr/local/nginx/logs/nginx.pid",
         "/usr/local/nginx/logs/error.log"},
        {"configure arguments: --prefix='/opt/my nginx/' --pid-path=run/pid --prefix=/opt/x",
         "/opt/x", "/opt/x/conf/nginx.conf", "/opt/x/run/pid", "/opt/x/logs/error.log"},
        {"configure arguments: --prefix=\"/opt/my nginx/\"\n--pid-path=/no", "/opt/my nginx/",
         "/opt/my nginx/conf/nginx.conf", "/opt/my nginx/logs/nginx.pid",
         "/opt/my nginx/logs/error.log"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct nginx_built b;
        assert_int_equal(nginx_built_parse(&b, cases[i].said, NULL), 0);
        expect(cases[i].said, b.prefix, cases[i].prefix);
        expect(cases[i].said, b.conf, cases[i].conf);
        expect(cases[i].said, b.pid, cases[i].pid);
        expect(cases[i].said, b.error_log, cases[i].error_log);
        nginx_built_deinit(&b);
    }
    struct nginx_built none;
    struct err e = ERR_INIT;
    assert_int_equal(nginx_built_parse(&none, "sh: nginx: not found\n", &e), -22);
    assert_int_equal(e.class, ERR_INVALID);
    assert_non_null(strstr(e.msg, "not found"));
}

static void paths(void **state)
{
    static const char *const cases[][3] = {
        {"/p", "/a/b", "/a/b"}, {"/p", "a/b", "/p/a/b"}, {"/p/", "a", "/p/a"},
        {NULL, "/a", "/a"},     {NULL, "a", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP_FREE char *got = nginx_path(cases[i][0], cases[i][1]);
        expect(cases[i][1], got, cases[i][2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(main_context),
        cmocka_unit_test(a_word_has_its_limit),
        cmocka_unit_test(built),
        cmocka_unit_test(paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
