#pragma once
/*
 * Base64, standard alphabet with padding (RFC 4648 section 4), as the etcd gateway and Consul use it.
 */
#include "base/arena.h"
#include "base/buf.h"

#include <stddef.h>

void base64_encode(struct buf *out, const void *p, size_t len);

/* Appends the decoded bytes; -EINVAL on any character, length or padding outside the standard form. */
int base64_decode(struct buf *out, const char *text, size_t len) WARN_UNUSED;

/* The same of a terminated text into the arena, with a terminator behind it. */
int base64_decode_arena(struct arena *a, const char *text, const char **ret,
                        size_t *ret_len) WARN_UNUSED;
