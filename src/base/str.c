/*
 * Happy path: hand-written scanners over bytes; isdigit() and its kind are avoided because of the locale.
 * Failure: false, with the output untouched. The glob matcher is linear for each '*' (it only ever goes
 * back to the last one), so a pattern cannot make it explode.
 */
#include "base/str.h"

#include <string.h>

bool str_empty(const char *s)
{
    return !s || !*s;
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool str_copy(char *dst, size_t size, const char *src)
{
    size_t n = strlen(src);
    bool fits = n < size;
    if (size > 0) {
        n = fits ? n : size - 1;
        memcpy(dst, src, n);
        dst[n] = '\0';
    }
    return fits;
}

const char *str_pack(char **at, const char *s)
{
    char *copy = *at;
    size_t size = strlen(s) + 1;
    memcpy(copy, s, size);
    *at += size;
    return copy;
}

/* Reads digits at *s and moves behind them; false without any, or above UINT64_MAX. */
static bool scan_u64(const char **s, uint64_t *ret)
{
    const char *p = *s;
    uint64_t v = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v)) {
            return false;
        }
    }
    if (p == *s) {
        return false;
    }
    *s = p;
    *ret = v;
    return true;
}

bool str_to_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
    uint64_t v;
    if (!scan_u64(&s, &v) || *s || v < min || v > max) {
        return false;
    }
    *ret = v;
    return true;
}

bool str_to_i64(const char *s, int64_t *ret)
{
    bool minus = *s == '-';
    uint64_t v;
    if (!str_to_u64(s + minus, 0, (uint64_t)INT64_MAX + minus, &v)) {
        return false;
    }
    *ret = minus ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

bool str_to_port(const char *s, uint16_t *ret)
{
    uint64_t v;
    if (!str_to_u64(s, 1, UINT16_MAX, &v)) {
        return false;
    }
    *ret = (uint16_t)v;
    return true;
}

static bool equal_any_case(const char *s, const char *lower)
{
    while (*s && str_lower_char(*s) == *lower) {
        s++;
        lower++;
    }
    return !*s && !*lower;
}

bool str_to_bool(const char *s, bool *ret)
{
    static const char *const words[][2] = {
        {"false", "true"}, {"no", "yes"}, {"off", "on"}, {"0", "1"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        for (int v = 0; v < 2; v++) {
            if (equal_any_case(s, words[i][v])) {
                *ret = v;
                return true;
            }
        }
    }
    return false;
}

bool str_to_go_bool(const char *s, bool *ret)
{
    static const char *const words[] = {"0",     "1",    "f",     "t",    "F",     "T",
                                        "false", "true", "FALSE", "TRUE", "False", "True"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (streq(s, words[i])) {
            *ret = i % 2;
            return true;
        }
    }
    return false;
}

static bool scan_unit(const char **s, uint64_t *ret_ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (str_starts(*s, units[i].name)) {
            *s += strlen(units[i].name);
            *ret_ms = units[i].ms;
            return true;
        }
    }
    return false;
}

bool str_to_duration(const char *s, uint64_t *ret_ms)
{
    uint64_t total = 0;
    bool first = true;
    do {
        uint64_t v, unit = 1000;
        if (!scan_u64(&s, &v) || (!scan_unit(&s, &unit) && !(first && !*s)) ||
            __builtin_mul_overflow(v, unit, &v) || __builtin_add_overflow(total, v, &total)) {
            return false;
        }
        first = false;
    } while (*s);
    *ret_ms = total;
    return true;
}

/* Matches c against the class behind '['; NULL when it has no end, which makes '[' an ordinary character. */
static const char *match_class(const char *p, unsigned char c, bool *ret_match)
{
    bool negate = *p == '!' || *p == '^';
    p += negate;
    bool match = false;
    for (bool first = true; *p && (first || *p != ']'); first = false) {
        if (*p == '\\' && p[1]) {
            p++;
        }
        unsigned char from = (unsigned char)*p++, to = from;
        if (*p == '-' && p[1] && p[1] != ']') {
            p++;
            if (*p == '\\' && p[1]) {
                p++;
            }
            to = (unsigned char)*p++;
        }
        match |= c >= from && c <= to;
    }
    if (*p != ']') {
        return NULL;
    }
    *ret_match = match != negate;
    return p + 1;
}

/* One character of s against the pattern at p (not '*'); NULL, or the pattern behind what matched. */
static const char *match_one(const char *p, unsigned char c)
{
    bool match;
    const char *behind;
    if (*p == '?') {
        return p + 1;
    }
    if (*p == '[' && (behind = match_class(p + 1, c, &match)) != NULL) {
        return match ? behind : NULL;
    }
    if (*p == '\\' && p[1]) {
        p++;
    }
    return (unsigned char)*p == c && c ? p + 1 : NULL;
}

bool str_glob(const char *pattern, const char *s)
{
    const char *star = NULL, *star_s = NULL;
    while (*s) {
        if (*pattern == '*') {
            star = ++pattern;
            star_s = s;
            continue;
        }
        const char *behind = match_one(pattern, (unsigned char)*s);
        if (behind) {
            pattern = behind;
            s++;
        } else if (star) {
            pattern = star;
            s = ++star_s;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return !*pattern;
}

bool str_printable(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

size_t str_utf8(const char *s, size_t len, uint32_t *ret_point)
{
    const unsigned char *b = (const unsigned char *)s;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = b[0] < 0x80 ? 1 : b[0] >> 5 == 6 ? 2 : b[0] >> 4 == 14 ? 3 : b[0] >> 3 == 30 ? 4 : 0;
    if (n == 0 || n > len) {
        return 0;
    }
    uint32_t point = n == 1 ? b[0] : b[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((b[i] & 0xc0) != 0x80) {
            return 0;
        }
        point = point << 6 | (b[i] & 0x3f);
    }
    if (point < least[n] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        return 0;
    }
    if (ret_point) {
        *ret_point = point;
    }
    return n;
}

char str_lower_char(char c)
{
    if (c >= 'A' && c <= 'Z') {
        c = (char)(c - 'A' + 'a');
    }
    return c;
}

void str_lower(char *s)
{
    for (; *s; s++) {
        *s = str_lower_char(*s);
    }
}
