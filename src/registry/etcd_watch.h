#pragma once
/*
 * One watch of an etcd prefix: a stream of messages from a revision on.
 */
#include "base/framer.h"
#include "io/timer.h"
#include "registry/etcd_client.h"
#include "registry/etcd_event.h"

enum etcd_watch_state {
    ETCD_WATCH_S_IDLE,
    ETCD_WATCH_S_OPENING, /* sent; etcd has not said "created" */
    ETCD_WATCH_S_LIVE,
    ETCD_WATCH_S_STOPPING, /* its end is under way */
};

struct etcd_watch {
    /* Set by the owner before the first start. */
    const char *key, *end;                 /* the range; end NULL: the one key; borrowed */
    void (*created)(struct etcd_watch *w); /* it stands */
    /* Events in order; more: the message goes on, so this is not yet a whole revision. */
    void (*events)(struct etcd_watch *w, const struct etcd_event *events, size_t n, bool more);
    /*
     * It is over; once for each start. STALE_WATCH: it cannot be resumed from next_revision, list
     * again; CANCELLED: etcd_watch_stop() or the client's close; else: try again.
     */
    void (*ended)(struct etcd_watch *w, const struct err *why);

    /* Where a next start resumes without a gap. */
    int64_t next_revision;

    /* Its own. */
    enum etcd_watch_state state;
    uint64_t cluster; /* of the first "created"; 0: not known */
    struct etcd_client *client;
    struct etcd_call call;
    struct framer framer;
    struct io_timer timer;     /* OPENING: how long "created" may take */
    struct err why;            /* STOPPING: the reason */
    int64_t fragment_revision; /* highest of an unfinished message */
    bool created_once;         /* this run got as far as LIVE */
};

void etcd_watch_init(struct etcd_watch *w, struct etcd_client *client);
void etcd_watch_deinit(struct etcd_watch *w); /* must be idle; idempotent */

/* Starts at revision `from`; must be idle. */
void etcd_watch_start(struct etcd_watch *w, int64_t from);
/* ended(CANCELLED) follows; idle is fine. */
void etcd_watch_stop(struct etcd_watch *w);
