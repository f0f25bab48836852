/*
 * An nginx that refuses a name which two files of ours have, in words that do not say which of them it
 * means: whoever is innocent goes live.
 */
#include "loop/renderer/fixture.h"

#define TAKEN_BACK      "nginx refused the file without that part as well"
#define UPSTREAM_A      "upstream a {"
#define OTHER_FAULT     "nginx: [emerg] unknown directive \"servr\" in /etc/nginx/sites/a:3\n"
#define NOT_FOUND       "nginx: [emerg] host not found in upstream \"a\" in /etc/nginx/sites/b:2\n"
#define DUPLICATE(file) "nginx: [emerg] duplicate upstream \"a\" in " file "\n"

/* What people have in files of their own. */
struct theirs {
    const char *what;
    bool http_has, stream_has; /* an upstream a, behind ours */
    bool proxies;              /* http has proxy_pass http://a */
    bool stream_first;         /* in nginx.conf */
    bool one_file;             /* included in both blocks */
    bool says_anew;            /* a check that copies all files: each time to another place */
    unsigned judged;           /* how often nginx has to be asked */
};

struct scene {
    struct fixture f;
    struct fake_nginx nginx;
    const struct theirs *theirs;
    bool at_reload;   /* it says so only at the reload */
    bool other_fault; /* read last; no part of ours has to do with it */
    unsigned judged;
    char said[256];
};

/* What nginx says when it has read that block; NULL: it goes on. */
static const char *read_http(const struct scene *s)
{
    bool ours = count_in(s->f.file, UPSTREAM_A) > 0;
    if (ours && s->theirs->http_has) {
        return s->theirs->one_file ? DUPLICATE("/etc/nginx/both.conf:1")
                                   : DUPLICATE("/etc/nginx/http.d/zz.conf:1");
    }
    return s->theirs->proxies && !ours && !s->theirs->http_has ? NOT_FOUND : NULL;
}

static const char *read_stream(const struct scene *s)
{
    if (count_in(s->f.stream_file, UPSTREAM_A) > 0 && s->theirs->stream_has) {
        return s->theirs->one_file ? DUPLICATE("/etc/nginx/both.conf:1")
                                   : DUPLICATE("/etc/nginx/stream.d/zz.conf:1");
    }
    return NULL;
}

static enum nginx_outcome judge(struct fake_nginx *n, bool reload)
{
    struct scene *s = n->ctx;
    if (reload != s->at_reload) {
        return NGINX_ACCEPTED;
    }
    s->judged++;
    const char *first = s->theirs->stream_first ? read_stream(s) : read_http(s);
    const char *said = first ? first : s->theirs->stream_first ? read_http(s) : read_stream(s);
    said = !said && s->other_fault ? OTHER_FAULT : said;
    if (!said) {
        return NGINX_ACCEPTED;
    }
    n->said = said;
    if (s->theirs->says_anew) {
        snprintf(s->said, sizeof(s->said), DUPLICATE("/tmp/copy.%u/zz.conf:1"), s->judged);
        n->said = s->said;
    }
    return NGINX_REFUSED;
}

static void scene_init(struct scene *s, const struct theirs *theirs, bool at_reload,
                       bool other_fault)
{
    *s = (struct scene){.theirs = theirs, .at_reload = at_reload, .other_fault = other_fault};
    fixture_init(&s->f);
    fake_nginx_init(&s->nginx, s->f.io);
    s->nginx.ctx = s;
    s->nginx.judge = judge;
    s->f.o.nginx = &s->nginx.base;
    s->f.o.n_outputs = 2;
    fixture_start(&s->f);
    fake_registry_put(&s->f.registry, "a", "10.0.0.1", 80);
    fake_registry_put_attr(&s->f.registry, "a", "10.0.2.1", 5432, "nginx", "stream");
    fake_registry_put(&s->f.registry, "web", "10.0.1.1", 80);
    fake_registry_push(&s->f.registry);
    loop_until(s->f.io, passes(&s->f) == 1);
}

/* Each file has its upstream, unless people have one of that name in the same block. */
static void assert_parts(const struct scene *s)
{
    size_t http = count_in(s->f.file, UPSTREAM_A);
    size_t stream = count_in(s->f.stream_file, UPSTREAM_A);
    if (http != !s->theirs->http_has || stream != !s->theirs->stream_has) {
        fail_msg("%s, at the %s: http has %zu, stream has %zu", s->theirs->what,
                 s->at_reload ? "reload" : "check", http, stream);
    }
    assert_file(&s->f, "10.0.1.1:80", true);
}

static const struct theirs cases[] = {
    {.what = "http", .http_has = true, .judged = 2},
    {.what = "http, read last", .http_has = true, .stream_first = true, .judged = 2},
    {.what = "stream", .stream_has = true, .judged = 3},
    {.what = "stream, proxied", .stream_has = true, .proxies = true, .judged = 3},
    {.what = "stream, proxied, read first",
     .stream_has = true,
     .proxies = true,
     .stream_first = true,
     .judged = 3},
    {.what = "stream, elsewhere each time", .stream_has = true, .says_anew = true, .judged = 3},
    {.what = "both", .http_has = true, .stream_has = true, .judged = 4},
    {.what = "both, read the other way",
     .http_has = true,
     .stream_has = true,
     .stream_first = true,
     .judged = 4},
    {.what = "both, one file", .http_has = true, .stream_has = true, .one_file = true, .judged = 4},
    {.what = "both, proxied", .http_has = true, .stream_has = true, .proxies = true, .judged = 4},
};

static void only_whose_name_is_taken_is_left_out(void **state)
{
    for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
        const struct theirs *t = &cases[i / 2];
        struct scene s;
        scene_init(&s, t, i % 2, false);
        assert_parts(&s);
        if (s.judged != t->judged) {
            fail_msg("%s: %u times and not %u", t->what, s.judged, t->judged);
        }
        assert_state(&s.f, t->http_has && t->stream_has ? "\"refused_by_nginx\":2"
                                                        : "\"refused_by_nginx\":1");
        assert_state(&s.f, "\"rejected\":false");
        assert_log(&s.f, "check failed", 0);
        assert_log(&s.f, "nginx refused the reload", 0);
        assert_log(&s.f, TAKEN_BACK, t->stream_has);
        assert_log(&s.f, "nginx refused a part of more than one file",
                   t->http_has && t->stream_has);
        assert_no_leftovers(&s.f);
        fixture_deinit(&s.f);
    }
}

/* Who is left out by then was found before; that has nothing to do with it. */
static void what_nginx_took_is_no_choice_any_more(void **state)
{
    for (int at_reload = 0; at_reload <= 1; at_reload++) {
        struct scene s;
        scene_init(&s, &cases[0], at_reload, false);
        assert_parts(&s);
        unsigned judged = s.judged;
        s.other_fault = true;
        fake_registry_put(&s.f.registry, "web", "10.0.1.2", 80);
        fake_registry_push(&s.f.registry);
        loop_until(s.f.io, passes(&s.f) == 2);
        assert_int_equal(s.judged, judged + 1);
        assert_log(&s.f, TAKEN_BACK, 0);
        assert_state(&s.f, "\"rejected\":true");
        assert_parts(&s);
        fixture_deinit(&s.f);
    }
}

/* Whoever is left out, nginx refuses the rest: that is tried once each, and nobody stays left out. */
static void choices_come_to_an_end(void **state)
{
    static const struct {
        struct theirs theirs;
        const char *why;
    } hopeless[] = {
        {{.http_has = true, .judged = 4}, "http, stream, both"},
        {{.stream_has = true, .judged = 3}, "http, stream"},
        {{.http_has = true, .stream_has = true, .judged = 4}, "http, stream, both"},
    };
    for (size_t i = 0; i < 2 * ARRAY_LEN(hopeless); i++) {
        struct scene s;
        scene_init(&s, &hopeless[i / 2].theirs, i % 2, true);
        if (s.judged != hopeless[i / 2].theirs.judged) {
            fail_msg("%s and not %u times", hopeless[i / 2].why, s.judged);
        }
        assert_state(&s.f, "\"rejected\":true");
        assert_false(exists(s.f.file));
        /* people clean up, and the next change finds everything there */
        static const struct theirs nothing;
        s.theirs = &nothing;
        s.other_fault = false;
        fake_registry_put(&s.f.registry, "web", "10.0.1.2", 80);
        fake_registry_push(&s.f.registry);
        loop_until(s.f.io, passes(&s.f) == 2);
        assert_parts(&s);
        fixture_deinit(&s.f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_whose_name_is_taken_is_left_out),
        cmocka_unit_test(what_nginx_took_is_no_choice_any_more),
        cmocka_unit_test(choices_come_to_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
