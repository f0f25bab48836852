/*
 * Conformance: what real engines say of a container → what Registrator registered, for several of its
 * command lines.
 *
 * docker/<engine> and registrator/<engine> (every row of the network modes) against
 * registrator/<engine>/<options>.txt.
 */
#include "golden.h"

#define COMMON .rules = MAPPING_REGISTRATOR, .node = "hostname", .host_v6 = "", .network = ""
#define IP     "10.9.8.7" /* -ip */

static const struct golden_set sets[] = {
    {"default.txt", {COMMON, .host_v4 = FX_HOST, .tags = ""}},
    {"internal.txt", {COMMON, .host_v4 = FX_HOST, .tags = "", .internal = true}},
    {"ip.txt", {COMMON, .host_v4 = IP, .tags = "", .ip_forced = true, .ip_label = "inet"}},
    {"other.txt",
     {COMMON, .host_v4 = IP, .tags = "x,y", .explicit_only = true, .internal = true,
      .ip_forced = true, .ip_label = "inet", .deregister = MAPPING_DEREGISTER_ON_SUCCESS}},
};

static void test_engines(void **state)
{
    golden_check("registrator", sets, sizeof(sets) / sizeof(sets[0]), 3 * 16 + 29);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_engines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
