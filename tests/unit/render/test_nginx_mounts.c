/*
 * Paths of a container in what its nginx says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "render/nginx_mounts.h"

static void translates(void **state)
{
    static char all[2][32] = {"/etc/nginx", "/srv/all"};
    static char conf[2][32] = {"/etc/nginx/conf.d", "/srv/conf"};
    static char single[2][32] = {"/etc/one.conf", "/srv/single"};
    static const struct nginx_mount mounts[] = {
        {all[0], all[1]}, {conf[0], conf[1]}, {single[0], single[1]}};
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"x in /etc/nginx/conf.d/up.conf:12\n", "x in /srv/conf/up.conf:12\n"},
        {"x in /etc/nginx/nginx.conf:1\n/etc/nginx/conf.d",
         "x in /srv/all/nginx.conf:1\n/srv/conf"},
        {"open() \"/etc/nginx/x\" failed in /etc/one.conf:7",
         "open() \"/srv/all/x\" failed in /srv/single:7"},
        {"in /etc/nginx-other/x:1 and /etc/one.conf.bak:2",
         "in /etc/nginx-other/x:1 and /etc/one.conf.bak:2"},
        {"in /opt/etc/nginx/x:1", "in /opt/etc/nginx/x:1"},
        {"/", "/"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = BUF_INIT(1024);
        nginx_mounts_translate(mounts, ARRAY_LEN(mounts), cases[i].text, &out);
        assert_string_equal(buf_str(&out), cases[i].want);
        buf_reset(&out);
        nginx_mounts_translate(NULL, 0, cases[i].text, &out);
        assert_string_equal(buf_str(&out), cases[i].text);
        buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(translates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
