/*
 * Happy path: cJSON parses the text into a tree, the accessors borrow from it.
 * Failure: text that is not exactly one JSON value is refused with the byte where reading stopped; a
 * required member that is missing or of another type is named with its path.
 * Not done: cJSON passes bytes that are not UTF-8, and ends a string at "\u0000"; who needs more checks
 * the value. Of members with one name the first counts.
 */
#include "base/json.h"

#include "base/alloc.h"
#include "base/str.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define JSON_EXACT_MAX 9007199254740992.0 /* 2^53 */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int json_parse(json **ret, const char *text, size_t len, struct err *e)
{
    /* running out of memory must not read as "not JSON" */
    cJSON_Hooks hooks = {.malloc_fn = xmalloc, .free_fn = free};
    cJSON_InitHooks(&hooks);

    const char *end = text;
    json *j = len > 0 ? cJSON_ParseWithLengthOpts(text, len, &end, 0) : NULL;
    const char *rest = end ? end : text;
    while (j && rest < text + len && is_blank(*rest)) {
        rest++;
    }
    if (!j || rest != text + len) {
        json_free(j);
        return err_set(e, ERR_INVALID, -EINVAL, "not JSON at byte %zu of %zu",
                       (size_t)(rest - text), len);
    }
    *ret = j;
    return 0;
}

json *json_free(json *j)
{
    cJSON_Delete(j);
    return NULL;
}

bool json_is_object(const json *j)
{
    return cJSON_IsObject(j);
}

bool json_is_array(const json *j)
{
    return cJSON_IsArray(j);
}

bool json_is_string(const json *j)
{
    return cJSON_IsString(j);
}

const json *json_get(const json *j, const char *name)
{
    if (!cJSON_IsObject(j)) {
        return NULL;
    }
    const json *member = cJSON_GetObjectItemCaseSensitive(j, name);
    return cJSON_IsNull(member) ? NULL : member;
}

const json *json_path(const json *j, ...)
{
    va_list ap;
    va_start(ap, j);
    for (const char *name; j && (name = va_arg(ap, const char *)) != NULL;) {
        j = json_get(j, name);
    }
    va_end(ap);
    return j;
}

const char *json_str(const json *j, const char *name, const char *or_else)
{
    const char *s = json_value(json_get(j, name));
    return s ? s : or_else;
}

bool json_bool(const json *j, const char *name, bool or_else)
{
    const json *member = json_get(j, name);
    return cJSON_IsBool(member) ? cJSON_IsTrue(member) : or_else;
}

int64_t json_int(const json *j, const char *name, int64_t or_else)
{
    const json *member = json_get(j, name);
    if (!cJSON_IsNumber(member)) {
        return or_else;
    }
    double v = member->valuedouble;
    if (!(v > -JSON_EXACT_MAX && v < JSON_EXACT_MAX) || (double)(int64_t)v != v) {
        return or_else;
    }
    return (int64_t)v;
}

bool json_int64_text(const json *j, const char *name, int64_t *ret)
{
    const char *text = json_str(j, name, NULL);
    if (text) {
        return str_to_i64(text, ret);
    }
    int64_t v = json_int(j, name, INT64_MIN);
    if (v == INT64_MIN) {
        return false;
    }
    *ret = v;
    return true;
}

static const char *kind(const json *member)
{
    return !member                  ? "nothing"
           : cJSON_IsString(member) ? "a string"
           : cJSON_IsNumber(member) ? "a number"
           : cJSON_IsBool(member)   ? "a boolean"
           : cJSON_IsArray(member)  ? "an array"
                                    : "an object";
}

static int needed(const char *where, const char *name, const char *want, const json *found,
                  struct err *e)
{
    return err_set(e, ERR_INVALID, -EINVAL, "%s%s%s: %s expected, %s found", where,
                   *where ? "." : "", name, want, kind(found));
}

int json_need_str(const json *j, const char *where, const char *name, const char **ret,
                  struct err *e)
{
    const json *member = json_get(j, name);
    if (!cJSON_IsString(member)) {
        return needed(where, name, "a string", member, e);
    }
    *ret = member->valuestring;
    return 0;
}

const json *json_first(const json *j)
{
    return cJSON_IsObject(j) || cJSON_IsArray(j) ? j->child : NULL;
}

const json *json_next(const json *it)
{
    return it->next;
}

const char *json_name(const json *it)
{
    return it->string ? it->string : "";
}

const char *json_value(const json *it)
{
    return cJSON_IsString(it) ? it->valuestring : NULL;
}

size_t json_size(const json *j)
{
    size_t n = 0;
    for (const json *it = json_first(j); it; it = it->next) {
        n++;
    }
    return n;
}

/* The quote before and after a name inside a string would be escaped, so a match is never in a string. */
bool json_raw_u64(const char *text, size_t len, const char *name, uint64_t *ret)
{
    const size_t n = strlen(name);
    const char *end = text + len;
    for (const char *p = text; (p = memchr(p, '"', (size_t)(end - p))) != NULL; p++) {
        if ((size_t)(end - p) < n + 3 || memcmp(p + 1, name, n) != 0 || p[n + 1] != '"') {
            continue;
        }
        const char *q = p + n + 2;
        while (q < end && is_blank(*q)) {
            q++;
        }
        if (q == end || *q++ != ':') {
            continue;
        }
        while (q < end && is_blank(*q)) {
            q++;
        }
        char digits[21];
        size_t m = 0;
        while (q < end && *q >= '0' && *q <= '9' && m < sizeof(digits) - 1) {
            digits[m++] = *q++;
        }
        digits[m] = '\0';
        bool more = q < end && *q && strchr("0123456789.eE", *q);
        if (!more && str_to_u64(digits, 0, UINT64_MAX, ret)) {
            return true;
        }
    }
    return false;
}
