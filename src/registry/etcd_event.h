#pragma once
/*
 * Lines of an etcd watch. Pure.
 */
#include "registry/etcd_response.h"

struct etcd_event {
    bool deleted; /* kv then has only key and mod_revision */
    struct etcd_kv kv;
};

enum etcd_watch_line_kind {
    ETCD_LINE_CREATED,  /* the watch stands; header.revision is the server's now */
    ETCD_LINE_EVENTS,   /* n > 0 events */
    ETCD_LINE_PROGRESS, /* everything up to header.revision was delivered */
    ETCD_LINE_CANCELED, /* over, though the response stays open; why says so */
};

struct etcd_watch_line {
    struct arena arena;
    struct etcd_header header;
    enum etcd_watch_line_kind kind;
    struct etcd_event *events;
    size_t n;
    bool fragment;  /* the message goes on in the next line */
    struct err why; /* CANCELED: STALE_WATCH (compacted), AUTH, TRANSIENT ... */
};

/*
 * An error line of the stream fails with its class, anything that is no watch line with ERR_BUG; on
 * success the caller releases ret->arena.
 */
int etcd_watch_line(struct etcd_watch_line *ret, const char *line, size_t len,
                    struct err *e) WARN_UNUSED;
