#pragma once
/*
 * The Notes of a check that we defined: words for people and a digest of the definition. Pure.
 *
 *   "http://10.0.0.5:80/health every 10s [tidewaiter 0123456789abcdef]"
 *   "TTL 15s, kept alive by tidewaiter [tidewaiter 0123456789abcdef]"
 */
#include "registry/consul_check.h"

/* For a check that is complete but for its notes. */
const char *consul_check_notes_make(const struct consul_check *c, struct arena *a);
