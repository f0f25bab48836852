/*
 * The closed grammars of values: what nginx takes, and what must not get near a file.
 */
#include "render/nginx_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static void times(void **state)
{
    static const char *const good[] = {"0",  "10", "10s", "1m30s",          "1h",   "2d",
                                       "1w", "1M", "1y",  "1y2M3w4d5h6m7s", "1m30", "999999999s"};
    static const char *const bad[] = {
        "",     "s",   "500ms",      "10ss", "30s1m",
        "1m1m", "-1",  "+1",         "1 s",  "10s;",
        "1.5s", "10S", "1000000000", " 1",   "1y2M3w4d5h6m7s1y2M3w4d5h6m7s1y2M3w4d5h6m7s"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (!nginx_time_ok(good[i])) {
            fail_msg("\"%s\" was refused", good[i]);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (nginx_time_ok(bad[i])) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
    }
}

static void zones(void **state)
{
    static const struct {
        const char *text;
        uint64_t k;
    } good[] = {{"32k", 32}, {"64K", 64}, {"1m", 1024}, {"64M", 65536}, {"65536k", 65536}};
    static const char *const bad[] = {"",
                                      "k",
                                      "31k",
                                      "64",
                                      "64kb",
                                      "1g",
                                      "65m",
                                      "65537k",
                                      "-64k",
                                      "64k;",
                                      "web 64k",
                                      " 64k",
                                      "99999999999999999999k"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        uint64_t k = 0;
        if (!nginx_zone_parse(good[i].text, &k)) {
            fail_msg("\"%s\" was refused", good[i].text);
        }
        assert_int_equal(k, good[i].k);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint64_t k = 0;
        if (nginx_zone_parse(bad[i], &k)) {
            fail_msg("\"%s\" was taken as %ju", bad[i], (uintmax_t)k);
        }
    }
}

static void balances(void **state)
{
    enum { NO = 0, HTTP = 1 << NGINX_HTTP, STREAM = 1 << NGINX_STREAM, BOTH = HTTP | STREAM };
    static const struct {
        const char *text, *printed;
        int where;
        bool takes_backup;
    } good[] = {
        {"least_conn", "least_conn", BOTH, true},
        {"ip_hash", "ip_hash", HTTP, false},
        {"random", "random", BOTH, false},
        {"hash $remote_addr", "hash $remote_addr", BOTH, false},
        {"hash $binary_remote_addr$remote_port consistent",
         "hash $binary_remote_addr$remote_port consistent", BOTH, false},
        {"hash $server_addr$server_port", "hash $server_addr$server_port", BOTH, false},
        {"hash $protocol", "hash $protocol", STREAM, false},
        {"hash $proxy_protocol_addr$proxy_protocol_port",
         "hash $proxy_protocol_addr"
         "$proxy_protocol_port",
         STREAM, false},
        {"hash $proxy_protocol_server_addr", "hash $proxy_protocol_server_addr", STREAM, false},
        {"hash $proxy_protocol_server_port", "hash $proxy_protocol_server_port", STREAM, false},
        {"hash $remote_addr$uri", "hash $remote_addr$uri", HTTP, false},
        {"hash $request_uri consistent", "hash $request_uri consistent", HTTP, false},
        {"hash   $arg_user   consistent", "hash $arg_user consistent", HTTP, false},
        {"hash $cookie_sid$http_x_id$args", "hash $cookie_sid$http_x_id$args", HTTP, false},
        {"hash $uri ", "hash $uri", HTTP, false},
        {"hash $host", "hash $host", HTTP, false},
        {"hash $server_name", "hash $server_name", HTTP, false},
        {"hash $server_protocol", "hash $server_protocol", HTTP, false},
    };
    static const char *const bad[] = {
        "",
        "round_robin",
        "least_conn;",
        "least_conn ",
        "LEAST_CONN",
        "random two",
        "hash",
        "hash ",
        "hash x",
        "hash $",
        "hash $nosuch",
        "hash $1",
        "hash $arg_",
        "hash $arg_X",
        "hash ${uri}",
        "hash $uri; }",
        "hash $uri;",
        "hash $uri consistent;",
        "hash $uri consistent consistent",
        "hash $uri other",
        "hash $uri\n",
        "hash\t$uri",
        "hash $uri'",
        "hash \"$uri\"",
        "hash $uri{",
        "hash $uri#",
        "hash "
        "$arg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int where = NO;
        for (int c = NGINX_HTTP; c <= NGINX_STREAM; c++) {
            struct nginx_balance b;
            char printed[NGINX_DIRECTIVE_MAX];
            if (!nginx_balance_parse((enum nginx_context)c, good[i].text, &b)) {
                continue;
            }
            where |= 1 << c;
            nginx_balance_format(&b, printed);
            assert_string_equal(printed, good[i].printed);
            assert_int_equal(nginx_balance_takes_backup(&b), good[i].takes_backup);
        }
        if (where != good[i].where) {
            fail_msg("\"%s\" was taken in %d, not %d", good[i].text, where, good[i].where);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        for (int c = NGINX_HTTP; c <= NGINX_STREAM; c++) {
            struct nginx_balance b;
            if (nginx_balance_parse((enum nginx_context)c, bad[i], &b)) {
                fail_msg("\"%s\" was taken in %d", bad[i], c);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),
        cmocka_unit_test(zones),
        cmocka_unit_test(balances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
