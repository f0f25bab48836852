/*
 * Tables stay sorted and know when they changed; diffs tell exactly what did. A random walk holds the
 * table against the simplest model of it.
 */
#include "base/alloc.h"
#include "model/diff.h"
#include "tidewaiter/table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct service *make(const char *name, const char *id, uint16_t port)
{
    const struct service_spec s = {
        .name = name, .id = id, .host = "h", .port = port, .weight = SERVICE_WEIGHT_UNSET};
    struct service *svc = NULL;
    assert_int_equal(service_new(&svc, &s, NULL), 0);
    return svc;
}

/* "web/1:80 web/2:80" */
static void expect(const struct table *t, const char *want)
{
    char text[512] = "";
    for (size_t i = 0; i < t->n; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, "%s%s/%s:%u", i > 0 ? " " : "",
                 t->items[i]->s.name, t->items[i]->s.id, t->items[i]->s.port);
    }
    assert_string_equal(text, want);
}

static void puts_finds_removes(void **state)
{
    struct table t = TABLE_NULL;
    assert_int_equal(t.generation, 0);
    assert_true(table_put(&t, make("b", "1", 80)));
    assert_true(t.generation > 0);
    assert_true(table_put(&t, make("a", "2", 80)));
    assert_true(table_put(&t, make("b", "0", 80)));
    assert_true(table_put(&t, make("c", "9", 80)));
    expect(&t, "a/2:80 b/0:80 b/1:80 c/9:80");

    uint64_t generation = t.generation;
    assert_false(table_put(&t, make("b", "1", 80)));
    assert_int_equal(t.generation, generation);
    assert_true(table_put(&t, make("b", "1", 81)));
    assert_true(t.generation > generation);
    expect(&t, "a/2:80 b/0:80 b/1:81 c/9:80");

    assert_int_equal(table_find(&t, "b", "1")->s.port, 81);
    assert_null(table_find(&t, "b", "2"));
    assert_null(table_find(&t, "d", "1"));
    generation = t.generation;
    assert_false(table_remove(&t, "b", "2"));
    assert_int_equal(t.generation, generation);
    assert_true(table_remove(&t, "b", "0"));
    assert_true(t.generation > generation);
    assert_true(table_remove(&t, "c", "9"));
    assert_true(table_remove(&t, "a", "2"));
    expect(&t, "b/1:81");
    table_deinit(&t);
    table_deinit(&t);
    assert_int_equal(t.n, 0);
    assert_null(table_find(&t, "b", "1"));
}

static void walks_name_by_name(void **state)
{
    struct table t = TABLE_NULL;
    static const char *const names[] = {"a", "b", "b", "b", "c", "c"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char id[8];
        snprintf(id, sizeof(id), "%zu", i);
        table_put(&t, make(names[i], id, 1));
    }
    assert_int_equal(table_name_end(&t, 0), 1);
    assert_int_equal(table_name_end(&t, 1), 4);
    assert_int_equal(table_name_end(&t, 2), 4);
    assert_int_equal(table_name_end(&t, 4), 6);
    table_deinit(&t);
}

static void copies_share_services(void **state)
{
    struct table a = TABLE_NULL, b = TABLE_NULL;
    table_copy(&b, &a);
    assert_true(table_equal(&a, &b));
    struct service *svc = make("a", "1", 80);
    table_put(&a, svc);
    table_put(&b, make("z", "1", 80));
    table_copy(&b, &a);
    assert_int_equal(svc->refs, 2);
    assert_ptr_equal(b.items[0], svc);
    assert_true(table_equal(&a, &b));

    uint64_t generation = b.generation;
    table_put(&a, make("b", "1", 80));
    table_put(&a, make("a", "1", 81));
    assert_int_equal(svc->refs, 1);
    expect(&b, "a/1:80");
    assert_false(table_equal(&a, &b));
    table_copy(&b, &a);
    assert_true(b.generation > generation);
    assert_true(table_equal(&a, &b));

    /* a new table of the same services made anew is equal too */
    struct table c = TABLE_NULL;
    table_put(&c, make("b", "1", 80));
    table_put(&c, make("a", "1", 81));
    assert_true(table_equal(&a, &c));
    table_put(&c, make("b", "1", 82));
    assert_false(table_equal(&a, &c));

    uint64_t before_a = a.generation, before_c = c.generation;
    table_swap(&a, &c);
    expect(&a, "a/1:81 b/1:82");
    expect(&c, "a/1:81 b/1:80");
    assert_true(a.generation > before_a && c.generation > before_c);
    table_deinit(&a);
    table_deinit(&b);
    table_deinit(&c);
}

#define WORLD 40

struct model {
    uint16_t port[WORLD]; /* 0: absent */
};

static void split(size_t i, char name[8], char id[8])
{
    snprintf(name, 8, "n%u", (unsigned)(i % 7));
    snprintf(id, 8, "i%u", (unsigned)(i / 7) % 100);
}

static size_t diff_model(const struct model *a, const struct model *b)
{
    size_t n = 0;
    for (size_t i = 0; i < WORLD; i++) {
        n += a->port[i] != b->port[i];
    }
    return n;
}

static void check_order(void *ctx, enum diff_kind kind, const struct service *before,
                        const struct service *after)
{
    const struct service **last = ctx;
    const struct service *now = after ? after : before;
    assert_true(!*last || service_compare(*last, now) < 0);
    assert_int_equal(kind, !before ? DIFF_ADDED : !after ? DIFF_REMOVED : DIFF_CHANGED);
    assert_true(!before || !after ||
                (service_compare(before, after) == 0 && !service_equal(before, after)));
    *last = now;
}

static void random_walk(void **state)
{
    struct table t = TABLE_NULL, old = TABLE_NULL;
    struct model model = {0}, old_model = {0};
    unsigned seed = 20260102;
    for (int step = 0; step < 5000; step++) {
        size_t i = (size_t)rand_r(&seed) % WORLD;
        uint16_t port = (uint16_t)(1 + rand_r(&seed) % 3);
        char name[8], id[8];
        split(i, name, id);
        if (rand_r(&seed) % 3 == 0) {
            assert_int_equal(table_remove(&t, name, id), model.port[i] != 0);
            model.port[i] = 0;
        } else {
            assert_int_equal(table_put(&t, make(name, id, port)), model.port[i] != port);
            model.port[i] = port;
        }
        if (step % 10 != 0) {
            continue;
        }
        size_t n = 0;
        for (size_t k = 0; k < WORLD; k++) {
            split(k, name, id);
            const struct service *svc = table_find(&t, name, id);
            assert_int_equal(svc ? svc->s.port : 0, model.port[k]);
            n += svc != NULL;
        }
        assert_int_equal(t.n, n);
        const struct service *last = NULL;
        assert_int_equal(diff_tables(&old, &t, check_order, &last), diff_model(&old_model, &model));
        assert_int_equal(diff_tables(&old, &t, NULL, NULL), diff_model(&old_model, &model));
        assert_int_equal(table_equal(&old, &t), diff_model(&old_model, &model) == 0);
        if (step % 100 == 0) {
            table_copy(&old, &t);
            old_model = model;
        }
    }
    table_deinit(&t);
    table_deinit(&old);
}

struct diffs {
    char text[256];
};

static void note(void *ctx, enum diff_kind kind, const struct service *before,
                 const struct service *after)
{
    struct diffs *d = ctx;
    size_t used = strlen(d->text);
    snprintf(d->text + used, sizeof(d->text) - used, "%c%s ", "+~-"[kind],
             (after ? after : before) -> s.name);
}

static void diffs_are_in_order(void **state)
{
    struct table a = TABLE_NULL, b = TABLE_NULL;
    struct diffs d = {""};
    assert_int_equal(diff_tables(&a, &b, note, &d), 0);
    table_put(&a, make("a", "1", 1));
    table_put(&a, make("c", "1", 1));
    table_put(&a, make("d", "1", 1));
    table_copy(&b, &a);
    assert_int_equal(diff_tables(&a, &b, note, &d), 0);
    table_remove(&b, "a", "1");
    table_put(&b, make("b", "1", 1));
    table_put(&b, make("c", "1", 2));
    table_put(&b, make("e", "1", 1));
    assert_int_equal(diff_tables(&a, &b, note, &d), 4);
    assert_string_equal(d.text, "-a +b ~c +e ");
    table_deinit(&a);
    table_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_finds_removes),    cmocka_unit_test(walks_name_by_name),
        cmocka_unit_test(copies_share_services), cmocka_unit_test(random_walk),
        cmocka_unit_test(diffs_are_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
