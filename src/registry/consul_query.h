#pragma once
/*
 * Paths of Consul's API, its errors, and the rules of its blocking queries. Pure.
 */
#include "registry/uri.h"
#include "tidewaiter/clock.h"
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* Appends one element of a path, or a value of a query, percent-encoded. keep_slash: of a KV key. */
void consul_path_escape(struct buf *out, const char *text, size_t len, bool keep_slash);

/* Appends "name=value" behind '?' or '&', whichever is due. value NULL: the name alone. */
void consul_path_query(struct buf *out, const char *name, const char *value);

/* Appends what every read of this URI carries: dc, stale. */
void consul_path_read(struct buf *out, const struct registry_uri *uri);

/* Appends index=, wait= of a blocking query; wait in milliseconds. index 0: not blocking, nothing. */
void consul_path_block(struct buf *out, uint64_t index, msec_t wait);

/*
 * The index to ask with next. Consul's rules: an index that went backwards, or is below 1, starts
 * anew at 0 (the next query answers at once). *ret_reset says that this happened.
 */
uint64_t consul_index_next(uint64_t old, uint64_t seen, bool *ret_reset);

/*
 * Fills e for an answer that is not 200 and returns its negative errno: 403 and "ACL not found" AUTH; 429
 * THROTTLED; 400, 413 INVALID; 409 CONFLICT; 404 INVALID (callers that expect it look at the status);
 * all else, "No cluster leader" among it, TRANSIENT. Message: "HTTP 403: <Consul's own words>", one
 * line, with what to do where that is not plain (a right that is missing, scripts that are disabled).
 */
int consul_error_from_answer(struct err *e, int status, const char *body, size_t len);
