/*
 * One-shot look-ups, as `explain` makes them, against the scripted engine.
 */
#include "loop/docker/rig.h"

#include "docker/api.h"

struct lookup {
    struct docker_lookup l;
    struct container *c;
    char engine[64];
    char error[ERR_MSG_MAX];
    int code;
    unsigned dones;
};

static void on_done(void *ctx, struct container *take_c, const char *engine, const struct err *why)
{
    struct lookup *l = ctx;
    assert_true((take_c == NULL) == (why != NULL));
    l->c = take_c;
    (void)str_copy(l->engine, sizeof(l->engine), engine);
    (void)str_copy(l->error, sizeof(l->error), why ? why->msg : "");
    l->code = why ? why->code : 0;
    l->dones++;
}

static void look_up(struct rig *r, struct lookup *l, const char *ref)
{
    struct err e = ERR_INIT;
    *l = (struct lookup){0};
    if (docker_lookup_start(&l->l, r->io, r->config.peer, ref, on_done, l, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    assert_int_equal(l->dones, 0);
    loop_until(r->io, l->dones == 1);
}

static void found(void **state)
{
    struct rig *r = rig_new();
    struct lookup l;
    char networks[256];
    (void)state;
    snprintf(networks, sizeof(networks),
             "[{\"Id\":\"%s\",\"Name\":\"lan\",\"Driver\":\"macvlan\"}]", id(0xbeef));
    r->networks = networks;
    rig_run(r, 7);
    look_up(r, &l, "/7");
    assert_non_null(l.c);
    assert_string_equal(l.c->s.name, "c7");
    assert_string_equal(l.engine, "dock");
    assert_true(l.c->s.networks[0].own_address);
    assert_string_equal(r->asked, "/info\n/networks\n");
    container_free(l.c);

    /* what only adds may be refused */
    r->info_status = 403;
    r->networks = "{}";
    look_up(r, &l, id(7));
    assert_non_null(l.c);
    assert_string_equal(l.engine, "");
    assert_false(l.c->s.networks[0].own_address);
    container_free(l.c);
    rig_free(r);
}

static void not_found(void **state)
{
    struct rig *r = rig_new();
    struct lookup l;
    (void)state;
    look_up(r, &l, "8");
    assert_string_equal(l.error, "no such container: 8");
    assert_int_equal(l.code, -ENOENT);
    r->c[8].status = 500;
    look_up(r, &l, "8");
    assert_string_equal(l.error, "inspect: HTTP 500: scripted");
    r->c[8] = (struct rig_container){.body = "{}"};
    look_up(r, &l, "8");
    assert_true(str_starts(l.error, "inspect.Id: "));
    fake_http_down(r->srv);
    look_up(r, &l, "8");
    assert_true(str_ends(l.error, "connection refused; is the engine running?"));
    rig_free(r);
}

static void references(void **state)
{
    static const char *const bad[] = {"", "/", "a/b", "../x", "a b", "-x", ".", "_x", "a%2fb"};
    struct rig *r = rig_new();
    struct lookup l = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = ERR_INIT;
        if (docker_lookup_start(&l.l, r->io, r->config.peer, bad[i], on_done, &l, &e) != -EINVAL) {
            fail_msg("\"%s\" was taken for a container", bad[i]);
        }
        assert_int_equal(e.class, ERR_INVALID);
    }
    assert_int_equal(l.dones, 0);
    rig_free(r);
}

static void cancelled(void **state)
{
    struct rig *r = rig_new();
    struct lookup l = {0};
    struct err e = ERR_INIT;
    (void)state;
    docker_lookup_cancel(&l.l); /* idle */
    r->c[7].hold = true;
    assert_int_equal(docker_lookup_start(&l.l, r->io, r->config.peer, "7", on_done, &l, &e), 0);
    loop_until(r->io, r->n_held == 1);
    docker_lookup_cancel(&l.l);
    assert_int_equal(l.dones, 0);
    loop_until(r->io, l.dones == 1);
    assert_int_equal(l.code, -ECANCELED);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found),
        cmocka_unit_test(not_found),
        cmocka_unit_test(references),
        cmocka_unit_test(cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
