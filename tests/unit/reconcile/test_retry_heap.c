/*
 * The heap gives nodes back in order of time, whatever is taken out of its middle.
 */
#include "reconcile/retry_heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define N 500

static void nodes_come_in_order_of_time(void **state)
{
    static struct retry_node nodes[N];
    struct retry_heap heap = {0};
    uint64_t seed = 7;
    assert_null(retry_heap_first(&heap));
    for (size_t i = 0; i < N; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        retry_heap_add(&heap, &nodes[i], (seed >> 33) % 200);
    }
    for (size_t i = 0; i < N; i += 3) {
        retry_heap_remove(&heap, &nodes[i]);
        assert_int_equal(nodes[i].place, 0);
    }
    msec_t last = 0;
    const struct retry_node *last_node = nodes;
    size_t n = 0;
    for (struct retry_node *node; (node = retry_heap_first(&heap)) != NULL; n++) {
        assert_true((node - nodes) % 3 != 0);
        assert_true(node->due >= last);
        assert_true(node->due > last || node > last_node); /* equals in order of arrival */
        last = node->due;
        last_node = node;
        retry_heap_remove(&heap, node);
    }
    assert_int_equal(n, N - (N + 2) / 3);
    retry_heap_deinit(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_come_in_order_of_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
