#pragma once
/*
 * The agent's own record, <prefix>/.agents/<node>:
 *
 *   {"node":"n1","instance":"9f…","lease":"7587…","ttl":30,"version":"0.1.0","started":"2026-…Z"}
 *
 * It lies on the agent's lease: it leads the next run of the agent to that lease, and by `instance` an
 * agent sees that another one has taken over. Pure.
 */
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

#define ETCD_INSTANCE_MAX 64
#define ETCD_STARTED_MAX  40

struct etcd_agent_record {
    char instance[ETCD_INSTANCE_MAX + 1]; /* random, one for each run; "" in a foreign record */
    char started[ETCD_STARTED_MAX + 1];   /* RFC 3339 */
    int64_t lease;
    int64_t ttl_s; /* as asked for; etcd may have granted more; 0: not known */
};

void etcd_agent_record_encode(const struct etcd_agent_record *r, const char *node, struct buf *out);

/* Whatever it holds: what cannot be read is "" or 0, like the record of another program. */
void etcd_agent_record_decode(struct etcd_agent_record *ret, const char *value, size_t len);
