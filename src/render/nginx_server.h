#pragma once
/*
 * What the services of one upstream ask for: parameters of each server, and directives of the block.
 */
#include "base/buf.h"
#include "render/nginx_value.h"
#include "render/report.h"
#include "render/view.h"

/* Parameters of one server line; negative: not given. */
struct nginx_params {
    int64_t weight, max_conns, max_fails;
    const char *fail_timeout; /* NULL, or checked; borrowed from the service */
    bool backup;
};

/* Directives in front of the servers, and who asked for them (borrowed; NULL: nobody). */
struct nginx_directives {
    enum nginx_context context;
    struct nginx_balance balance;
    uint64_t keepalive;
    uint64_t zone_k;
    const struct service *balance_from, *keepalive_from, *zone_from;
    bool balance_contested, keepalive_contested, zone_contested; /* reported already */
};

/*
 * Reads the attributes of one service into p, and adds what it asks for its block to d: the first service
 * that says something valid decides, the first one that says otherwise is reported.
 */
void nginx_params_read(struct nginx_params *p, struct nginx_directives *d,
                       const struct service *svc, struct reports *reports);

/* "    server 10.0.0.5:30400 weight=2;\n" */
void nginx_server_put(struct buf *out, const struct address *a, const struct nginx_params *p,
                      bool backup);

/* The directives in the order that nginx wants, for a block of n servers. */
void nginx_directives_put(struct buf *out, const struct nginx_directives *d, const char *name,
                          size_t n);
