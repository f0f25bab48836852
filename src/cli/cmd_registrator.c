/*
 * tidewaiter registrator, or a link named registrator: the command line of gliderlabs/registrator made
 * into the agent's options.
 *
 * Happy path: the host's name, as Registrator puts it in front of every id, and the address that it
 * resolves to (or -ip) are found once, at start; the agent does the rest by Registrator's rules.
 * Failure: bad usage ends with 2 and the usage, as any other failure before the start with 1 and one line.
 * Not done: no configuration file, no options of `tidewaiter agent`.
 */
#include "cli/command.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/agent_daemon.h"
#include "cli/start.h"
#include "config/registrator_settings.h"

#define DOCKER_SOCKET_MOUNTED "/tmp/docker.sock"
#define USAGE_MAX             8192u
#define HOST_NAME_LEN         256

#define TTL_WITHOUT_S     3600u /* without -ttl Registrator's records stay for ever */
#define TTL_MIN_S         5u
#define CONSUL_TTL_S      30u
#define SESSION_TTL_MIN_S 10u /* of Consul's sessions */
#define SESSION_TTL_MAX_S 86400u

struct registrator_run {
    struct registrator_settings settings;
    char host[HOST_NAME_LEN];
    struct registry_uri uri;
    struct docker_peer peer;
    struct netif_addrs addrs;
    struct err unresolved; /* why the host's name gave no address */
    struct agent_options options;
};

static int prepare_docker(struct registrator_run *run, struct err *e)
{
    const struct docker_settings *s = &run->settings.docker;
    const char *url = s->url;
    if (!url && access(DOCKER_SOCKET_MOUNTED, F_OK) == 0) {
        url = "unix://" DOCKER_SOCKET_MOUNTED;
    }
    /* a folder of certificates alone asks for nothing there */
    int r =
        docker_peer_init(&run->peer, url, s->tls_verify, s->tls_verify ? s->cert_path : NULL, e);
    if (r < 0) {
        err_wrap(e, "DOCKER_HOST");
    }
    return r;
}

/* -ip, else what the host's name resolves to, else what the route to others says. */
static int prepare_address(struct registrator_run *run, struct err *e)
{
    const struct registrator_flags *f = &run->settings.flags;
    if (!str_empty(f->ip)) {
        return netif_resolve(f->ip, &run->addrs, e);
    }
    if (netif_resolve_name(run->host, &run->addrs, &run->unresolved) == 0) {
        return 0;
    }
    int r = netif_resolve(NULL, &run->addrs, e);
    if (r < 0 && f->internal) {
        return 0; /* no address of the host is needed */
    }
    if (r < 0) {
        err_wrap(e, "%s; no -ip is given", run->unresolved.msg);
    }
    return r;
}

/*
 * How long records outlive an agent that is lost. Services in Consul have no such time; its driver takes
 * this for how often it compares, every two of them.
 */
static unsigned lease_ttl(const struct registrator_run *run)
{
    const struct registrator_flags *f = &run->settings.flags;
    int64_t ttl = f->ttl, min = TTL_MIN_S, max = INT_MAX, without = TTL_WITHOUT_S;
    if (run->uri.scheme == REGISTRY_CONSULKV) {
        min = SESSION_TTL_MIN_S;
        max = SESSION_TTL_MAX_S;
    } else if (run->uri.scheme == REGISTRY_CONSUL) {
        ttl = f->resync > 0 ? f->resync / 2 + f->resync % 2 : 0;
        max = without = CONSUL_TTL_S;
    }
    ttl = ttl == 0 ? without : ttl;
    return (unsigned)(ttl < min ? min : ttl > max ? max : ttl);
}

/* n units in milliseconds, at most `most`: sums with the time of day stay sums. */
static msec_t duration(int64_t n, int64_t unit_ms, msec_t most)
{
    msec_t ms;
    bool over = __builtin_mul_overflow(n, unit_ms, &ms) || ms > OPTION_DURATION_MAX;
    return n <= 0 ? 0 : over ? most : ms;
}

static msec_t seconds(int64_t n)
{
    return duration(n, MSEC_PER_SEC, OPTION_DURATION_MAX);
}

static msec_t patience(const struct registrator_flags *f)
{
    return f->retry_attempts < 0 ? MSEC_NEVER
                                 : duration(f->retry_attempts, f->retry_interval, MSEC_NEVER);
}

static void fill_options(struct registrator_run *run)
{
    const struct registrator_flags *f = &run->settings.flags;
    run->options = (struct agent_options){
        .docker = &run->peer.http,
        .resync = seconds(f->resync),
        .driver = registry_driver_for(&run->uri),
        .uri = &run->uri,
        .ttl_s = lease_ttl(run),
        .mapping =
            {
                .rules = MAPPING_REGISTRATOR,
                .node = run->host,
                .host_v4 = run->addrs.v4,
                .host_v6 = run->addrs.v6,
                .internal = f->internal,
                .network = "",
                .explicit_only = f->explicit_only,
                .tags = f->tags,
                .health = MAPPING_HEALTH_IGNORE,
                .deregister = streq(f->deregister, "always") ? MAPPING_DEREGISTER_ALWAYS
                                                             : MAPPING_DEREGISTER_ON_SUCCESS,
                .ip_label = f->ip_label,
                .ip_forced = !str_empty(f->ip),
            },
        .dialect = REGISTRY_REGISTRATOR,
        .adopt_by_id = f->cleanup,
        .owner_with_engine = true,
        /* Consul's services have no TTL, so there the failed ones stay */
        .stopped_ttl = run->uri.scheme == REGISTRY_CONSUL ? 0 : seconds(f->ttl),
        .registry_patience = patience(f),
    };
}

static int prepare(struct registrator_run *run, struct err *e)
{
    int r = mapping_tags_check(run->settings.flags.tags, e);
    if (r < 0) {
        err_wrap(e, "-tags");
        return r;
    }
    r = start_uri(&run->settings.registry, &run->uri, e);
    if (r == 0) {
        r = prepare_docker(run, e);
    }
    if (r == 0) {
        netif_hostname_full(run->host, sizeof(run->host));
        r = prepare_address(run, e);
    }
    if (r == 0) {
        fill_options(run);
    }
    return r;
}

static void warn(const struct registrator_run *run, const char *address)
{
    const struct registrator_flags *f = &run->settings.flags;
    start_warn_password(&run->uri);
    if (run->unresolved.class != ERR_NONE && !f->internal) {
        log_warn("the host's name has no address, taking another one; better give -ip", "error",
                 run->unresolved.msg, "address", address, "from", run->addrs.source, NULL);
    }
    if (run->addrs.loopback && !f->internal) {
        log_warn("services are registered with a loopback address, other hosts cannot reach them; "
                 "better give -ip",
                 "address", address, NULL);
    }
    if (f->internal && !str_empty(f->ip)) {
        log_warn("-ip has no effect with -internal", "ip", f->ip, NULL);
    }
    if (f->ttl != 0 && run->uri.scheme == REGISTRY_CONSUL) {
        log_warn("-ttl has no effect with Consul, whose services have none", NULL);
    } else if (f->ttl != 0 && f->ttl != run->options.ttl_s) {
        log_warn("-ttl is not possible here, taking the nearest that is", "ttl",
                 LOG_U(run->options.ttl_s), NULL);
    }
}

static int run_agent(const struct registrator_run *run)
{
    struct buf uri = BUF_INIT(REGISTRY_URI_MAX);
    registry_uri_format(&run->uri, &uri);
    const char *address = run->addrs.v4[0] ? run->addrs.v4 : run->addrs.v6;
    log_setup(LOG_INFO, LOG_TEXT);
    log_info("starting", "version", TIDEWAITER_VERSION, "as", "registrator", "docker",
             run->peer.where, "registry", buf_str(&uri), "host", run->host, "address", address,
             "from", run->addrs.source, NULL);
    buf_deinit(&uri);
    warn(run, address);
    return agent_daemon_run(&run->options);
}

static void print_usage(FILE *to)
{
    struct buf text = BUF_INIT(USAGE_MAX);
    registrator_usage(&text);
    fputs(buf_str(&text), to);
    buf_deinit(&text);
}

void command_registrator_help(void)
{
    print_usage(stdout);
}

int command_registrator(int argc, char **argv)
{
    struct registrator_run run = {0};
    const struct options_input input = {.argc = argc, .argv = argv, .envp = environ};
    struct err err = ERR_INIT;
    int r = registrator_settings_load(&run.settings, &input, &err);
    if (r == REGISTRATOR_E_HELP) {
        print_usage(stdout);
        return EXIT_DONE;
    }
    if (r == REGISTRATOR_E_VERSION) {
        command_print_version();
        return EXIT_DONE;
    }
    if (r == REGISTRATOR_E_USAGE) {
        fprintf(stderr, "registrator: %s\n\n", err.msg);
        print_usage(stderr);
        return EXIT_USAGE;
    }
    int status = EXIT_FAILED;
    if (r == 0) {
        r = prepare(&run, &err);
    }
    if (r == 0) {
        status = run_agent(&run);
    } else {
        fprintf(stderr, "registrator: %s\n", err.msg);
    }
    docker_peer_deinit(&run.peer);
    registry_uri_deinit(&run.uri);
    options_deinit(&run.settings.base);
    return status;
}
