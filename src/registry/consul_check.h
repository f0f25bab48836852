#pragma once
/*
 * Health checks in Consul from SERVICE_CHECK_* attributes. Pure.
 *
 *   check_http  check_https  PATH       with check_http_method, check_https_method, and in the native
 *                                       dialect check_http_header, check_https_header: "Name: value",
 *                                       several with commas ("\," is a literal comma)
 *   check_tcp   anything but a clear no (registrator: any text)
 *   check_grpc  the same, with check_grpc_use_tls
 *   check_ttl   a duration: the agent keeps it passing, or as the container's HEALTHCHECK has it
 *   check_script  COMMAND [ARGUMENTS]   run by Consul; $SERVICE_IP and $SERVICE_PORT are replaced; split
 *                                       like a shell does (registrator: one word, as it had it, unless
 *                                       it holds a blank: no such script could ever be run)
 *   check_cmd   VALUE                   ["check-cmd", container id (12), container port, VALUE]
 *   check_docker COMMAND [ARGUMENTS]    native: run by Consul inside the container
 * and for all of them check_interval (10s), check_timeout, check_initial_status,
 * check_deregister_after, check_tls_skip_verify (https, grpc).
 *
 * Native: every kind that is named is a check of its own. Registrator: exactly one, the first of http,
 * https, cmd, script, ttl, tcp, grpc.
 *
 * Each check says in its Notes how it was defined, so that a definition that was changed is seen in
 * Consul's own listing, which shows no definitions: words for people, and a digest of all of it at the
 * end. Headers and arguments may hold secrets, so only the digest knows them.
 */
#include "base/arena.h"
#include "tidewaiter/clock.h"
#include "tidewaiter/err.h"
#include "tidewaiter/registry.h"
#include "tidewaiter/service.h"

#include <stdbool.h>
#include <stddef.h>

struct consul_remarks;
struct json_writer;

enum consul_check_kind {
    CONSUL_CHECK_HTTP,
    CONSUL_CHECK_HTTPS,
    CONSUL_CHECK_TCP,
    CONSUL_CHECK_GRPC,
    CONSUL_CHECK_TTL,
    CONSUL_CHECK_SCRIPT,
    CONSUL_CHECK_CMD,
    CONSUL_CHECK_DOCKER,
    /* Not from an attribute: the status of a service that is not passing, where no TTL check carries
     * it (native, --health mark). Of Consul's kind TTL, with one so long that it hardly needs renewing. */
    CONSUL_CHECK_HEALTH,
    /* Not from an attribute: weight 0, which Consul has no number for (native). Critical, and else as
     * HEALTH. */
    CONSUL_CHECK_WEIGHT,
};
#define CONSUL_CHECKS_MAX 10

struct consul_check {
    enum consul_check_kind kind;
    const char *id;    /* "service:<service id>:<kind>"; registrator: "service:<service id>" */
    const char *name;  /* "http", ... registrator: NULL, Consul names it */
    const char *notes; /* see above */
    const char *http, *method, *tcp, *grpc; /* NULL: not of this kind */
    const struct service_attr *headers;     /* native http(s) */
    size_t n_headers;
    const char *const *args; /* script, cmd, docker; NULL-terminated */
    const char *container;   /* docker: its id */
    bool grpc_tls, tls_skip_verify;
    const char *interval, *timeout, *deregister_after; /* as Consul takes them; NULL: not given */
    msec_t ttl;                                        /* TTL, HEALTH and WEIGHT */
    const char *status; /* initial; NULL: Consul's own default. TTL, HEALTH: the service's */
};

struct consul_checks {
    struct consul_check items[CONSUL_CHECKS_MAX];
    size_t n;
};

/* True for every attribute that configures checks, known or not: "check_" in front. */
bool consul_check_is_attr(const char *key);

/*
 * The checks of svc; strings live in the arena. Each attribute that makes no sense is remarked on (what
 * was found, what is allowed): that check is left out, or goes without it, and the others are there.
 */
void consul_checks_make(struct consul_checks *ret, const struct service *svc,
                        enum registry_dialect dialect, struct arena *a,
                        struct consul_remarks *remarks);

/* Appends the definition as Consul's register call takes it, as the next value of w. */
void consul_check_write(struct json_writer *w, const struct consul_check *c);

/*
 * From the Notes of a TTL or HEALTH check that we wrote: its TTL; 0 when they are not ours. What a
 * restarted agent knows of the checks that it has to keep alive.
 */
msec_t consul_check_notes_ttl(const char *notes);

/* True for Notes of a WEIGHT check that we wrote. */
bool consul_check_notes_weight(const char *notes);

/* True for Notes that end in the digest of a definition of ours. */
bool consul_check_notes_ours(const char *notes);

/*
 * "10s", "1.5h", "2m30s": as Consul (Go) reads durations; rounded up, so 0 is no time at all. False when
 * it is none, or negative.
 */
bool consul_duration_parse(const char *text, msec_t *ret);

#define CONSUL_DURATION_MAX 32
/* "2h", "15s", or "1500ms": in the largest of these units that it is a whole number of. */
void consul_duration_format(msec_t ms, char ret[CONSUL_DURATION_MAX]);
