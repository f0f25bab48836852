#pragma once
/*
 * JSON: reading through cJSON with accessors that name the path that failed, and a small writer.
 *
 * Reading: json_parse() caps depth (cJSON's own limit) and size (the caller's buffer). Every getter
 * looks a member up by its exact, case-sensitive name. Numbers above 2^53 (timeNano, lease ids) are
 * lost in cJSON: json_raw_u64() takes them from the text, and the etcd codec reads them as strings.
 *
 * Writing: append only, no tree; strings are escaped, invalid UTF-8 becomes U+FFFD.
 */
#include "base/buf.h"
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cJSON;
typedef struct cJSON json;

/* -EINVAL (ERR_INVALID, with the byte offset) when text is not one JSON value. */
int json_parse(json **ret, const char *text, size_t len, struct err *e) WARN_UNUSED;
json *json_free(json *j); /* takes NULL; returns NULL */
static inline void json_freep(json **j)
{
    *j = json_free(*j);
}
#define CLEANUP_JSON __attribute__((cleanup(json_freep)))

bool json_is_object(const json *j); /* all predicates take NULL: false */
bool json_is_array(const json *j);
bool json_is_string(const json *j);

/* Member of an object or NULL; JSON null counts as absent. j may be NULL. */
const json *json_get(const json *j, const char *name);
/* Through several objects: json_path(j, "State", "Health", NULL). */
const json *json_path(const json *j, ...) __attribute__((sentinel));

/* Optional members: the default when absent, null or of another type. Strings are borrowed from j. */
const char *json_str(const json *j, const char *name, const char *or_else);
bool json_bool(const json *j, const char *name, bool or_else);
int64_t json_int(const json *j, const char *name, int64_t or_else); /* whole, |v| < 2^53 */
/* An int64 given as number or as decimal string (etcd prints them as strings). */
bool json_int64_text(const json *j, const char *name, int64_t *ret);

/* Required members: -EINVAL naming "where.name" and what was found. */
int json_need_str(const json *j, const char *where, const char *name, const char **ret,
                  struct err *e) WARN_UNUSED;

/* for (it = json_first(j); it; it = json_next(it)): members or elements in order. */
const json *json_first(const json *j);
const json *json_next(const json *it);
const char *json_name(const json *it);  /* member name; "" in an array */
const char *json_value(const json *it); /* string value or NULL */
size_t json_size(const json *j);

/* Exact uint64 of the first `"name":<digits>` in the text; false when there is none. */
bool json_raw_u64(const char *text, size_t len, const char *name, uint64_t *ret);

/* ---- writer ---- */

struct json_writer {
    struct buf *out;
    bool comma; /* the next value needs one in front */
};

void json_begin(struct json_writer *w, struct buf *out);
void json_object(struct json_writer *w); /* { */
void json_object_end(struct json_writer *w);
void json_array(struct json_writer *w); /* [ */
void json_array_end(struct json_writer *w);
void json_key(struct json_writer *w, const char *name);
void json_put_str(struct json_writer *w, const char *s); /* NULL: null */
void json_put_strn(struct json_writer *w, const char *s, size_t len);
void json_put_int(struct json_writer *w, int64_t v);
void json_put_bool(struct json_writer *w, bool v);
/* key and value in one */
void json_field_str(struct json_writer *w, const char *name, const char *s);
void json_field_int(struct json_writer *w, const char *name, int64_t v);
void json_field_bool(struct json_writer *w, const char *name, bool v);
void json_field_base64(struct json_writer *w, const char *name, const void *p, size_t len);
