/*
 * Addresses: what parses, how it is printed, how it sorts.
 */
#include "render/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static void good_hosts_are_printed_in_one_form(void **state)
{
    static const struct {
        const char *host, *text;
    } cases[] = {
        {"10.0.0.5", "10.0.0.5:80"},
        {"0.0.0.0", "0.0.0.0:80"},
        {"255.255.255.255", "255.255.255.255:80"},
        {"::1", "[::1]:80"},
        {"2001:DB8:0:0::5", "[2001:db8::5]:80"},
        {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:80"},
        {"::ffff:255.255.255.255", "[::ffff:255.255.255.255]:80"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct address a, b;
        char text[ADDRESS_TEXT_MAX];
        if (!address_parse(cases[i].host, 80, &a)) {
            fail_msg("%s was refused", cases[i].host);
        }
        assert_int_equal(address_format(&a, text), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
        if (!address_parse_pair(text, strlen(text), &b)) {
            fail_msg("%s was refused", text);
        }
        assert_int_equal(address_compare(&a, &b), 0);
    }
}

static void bad_hosts_are_refused(void **state)
{
    static const char *const hosts[] = {
        "",          "web",         "10.0.0",       "10.0.0.256",  "10.0.0.05", "10.0.0.1 ",
        "10.0.0.1;", "10.0.0.0001", "10.0.0.1.1",   "10..0.1",     "+1.0.0.1",  "fe80::1%eth0",
        "[::1]",     ":::",         "127.0.0.1:80", "1.2.3.4\n",   "::1;",      "0x7f.0.0.1",
        "10.0.0.",   ".10.0.0.1",   "10.0.0.-1",    "2001:db8::g",
    };
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct address a;
        if (address_parse(hosts[i], 80, &a)) {
            fail_msg("\"%s\" was taken", hosts[i]);
        }
    }
}

static void bad_pairs_are_refused(void **state)
{
    static const char *const pairs[] = {
        "",
        "10.0.0.1",
        "10.0.0.1:",
        "10.0.0.1:0",
        "10.0.0.1:65536",
        "::1:80",
        "[10.0.0.1]:80",
        "[::1]80",
        "[::1:80",
        "::1]:80",
        ":80",
        "[]:80",
        "10.0.0.1:80:80",
        "[::1]:8x",
        "10.0.0.1:+8",
        "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:80",
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct address a;
        if (address_parse_pair(pairs[i], strlen(pairs[i]), &a)) {
            fail_msg("\"%s\" was taken", pairs[i]);
        }
    }
}

static void order_is_that_of_numbers(void **state)
{
    static const struct {
        const char *host;
        uint16_t port;
    } rising[] = {
        {"9.0.0.0", 80},      {"10.0.0.9", 80}, {"10.0.0.9", 8080},     {"10.0.0.10", 80},
        {"200.0.0.1", 1},     {"::1", 80},      {"::ffff:9.0.0.0", 80}, {"2001:db8::9", 80},
        {"2001:db8::10", 80}, {"fe80::", 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rising); i++) {
        for (size_t k = 0; k < ARRAY_LEN(rising); k++) {
            struct address a, b;
            assert_true(address_parse(rising[i].host, rising[i].port, &a));
            assert_true(address_parse(rising[k].host, rising[k].port, &b));
            int order = address_compare(&a, &b);
            if ((order < 0) != (i < k) || (order > 0) != (i > k)) {
                fail_msg("%s:%u against %s:%u is %d", rising[i].host, rising[i].port,
                         rising[k].host, rising[k].port, order);
            }
        }
    }
}

static void numbers_of_every_length(void **state)
{
    static const struct {
        uint64_t v;
        const char *text;
    } cases[] = {
        {0, "0"}, {9, "9"}, {10, "10"}, {65535, "65535"}, {UINT64_MAX, "18446744073709551615"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[21] = {0};
        assert_int_equal(address_put_u64(text, cases[i].v), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_hosts_are_printed_in_one_form),
        cmocka_unit_test(bad_hosts_are_refused),
        cmocka_unit_test(bad_pairs_are_refused),
        cmocka_unit_test(order_is_that_of_numbers),
        cmocka_unit_test(numbers_of_every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
