#pragma once
/*
 * Mapping: container → services, by the native rules of the product contract or by those of
 * gliderlabs/registrator. Pure: same input, same output, no clock, no socket, no name service.
 *
 * Every port ends in a verdict with the rule that decided, in words; `tidewaiter explain` prints them.
 */
#include "base/arena.h"
#include "model/container.h"
#include "tidewaiter/err.h"
#include "tidewaiter/service.h"

enum mapping_name_from { MAPPING_NAME_IMAGE, MAPPING_NAME_COMPOSE, MAPPING_NAME_CONTAINER };
enum mapping_health { MAPPING_HEALTH_GATE, MAPPING_HEALTH_MARK, MAPPING_HEALTH_IGNORE };
enum mapping_rules { MAPPING_NATIVE, MAPPING_REGISTRATOR };
enum mapping_deregister { MAPPING_DEREGISTER_ALWAYS, MAPPING_DEREGISTER_ON_SUCCESS };

/*
 * All pointers borrowed. REGISTRATOR: node is the host's name, host_v4 and host_v6 what it resolves to (or
 * -ip); network, name_from and health do not count there.
 */
struct mapping_options {
    enum mapping_rules rules;
    const char *node;    /* first part of every id */
    const char *host_v4; /* address for ports published on every address; "" when there is none */
    const char *host_v6;
    bool internal;
    const char *network; /* "" = unset */
    bool explicit_only;
    const char *const *filters; /* "KEY=VALUE", validated by mapping_filter_check() */
    size_t n_filters;
    enum mapping_name_from name_from;
    const char *tags; /* comma list for every service; "" = none */
    enum mapping_health health;
    enum mapping_deregister deregister;
    /* REGISTRATOR: label that holds a container's address; "" or NULL = none */
    const char *ip_label;
    /* REGISTRATOR: -ip was given, so that host_v4 (or host_v6) goes before what a binding says. */
    bool ip_forced;
};

struct mapping_verdict {
    uint16_t port; /* container port; 0: the whole container */
    enum service_proto proto;
    const char *host_ip; /* of the binding that was looked at; "" when there is none */
    uint16_t host_port;
    struct service *service; /* NULL: not registered */
    const char *reason;      /* one line: the rule, label or variable that decided */
};

/* Owned by the caller; strings live in the arena, services hold references. */
struct mapping_result {
    struct arena arena;
    struct mapping_verdict *verdicts;
    size_t n_verdicts;
    size_t n_services; /* verdicts with a service */
    /* The container stopped, but its services stay (--deregister on-success and a failure code). */
    bool keep_stopped;
    /* What in labels or variables makes no sense; each names the label. Everything else went on. */
    const char **warnings;
    size_t n_warnings;
};

/* -EINVAL with what is allowed, for a filter of the command line. */
int mapping_filter_check(const char *filter, struct err *e) WARN_UNUSED;

/* A comma list with "\," as literal comma, as --tags takes it. -EINVAL for templates ("{{"). */
int mapping_tags_check(const char *tags, struct err *e) WARN_UNUSED;

/*
 * Maps c. peer: the container whose network c shares (network mode container:ID), or NULL when it is
 * not known or not needed. Never fails: what cannot be mapped is a verdict or a warning.
 */
void mapping_map(const struct mapping_options *o, const struct container *c,
                 const struct container *peer, struct mapping_result *ret);
void mapping_result_deinit(struct mapping_result *r); /* idempotent */

/* The id in network mode "container:ID", or NULL. Borrowed from c. */
const char *mapping_peer_id(const struct container *c);

/* True when a kill with this signal means that the container is to go (its stop signal, TERM, INT,
 * QUIT, KILL). */
bool mapping_signal_stops(const struct container *c, int signal);
