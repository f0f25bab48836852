/*
 * Unified diffs: the same as diff(1)'s where that is the only shortest one, right and shortest for random
 * texts, right in bounded time for large ones.
 */
#include "unit/render/diff_apply.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"

#define OUT_MAX (256u << 20)

static bool diff(struct buf *out, const char *a, size_t a_len, const char *b, size_t b_len)
{
    return diff_unified(out, &(struct diff_text){"old", a, a_len},
                        &(struct diff_text){"new", b, b_len});
}

/* Recorded with GNU diffutils 3.8: diff -u -a --label old --label new, without its first two lines. */
static const struct {
    const char *what, *from, *to, *want;
} recorded[] = {
    {
        "one line of three",
        "a\n"
        "b\n"
        "c\n",
        "a\n"
        "x\n"
        "c\n",
        "@@ -1,3 +1,3 @@\n"
        " a\n"
        "-b\n"
        "+x\n"
        " c\n",
    },
    {
        "context stops at three lines",
        "1\n"
        "2\n"
        "3\n"
        "4\n"
        "5\n"
        "6\n"
        "7\n"
        "8\n"
        "9\n"
        "10\n",
        "1\n"
        "2\n"
        "3\n"
        "4\n"
        "5\n"
        "99\n"
        "7\n"
        "8\n"
        "9\n"
        "10\n",
        "@@ -3,7 +3,7 @@\n"
        " 3\n"
        " 4\n"
        " 5\n"
        "-6\n"
        "+99\n"
        " 7\n"
        " 8\n"
        " 9\n",
    },
    {
        "changes with six lines between share a hunk",
        "1\n"
        "2\n"
        "3\n"
        "4\n"
        "5\n"
        "6\n"
        "7\n"
        "8\n"
        "9\n"
        "10\n"
        "11\n",
        "1\n"
        "70\n"
        "3\n"
        "4\n"
        "5\n"
        "6\n"
        "7\n"
        "8\n"
        "71\n"
        "10\n"
        "11\n",
        "@@ -1,11 +1,11 @@\n"
        " 1\n"
        "-2\n"
        "+70\n"
        " 3\n"
        " 4\n"
        " 5\n"
        " 6\n"
        " 7\n"
        " 8\n"
        "-9\n"
        "+71\n"
        " 10\n"
        " 11\n",
    },
    {
        "changes with seven lines between do not",
        "1\n"
        "2\n"
        "3\n"
        "4\n"
        "5\n"
        "6\n"
        "7\n"
        "8\n"
        "9\n"
        "10\n"
        "11\n"
        "12\n",
        "1\n"
        "70\n"
        "3\n"
        "4\n"
        "5\n"
        "6\n"
        "7\n"
        "8\n"
        "9\n"
        "71\n"
        "11\n"
        "12\n",
        "@@ -1,5 +1,5 @@\n"
        " 1\n"
        "-2\n"
        "+70\n"
        " 3\n"
        " 4\n"
        " 5\n"
        "@@ -7,6 +7,6 @@\n"
        " 7\n"
        " 8\n"
        " 9\n"
        "-10\n"
        "+71\n"
        " 11\n"
        " 12\n",
    },
    {
        "an empty file was filled",
        "",
        "a\n"
        "b\n",
        "@@ -0,0 +1,2 @@\n"
        "+a\n"
        "+b\n",
    },
    {
        "a file was emptied",
        "a\n",
        "",
        "@@ -1 +0,0 @@\n"
        "-a\n",
    },
    {
        "a file was filled with one line that has no newline",
        "",
        "a",
        "@@ -0,0 +1 @@\n"
        "+a\n"
        "\\ No newline at end of file\n",
    },
    {
        "the last newline went",
        "a\n"
        "b\n",
        "a\n"
        "b",
        "@@ -1,2 +1,2 @@\n"
        " a\n"
        "-b\n"
        "+b\n"
        "\\ No newline at end of file\n",
    },
    {
        "the last newline came",
        "a\n"
        "b",
        "a\n"
        "b\n",
        "@@ -1,2 +1,2 @@\n"
        " a\n"
        "-b\n"
        "\\ No newline at end of file\n"
        "+b\n",
    },
    {
        "neither has a last newline",
        "a\n"
        "b\n"
        "c",
        "a\n"
        "x\n"
        "c",
        "@@ -1,3 +1,3 @@\n"
        " a\n"
        "-b\n"
        "+x\n"
        " c\n"
        "\\ No newline at end of file\n",
    },
    {
        "neither has one, and the last line changed",
        "a\n"
        "b",
        "a\n"
        "c",
        "@@ -1,2 +1,2 @@\n"
        " a\n"
        "-b\n"
        "\\ No newline at end of file\n"
        "+c\n"
        "\\ No newline at end of file\n",
    },
    {
        "the first line goes",
        "a\n"
        "b\n"
        "c\n"
        "d\n"
        "e\n",
        "b\n"
        "c\n"
        "d\n"
        "e\n",
        "@@ -1,4 +1,3 @@\n"
        "-a\n"
        " b\n"
        " c\n"
        " d\n",
    },
    {
        "a line is put behind the last",
        "a\n"
        "b\n"
        "c\n"
        "d\n"
        "e\n",
        "a\n"
        "b\n"
        "c\n"
        "d\n"
        "e\n"
        "f\n",
        "@@ -3,3 +3,4 @@\n"
        " c\n"
        " d\n"
        " e\n"
        "+f\n",
    },
    {
        "carriage returns",
        "a\r\n"
        "b\r\n",
        "a\n"
        "b\r\n",
        "@@ -1,2 +1,2 @@\n"
        "-a\r\n"
        "+a\n"
        " b\r\n",
    },
    {
        "nothing but empty lines",
        "\n"
        "\n",
        "\n"
        "\n"
        "\n",
        "@@ -1,2 +1,3 @@\n"
        " \n"
        " \n"
        "+\n",
    },
    {
        "a block goes whole, not from one brace to the next",
        "# tidewaiter\n"
        "\n"
        "upstream a {\n"
        "    zone tw_a 64k;\n"
        "    server 1:1;\n"
        "}\n"
        "\n"
        "upstream b {\n"
        "    zone tw_b 64k;\n"
        "    server 2:2;\n"
        "    server 2:3;\n"
        "}\n"
        "\n"
        "upstream c {\n"
        "    zone tw_c 64k;\n"
        "    server 3:3;\n"
        "}\n",
        "# tidewaiter\n"
        "\n"
        "upstream a {\n"
        "    zone tw_a 64k;\n"
        "    server 1:1;\n"
        "}\n"
        "\n"
        "upstream c {\n"
        "    zone tw_c 64k;\n"
        "    server 3:3;\n"
        "}\n",
        "@@ -5,12 +5,6 @@\n"
        "     server 1:1;\n"
        " }\n"
        " \n"
        "-upstream b {\n"
        "-    zone tw_b 64k;\n"
        "-    server 2:2;\n"
        "-    server 2:3;\n"
        "-}\n"
        "-\n"
        " upstream c {\n"
        "     zone tw_c 64k;\n"
        "     server 3:3;\n",
    },
    {
        "two blocks go and a server comes",
        "# tidewaiter\n"
        "\n"
        "upstream a {\n"
        "    zone tw_a 64k;\n"
        "    server 1:1;\n"
        "}\n"
        "\n"
        "upstream b {\n"
        "    zone tw_b 64k;\n"
        "    server 2:2;\n"
        "}\n"
        "\n"
        "upstream c {\n"
        "    zone tw_c 64k;\n"
        "    server 3:3;\n"
        "}\n"
        "\n"
        "upstream d {\n"
        "    zone tw_d 64k;\n"
        "    server 4:4;\n"
        "}\n"
        "\n"
        "upstream e {\n"
        "    zone tw_e 64k;\n"
        "    server 5:5;\n"
        "}\n",
        "# tidewaiter\n"
        "\n"
        "upstream a {\n"
        "    zone tw_a 64k;\n"
        "    server 1:1;\n"
        "    server 1:2;\n"
        "}\n"
        "\n"
        "upstream c {\n"
        "    zone tw_c 64k;\n"
        "    server 3:3;\n"
        "}\n"
        "\n"
        "upstream e {\n"
        "    zone tw_e 64k;\n"
        "    server 5:5;\n"
        "}\n",
        "@@ -3,11 +3,7 @@\n"
        " upstream a {\n"
        "     zone tw_a 64k;\n"
        "     server 1:1;\n"
        "-}\n"
        "-\n"
        "-upstream b {\n"
        "-    zone tw_b 64k;\n"
        "-    server 2:2;\n"
        "+    server 1:2;\n"
        " }\n"
        " \n"
        " upstream c {\n"
        "@@ -15,11 +11,6 @@\n"
        "     server 3:3;\n"
        " }\n"
        " \n"
        "-upstream d {\n"
        "-    zone tw_d 64k;\n"
        "-    server 4:4;\n"
        "-}\n"
        "-\n"
        " upstream e {\n"
        "     zone tw_e 64k;\n"
        "     server 5:5;\n",
    },
    {
        "a server is replaced",
        "# tidewaiter\n"
        "\n"
        "upstream web {\n"
        "    zone tw_web 64k;\n"
        "    server 10.0.0.1:80;\n"
        "    server 10.0.0.2:80;\n"
        "    server 10.0.0.3:80;\n"
        "}\n",
        "# tidewaiter\n"
        "\n"
        "upstream web {\n"
        "    zone tw_web 64k;\n"
        "    server 10.0.0.1:80;\n"
        "    server 10.0.0.3:80;\n"
        "    server 10.0.0.4:80;\n"
        "}\n",
        "@@ -3,6 +3,6 @@\n"
        " upstream web {\n"
        "     zone tw_web 64k;\n"
        "     server 10.0.0.1:80;\n"
        "-    server 10.0.0.2:80;\n"
        "     server 10.0.0.3:80;\n"
        "+    server 10.0.0.4:80;\n"
        " }\n",
    },
    {
        "everything is another",
        "a\n"
        "b\n"
        "c\n",
        "x\n"
        "y\n",
        "@@ -1,3 +1,2 @@\n"
        "-a\n"
        "-b\n"
        "-c\n"
        "+x\n"
        "+y\n",
    },
};

static void as_diff_prints_it(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(recorded); i++) {
        struct buf out = BUF_INIT(OUT_MAX), want = BUF_INIT(OUT_MAX);
        buf_printf(&want, "--- old\n+++ new\n%s", recorded[i].want);
        assert_true(diff(&out, recorded[i].from, strlen(recorded[i].from), recorded[i].to,
                         strlen(recorded[i].to)));
        if (strcmp(buf_str(&out), buf_str(&want)) != 0) {
            fail_msg("%s: this is\n%sand not\n%s", recorded[i].what, out.data, want.data);
        }
        buf_deinit(&out);
        buf_deinit(&want);
    }
}

static void equal_texts_give_nothing(void **state)
{
    static const char *const texts[] = {"", "a", "a\n", "a\nb\n\n", "\n"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct buf out = BUF_INIT(OUT_MAX);
        CLEANUP_FREE char *copy = xstrdup(texts[i]);
        assert_false(diff(&out, texts[i], strlen(texts[i]), copy, strlen(copy)));
        assert_int_equal(out.len, 0);
        buf_deinit(&out);
    }
    struct buf out = BUF_INIT(OUT_MAX);
    assert_false(diff(&out, NULL, 0, "", 0));
    assert_false(diff(&out, NULL, 0, NULL, 0));
    assert_int_equal(out.len, 0);
    buf_deinit(&out);
}

static void an_absent_text_is_an_empty_one(void **state)
{
    struct buf out = BUF_INIT(OUT_MAX);
    assert_true(diff(&out, NULL, 0, "a\n", 2));
    assert_string_equal(buf_str(&out), "--- old\n+++ new\n@@ -0,0 +1 @@\n+a\n");
    buf_reset(&out);
    assert_true(diff(&out, "a\n", 2, NULL, 0));
    assert_string_equal(buf_str(&out), "--- old\n+++ new\n@@ -1 +0,0 @@\n-a\n");
    buf_deinit(&out);
}

static void bytes_of_every_kind_pass(void **state)
{
    static const char a[] = "x\0y\nsame\n\xff\n", b[] = "x\0z\nsame\n\xff\n";
    static const char want[] = "--- old\n+++ new\n@@ -1,3 +1,3 @@\n-x\0y\n+x\0z\n same\n \xff\n";
    struct buf out = BUF_INIT(OUT_MAX);
    assert_true(diff(&out, a, sizeof(a) - 1, b, sizeof(b) - 1));
    assert_int_equal(out.len, sizeof(want) - 1);
    assert_memory_equal(out.data, want, out.len);
    buf_deinit(&out);
}

static void the_cap_sticks(void **state)
{
    struct buf out = BUF_INIT(40);
    assert_true(diff(&out, "a\nb\n", 4, "c\nd\n", 4));
    assert_int_equal(buf_error(&out), -EMSGSIZE);
    assert_true(out.len <= 40);
    buf_deinit(&out);
}

/* ---- properties ---- */

#define LINES_MAX 40

struct sample {
    struct buf text;
    const char *lines[LINES_MAX];
    size_t lens[LINES_MAX], n;
};

/* Up to LINES_MAX lines out of `kinds`; the last one without a newline now and then. */
static void sample_make(struct sample *s, unsigned *seed, unsigned kinds)
{
    size_t n = (size_t)rand_r(seed) % (LINES_MAX + 1);
    *s = (struct sample){.text = BUF_INIT(1u << 16)};
    for (size_t i = 0; i < n; i++) {
        unsigned kind = (unsigned)rand_r(seed) % kinds;
        bool bare = i + 1 == n && kind > 0 && rand_r(seed) % 3 == 0;
        buf_printf(&s->text, "%.*s%s", (int)kind, "aaaaaaaa", bare ? "" : "\n");
    }
    const char *p = buf_str(&s->text), *end = p + s->text.len;
    for (; p < end; s->n++) {
        const char *newline = strchr(p, '\n');
        s->lines[s->n] = p;
        s->lens[s->n] = newline ? (size_t)(newline + 1 - p) : (size_t)(end - p);
        p += s->lens[s->n];
    }
}

/* The plain table: what is the least number of lines to remove and add? */
static size_t least_marks(const struct sample *a, const struct sample *b)
{
    size_t lcs[LINES_MAX + 1][LINES_MAX + 1] = {0};
    for (size_t i = 1; i <= a->n; i++) {
        for (size_t j = 1; j <= b->n; j++) {
            bool same = a->lens[i - 1] == b->lens[j - 1] &&
                        memcmp(a->lines[i - 1], b->lines[j - 1], a->lens[i - 1]) == 0;
            size_t best = lcs[i - 1][j] > lcs[i][j - 1] ? lcs[i - 1][j] : lcs[i][j - 1];
            lcs[i][j] = same ? lcs[i - 1][j - 1] + 1 : best;
        }
    }
    return a->n + b->n - 2 * lcs[a->n][b->n];
}

static void random_texts_give_the_shortest_diff(void **state)
{
    unsigned seed = 4;
    for (unsigned round = 0; round < 20000; round++) {
        struct sample a, b;
        sample_make(&a, &seed, 1 + round % 8);
        sample_make(&b, &seed, 1 + round % 8);
        struct buf out = BUF_INIT(OUT_MAX), made = BUF_INIT(OUT_MAX);
        bool differ = diff(&out, a.text.data, a.text.len, b.text.data, b.text.len);
        bool same = a.text.len == b.text.len && strcmp(buf_str(&a.text), buf_str(&b.text)) == 0;
        assert_int_equal(differ, !same);
        if (differ) {
            struct diff_text old = {"old", buf_str(&a.text), a.text.len};
            size_t marked = diff_apply(&out, &old, &made), least = least_marks(&a, &b);
            if (marked != least) {
                fail_msg("round %u: %zu lines marked, %zu were enough:\n%s", round, marked, least,
                         out.data);
            }
            assert_string_equal(buf_str(&made), buf_str(&b.text));
        }
        buf_deinit(&out);
        buf_deinit(&made);
        buf_deinit(&a.text);
        buf_deinit(&b.text);
    }
}

/* Two texts → the diff is right, and marks no more lines than `most`. */
static void check_large(const struct buf *a, const struct buf *b, size_t most)
{
    struct buf out = BUF_INIT(OUT_MAX), made = BUF_INIT(OUT_MAX);
    assert_true(diff(&out, a->data, a->len, b->data, b->len));
    size_t marked = diff_apply(&out, &(struct diff_text){"old", a->data, a->len}, &made);
    if (marked > most) {
        fail_msg("%zu lines marked, %zu allowed", marked, most);
    }
    assert_int_equal(made.len, b->len);
    assert_memory_equal(made.data, b->data, b->len);
    buf_deinit(&out);
    buf_deinit(&made);
}

/* Shuffled lines of a few kinds have edits beyond any limit. */
static void large_random_texts_end_in_time(void **state)
{
    unsigned seed = 11;
    struct buf a = BUF_INIT(OUT_MAX), b = BUF_INIT(OUT_MAX);
    for (unsigned i = 0; i < 60000; i++) {
        buf_printf(&a, "%d\n", rand_r(&seed) % 1000);
        buf_printf(&b, "%d\n", rand_r(&seed) % 1000);
    }
    check_large(&a, &b, 120000);
    buf_deinit(&a);
    buf_deinit(&b);
}

/* Lines that the other side has not cost no search, however many they are. */
static void many_replaced_lines_stay_exact(void **state)
{
    struct buf a = BUF_INIT(OUT_MAX), b = BUF_INIT(OUT_MAX);
    for (unsigned i = 0; i < 50000; i++) {
        buf_printf(&a, "common %u\nold %u\n", i, i);
        buf_printf(&b, "common %u\nnew %u\n", i, i);
    }
    check_large(&a, &b, 100000);
    buf_deinit(&a);
    buf_deinit(&b);
}

/* More lines between the common ends than are looked at: those are replaced, the ends are kept. */
static void huge_texts_are_replaced_between_their_ends(void **state)
{
    struct buf a = BUF_INIT(OUT_MAX), b = BUF_INIT(OUT_MAX);
    for (unsigned i = 0; i < 50000; i++) {
        buf_puts(&a, "head\n");
        buf_puts(&b, "head\n");
    }
    buf_puts(&a, "was\n");
    buf_puts(&b, "is\n");
    for (unsigned i = 0; i < 300000; i++) {
        buf_puts(&a, "body\n");
        buf_puts(&b, "body\n");
    }
    buf_puts(&a, "was\n");
    buf_puts(&b, "is\n");
    for (unsigned i = 0; i < 50000; i++) {
        buf_puts(&a, "tail\n");
        buf_puts(&b, "tail\n");
    }
    check_large(&a, &b, 2 * (300000 + 2 + 1000));
    buf_deinit(&a);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_diff_prints_it),
        cmocka_unit_test(equal_texts_give_nothing),
        cmocka_unit_test(an_absent_text_is_an_empty_one),
        cmocka_unit_test(bytes_of_every_kind_pass),
        cmocka_unit_test(the_cap_sticks),
        cmocka_unit_test(random_texts_give_the_shortest_diff),
        cmocka_unit_test(large_random_texts_end_in_time),
        cmocka_unit_test(many_replaced_lines_stay_exact),
        cmocka_unit_test(huge_texts_are_replaced_between_their_ends),
    };
    return cmocka_run_group_tests_name("diff", tests, NULL, NULL);
}
