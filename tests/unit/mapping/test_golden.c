/*
 * What real engines say of a container → services, for several sets of options.
 *
 * docker/<engine>/inspect-*.json against mapping/<engine>/<options>.txt.
 */
#include "golden.h"

static const char *const no_filters[1];
static const char *const team_filter[] = {"label=org.example.team=w*"};

#define COMMON .node = "node1", .host_v4 = FX_HOST, .host_v6 = "", .network = "", .tags = ""

static const struct golden_set sets[] = {
    {"default.txt", {COMMON, .filters = no_filters}},
    {"internal.txt", {COMMON, .filters = no_filters, .internal = true}},
    {"explicit.txt", {COMMON, .filters = team_filter, .n_filters = 1, .explicit_only = true}},
    {"other.txt",
     {.node = "node1",
      .host_v4 = "",
      .host_v6 = FX_HOST6,
      .network = "front",
      .tags = "x,y",
      .filters = no_filters,
      .name_from = MAPPING_NAME_COMPOSE,
      .health = MAPPING_HEALTH_MARK,
      .deregister = MAPPING_DEREGISTER_ON_SUCCESS}},
};

static void test_engines(void **state)
{
    golden_check("mapping", sets, sizeof(sets) / sizeof(sets[0]), 3 * 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_engines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
