#pragma once
/*
 * Strings and numbers as they come from outside. Nothing here depends on the locale.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool streq(const char *a, const char *b)
{
    return __builtin_strcmp(a, b) == 0;
}
bool str_empty(const char *s); /* NULL or "" */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/* Copies at most size - 1 bytes and terminates; true when all of src fitted. */
bool str_copy(char *dst, size_t size, const char *src);

/*
 * Copies s with its terminator to *at, moves *at behind it and returns the copy: for filling a block that
 * was measured before.
 */
const char *str_pack(char **at, const char *s);

/*
 * Whole string is a decimal number without sign, blank or leading '+', between min and max. Leading
 * zeros are accepted.
 */
bool str_to_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret);
bool str_to_i64(const char *s, int64_t *ret);   /* optional '-' */
bool str_to_port(const char *s, uint16_t *ret); /* 1..65535 */

/* true/false, yes/no, on/off, 1/0, any case. */
bool str_to_bool(const char *s, bool *ret);

/* As Go's strconv.ParseBool: 1 t T true TRUE True, 0 f F false FALSE False. */
bool str_to_go_bool(const char *s, bool *ret);

/* "500ms", "30s", "5m", "1h", "1h30m"; a bare number is seconds; result in milliseconds. */
bool str_to_duration(const char *s, uint64_t *ret_ms);

/* Shell glob over the whole string: * ? [a-z] [!a] \x. Never matches by locale. */
bool str_glob(const char *pattern, const char *s);

/* No byte below 0x20 and no 0x7f. */
bool str_printable(const char *s, size_t len);

/*
 * Length (1..4) of the UTF-8 sequence that s begins with, 0 when its bytes are not one: overlong forms,
 * surrogates and values above U+10FFFF are refused. len > 0. ret_point may be NULL.
 */
size_t str_utf8(const char *s, size_t len, uint32_t *ret_point);

/* ASCII only. */
char str_lower_char(char c);
void str_lower(char *s);
