/*
 * Containers that are larger than any sane one: what they get is bounded, and so is what they cost.
 */
#include "base/alloc.h"
#include "fixture.h"
#include "mapping/metadata.h"
#include "mapping/portlist.h"

/* Text of n bytes. */
static char *text_of(size_t n)
{
    char *s = xcalloc(n + 1, 1);
    memset(s, 'v', n);
    return s;
}

/* Ports first..65535 of tcp, published on the same numbers. */
static struct container_port *many_ports(uint16_t first, size_t *ret_n)
{
    size_t n = 0;
    struct container_port *ports = xcalloc(65536, sizeof(*ports));
    for (unsigned port = first; port <= UINT16_MAX; port++) {
        ports[n++] = (struct container_port){
            .port = (uint16_t)port, .host_port = (uint16_t)port, .host_ip = "0.0.0.0"};
    }
    *ret_n = n;
    return ports;
}

static void map(const struct fx *fx, struct mapping_result *ret)
{
    CLEANUP_CONTAINER struct container *c = container_new(&fx->spec);
    mapping_map(&fx->o, c, NULL, ret);
}

static void check_long_keys_and_values(enum mapping_rules rules)
{
    struct fx fx;
    struct mapping_result r;
    CLEANUP_FREE char *value = text_of(METADATA_VALUE_MAX + 1);
    char key[METADATA_KEY_MAX + 16] = "SERVICE_";
    memset(key + 8, 'K', METADATA_KEY_MAX + 1);
    fx_init(&fx);
    fx.o.rules = rules;
    fx_publish(&fx, 80, SERVICE_TCP, 80);
    fx_label(&fx, "SERVICE_NAME", value);
    fx_label(&fx, key, "v");
    fx_env(&fx, "SERVICE_NAME", "shop");
    fx_map(&fx, &r);
    assert_int_equal(r.n_services, 1);
    assert_string_equal(r.verdicts[0].service->s.name, "shop");
    assert_int_equal(r.n_warnings, 2);
    assert_non_null(strstr(r.warnings[0], "has a key of more than 256 bytes"));
    assert_string_equal(r.warnings[1],
                        "label SERVICE_NAME has a value of more than 65536 bytes; it "
                        "is left out");
    mapping_result_deinit(&r);
    value[METADATA_VALUE_MAX] = '\0';
    key[8 + METADATA_KEY_MAX] = '\0';
    fx_map(&fx, &r);
    assert_int_equal(r.n_services, 0); /* the label counts again, and is no name */
    assert_int_equal(r.n_warnings, 1);
    mapping_result_deinit(&r);
}

static void check_many_ports(enum mapping_rules rules)
{
    struct fx fx;
    struct mapping_result r;
    fx_init(&fx);
    fx.o.rules = rules;
    CLEANUP_FREE struct container_port *ports = many_ports(1, &fx.spec.n_ports);
    fx.spec.ports = ports;
    map(&fx, &r);
    assert_int_equal(r.n_verdicts, PORTLIST_MAX);
    assert_int_equal(r.n_services, PORTLIST_MAX);
    assert_int_equal(r.n_warnings, 1);
    assert_string_equal(r.warnings[0],
                        "the container has 65535 ports; only the first 16384 are looked at");
    mapping_result_deinit(&r);
}

static void check_many_ports_with_long_labels(enum mapping_rules rules)
{
    struct fx fx;
    struct mapping_result r;
    struct container_kv labels[16];
    char names[16][16];
    CLEANUP_FREE char *value = text_of(SERVICE_TEXT_MAX);
    fx_init(&fx);
    fx.o.rules = rules;
    for (size_t i = 0; i < 16; i++) {
        snprintf(names[i], sizeof(names[i]), "SERVICE_X%02zu", i);
        labels[i] = (struct container_kv){names[i], value};
    }
    CLEANUP_FREE struct container_port *ports = many_ports(65536 - 1000, &fx.spec.n_ports);
    fx.spec.ports = ports;
    fx.spec.labels = labels;
    fx.spec.n_labels = 16;
    map(&fx, &r);
    assert_int_equal(r.n_verdicts, 1000);
    /* Each takes 64 KiB and something. */
    assert_in_range(r.n_services, 240, 256);
    assert_string_equal(r.verdicts[999].reason,
                        "the container's services are larger than 16 MiB together");
    assert_non_null(strstr(r.warnings[0], r.verdicts[999].reason));
    mapping_result_deinit(&r);
}

/* The limits are the same whatever the rules. */
static void test_native(void **state)
{
    check_long_keys_and_values(MAPPING_NATIVE);
    check_many_ports(MAPPING_NATIVE);
    check_many_ports_with_long_labels(MAPPING_NATIVE);
}

static void test_registrator(void **state)
{
    check_long_keys_and_values(MAPPING_REGISTRATOR);
    check_many_ports(MAPPING_REGISTRATOR);
    check_many_ports_with_long_labels(MAPPING_REGISTRATOR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_native),
        cmocka_unit_test(test_registrator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
