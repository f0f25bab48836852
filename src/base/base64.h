#pragma once
/*
 * Base64, standard alphabet with padding (RFC 4648 section 4), as the etcd gateway and Consul use it.
 */
#include "base/buf.h"

#include <stddef.h>

void base64_encode(struct buf *out, const void *p, size_t len);

/* Appends the decoded bytes; -EINVAL on any character, length or padding outside the standard form. */
int base64_decode(struct buf *out, const char *text, size_t len) WARN_UNUSED;
