#pragma once
/*
 * The agent's own record, <prefix>/.agents/<node>:
 *
 *   {"node":"n1","instance":"9f…","lease":"7587…","ttl":30,"version":"0.1.0","started":"2026-…Z"}
 *
 * It lies on the agent's lease: it leads the next run of the agent to that lease, and by `instance` an
 * agent sees that another one has taken over. In Consul it has "session" instead of "lease". Pure.
 */
#include "tidewaiter/clock.h"
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

#define AGENT_INSTANCE_MAX 64
#define AGENT_STARTED_MAX  40
#define AGENT_SESSION_MAX  40

struct agent_record {
    char instance[AGENT_INSTANCE_MAX + 1]; /* random, one for each run; "" in a foreign record */
    char started[AGENT_STARTED_MAX + 1];   /* RFC 3339 */
    int64_t lease;
    char session[AGENT_SESSION_MAX + 1]; /* of Consul; "": none */
    int64_t ttl_s; /* as asked for; etcd may have granted more; 0: not known */
};

/*
 * Fills instance and started, and nothing else: a name for this run out of two random numbers, and the
 * time at which it started (wall clock).
 */
void agent_record_begin(struct agent_record *r, const uint64_t random[2], msec_t started);

void agent_record_encode(const struct agent_record *r, const char *node, struct buf *out);

/* Whatever it holds: what cannot be read is "" or 0, like the record of another program. */
void agent_record_decode(struct agent_record *ret, const char *value, size_t len);

/* It names an instance, and that is another one: a record that cannot be read is nobody's. */
bool agent_record_of_other(const struct agent_record *r, const char *instance);

/*
 * Fills ret_why (ERR_CONFLICT, -EEXIST) with what the agent that was replaced says: node is the name
 * that both go by, by the record that took its place.
 */
void agent_record_deposed(const struct agent_record *by, const char *node, struct err *ret_why);
