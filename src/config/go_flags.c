/*
 * Happy path: each argument that begins with '-' is looked up in the table and its value stored.
 * Failure: a flag that does not exist is named with the nearest that does; a value with what is allowed.
 * Not done: defaults (the caller has set them) and checks beyond a value's type.
 */
#include "config/go_flags.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"
#include "base/str.h"
#include "config/nearest.h"

#include <errno.h>
#include <string.h>

#define VALUE_COLUMN 34

/* ---- integers ---- */

static unsigned take_base(const char **s)
{
    if ((*s)[0] != '0' || (*s)[1] == '\0') {
        return 10;
    }
    char c = str_lower_char((*s)[1]);
    unsigned base = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 0;
    *s += base ? 2 : 1;
    return base ? base : 8;
}

static unsigned digit_value(char c)
{
    c = str_lower_char(c);
    return c >= '0' && c <= '9'   ? (unsigned)(c - '0')
           : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                                  : UINT8_MAX;
}

bool go_int_parse(const char *text, int64_t *ret)
{
    const char *s = text;
    bool minus = *s == '-';
    s += *s == '-' || *s == '+';
    const char *start = s;
    unsigned base = take_base(&s);
    bool joined = s > start; /* a '_' stands behind a digit or the base, and a digit behind it */
    bool digits = false;
    uint64_t v = 0;
    for (; *s; s++) {
        if (*s == '_') {
            if (!joined) {
                return false;
            }
            joined = false;
            digits = false;
            continue;
        }
        unsigned d = digit_value(*s);
        if (d >= base || __builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, d, &v)) {
            return false;
        }
        joined = digits = true;
    }
    if (!digits || v > (uint64_t)INT64_MAX + minus) {
        return false;
    }
    *ret = minus ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

/* ---- flags ---- */

struct scan {
    const struct go_flag *flags;
    size_t n;
    void *settings;
    struct err *e;
};

static const struct go_flag *find(const struct scan *s, const char *name, size_t len)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strlen(s->flags[i].name) == len && memcmp(s->flags[i].name, name, len) == 0) {
            return &s->flags[i];
        }
    }
    return NULL;
}

static int unknown(const struct scan *s, const char *name, size_t len)
{
    CLEANUP_FREE char *typed = xmemdup0(name, len);
    struct nearest nearest;
    nearest_init(&nearest, typed);
    for (size_t i = 0; i < s->n; i++) {
        nearest_offer(&nearest, s->flags[i].name);
    }
    const char *best = nearest_best(&nearest);
    return err_set(s->e, ERR_INVALID, -EINVAL, "unknown option -%.80s%s%s%s", typed,
                   best ? "; did you mean -" : "", best ? best : "", best ? "?" : "");
}

static int store(const struct scan *s, const struct go_flag *f, const char *value)
{
    char *field = (char *)s->settings + f->offset;
    bool on;
    int64_t number;
    switch (f->type) {
    case GO_FLAG_BOOL:
        if (!str_to_go_bool(value, &on)) {
            return err_set(s->e, ERR_INVALID, -EINVAL,
                           "-%s: found \"%.80s\", allowed: true or false, behind a '='", f->name,
                           value);
        }
        memcpy(field, &on, sizeof(on));
        return 0;
    case GO_FLAG_INT:
        if (!go_int_parse(value, &number)) {
            return err_set(s->e, ERR_INVALID, -EINVAL,
                           "-%s: found \"%.80s\", allowed: a whole number", f->name, value);
        }
        memcpy(field, &number, sizeof(number));
        return 0;
    case GO_FLAG_STRING:
        memcpy(field, &value, sizeof(value));
        return 0;
    }
    must(false);
    return -EINVAL;
}

/* The flag at argv[i], which begins with '-'; *ret_used says whether argv[i + 1] was its value. */
static int take_flag(const struct scan *s, int argc, char *const *argv, int i, int *ret_used)
{
    const char *name = argv[i] + (argv[i][1] == '-' ? 2 : 1);
    size_t len = strcspn(name, "=");
    if (len == 0 || name[0] == '-') {
        return err_set(s->e, ERR_INVALID, -EINVAL, "found \"%.80s\", allowed: -NAME or --NAME",
                       argv[i]);
    }
    const struct go_flag *f = find(s, name, len);
    if (!f) {
        bool help = (len == 1 && name[0] == 'h') || (len == 4 && memcmp(name, "help", 4) == 0);
        return help ? GO_FLAGS_E_HELP : unknown(s, name, len);
    }
    *ret_used = 0;
    if (name[len] == '=') {
        return store(s, f, name + len + 1);
    }
    if (f->type == GO_FLAG_BOOL) {
        return store(s, f, "true");
    }
    if (i + 1 == argc) {
        return err_set(s->e, ERR_INVALID, -EINVAL, "-%s needs a value: %s", f->name, f->value_name);
    }
    *ret_used = 1;
    return store(s, f, argv[i + 1]);
}

int go_flags_parse(const struct go_flag *flags, size_t n, int argc, char *const *argv,
                   void *settings, int *ret_used, struct err *e)
{
    struct scan s = {.flags = flags, .n = n, .settings = settings, .e = e};
    int i = 0;
    for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
        if (streq(argv[i], "--")) {
            i++;
            break;
        }
        int used = 0;
        int r = take_flag(&s, argc, argv, i, &used);
        if (r != 0) {
            return r;
        }
        i += used;
    }
    *ret_used = i;
    return 0;
}

void go_flags_describe(const struct go_flag *flags, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        const struct go_flag *f = &flags[i];
        size_t start = out->len;
        buf_printf(out, "  -%s%s%s", f->name, f->value_name ? " " : "",
                   f->value_name ? f->value_name : "");
        do {
            buf_putc(out, ' ');
        } while (out->len - start < VALUE_COLUMN && !buf_error(out));
        buf_printf(out, "%s\n", f->help);
    }
}
