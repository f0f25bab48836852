/*
 * Happy path: flags, then exactly one URI; credentials and Docker's address come from the variables of
 * those tools, through the same option table as everywhere.
 * Failure: what cannot be taken apart is an outcome of its own, because Registrator shows its usage then;
 * what can, but makes no sense, is one message.
 * Not done: what needs other layers to judge, which are the URI, the tags and DOCKER_HOST.
 */
#include "config/registrator_settings.h"

#include "base/alloc.h"
#include "base/str.h"
#include "config/go_flags.h"
#include "config/value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>

#define FLAG(kind, flag, field, what, text)                                                        \
    {                                                                                              \
        .name = flag, .type = kind, .offset = offsetof(struct registrator_flags, field),           \
        .value_name = what, .help = text                                                           \
    }

static const struct go_flag FLAGS[] = {
    FLAG(GO_FLAG_STRING, "ip", ip, "ADDRESS", "address of every service (the host name's)"),
    FLAG(GO_FLAG_BOOL, "internal", internal, NULL, "register the container's address and port"),
    FLAG(GO_FLAG_BOOL, "explicit", explicit_only, NULL, "only ports with a SERVICE_NAME"),
    FLAG(GO_FLAG_STRING, "useIpFromLabel", ip_label, "LABEL",
         "address of a service from this label of its container"),
    FLAG(GO_FLAG_STRING, "tags", tags, "LIST", "comma-separated tags for every service"),
    FLAG(GO_FLAG_INT, "ttl", ttl, "SECONDS",
         "how long services outlive an agent that is lost (an hour)"),
    FLAG(GO_FLAG_INT, "ttl-refresh", ttl_refresh, "SECONDS",
         "goes with -ttl and is below it; renewed when due in any case"),
    FLAG(GO_FLAG_INT, "resync", resync, "SECONDS",
         "how often everything is compared (60); writes what differs"),
    FLAG(GO_FLAG_STRING, "deregister", deregister, "WHEN",
         "always, or on-success: keep what ended with a failure"),
    FLAG(GO_FLAG_INT, "retry-attempts", retry_attempts, "N",
         "further tries to reach the registry at start (0); -1: for ever"),
    FLAG(GO_FLAG_INT, "retry-interval", retry_interval, "MILLISECONDS",
         "time between these tries (2000)"),
    FLAG(GO_FLAG_BOOL, "cleanup", cleanup, NULL,
         "remove services that Registrator left behind under this host's name"),
};

static const struct option VARIABLES[] = {
    REGISTRY_ARGUMENT(registrator_settings, registry),
    REGISTRY_OPTIONS(registrator_settings, registry),
    DOCKER_OPTIONS(registrator_settings, docker),
};

static int finish(struct options_base *base, struct err *e)
{
    struct registrator_settings *s = container_of(base, struct registrator_settings, base);
    s->registry.registrator = true;
    return registry_settings_finish(base, &s->registry, e);
}

static const struct options_command variables = {
    .name = "registrator",
    .usage = "registrator [OPTIONS] REGISTRY-URI",
    .options = VARIABLES,
    .n_options = ARRAY_LEN(VARIABLES),
    .settings_size = sizeof(struct registrator_settings),
    .finish = finish,
};

void registrator_usage(struct buf *out)
{
    buf_printf(out, "Usage: %s\n\nOptions, before the URI, with one dash or two:\n",
               variables.usage);
    go_flags_describe(FLAGS, ARRAY_LEN(FLAGS), out);
    buf_puts(out, "  --version                       print the version and exit; only alone\n\n"
                  "REGISTRY-URI is consul://[HOST[:8500]], consul-tls://HOST[:8500], "
                  "consul-unix:///PATH,\nconsulkv://[HOST[:8500]]/PREFIX, "
                  "etcd://[HOST[:2379]]/PREFIX or\nskydns2://[HOST[:2379]]/DOMAIN. "
                  "Docker is found through DOCKER_HOST, else at\n/tmp/docker.sock, else at "
                  "/var/run/docker.sock.\n");
}

static bool is_address(const char *text)
{
    struct in6_addr v6;
    struct in_addr v4;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        return v4.s_addr != INADDR_ANY;
    }
    return inet_pton(AF_INET6, text, &v6) == 1 && !IN6_IS_ADDR_UNSPECIFIED(&v6);
}

static int check(const struct registrator_flags *f, struct err *e)
{
    if (!str_empty(f->ip) && !is_address(f->ip)) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "-ip: found \"%.80s\", allowed: an IP address that others can reach", f->ip);
    }
    if (f->ttl < 0 || f->ttl_refresh < 0 || (f->ttl == 0) != (f->ttl_refresh == 0) ||
        (f->ttl > 0 && f->ttl <= f->ttl_refresh)) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "found -ttl %lld with -ttl-refresh %lld, allowed: neither, or both above 0 "
                       "and -ttl the greater",
                       (long long)f->ttl, (long long)f->ttl_refresh);
    }
    if (f->retry_interval <= 0) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "-retry-interval: found %lld, allowed: a number of milliseconds above 0",
                       (long long)f->retry_interval);
    }
    if (!streq(f->deregister, "always") && !streq(f->deregister, "on-success")) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "-deregister: found \"%.80s\", allowed: always or on-success",
                       f->deregister);
    }
    return 0;
}

static int check_positional(int n, char *const *argv, struct err *e)
{
    if (n == 0) {
        err_set(e, ERR_INVALID, -EINVAL, "no registry URI is given");
        return REGISTRATOR_E_USAGE;
    }
    if (n == 1) {
        return 0;
    }
    struct buf shown CLEANUP(buf_deinit) = BUF_INIT(1024);
    option_mask_passwords(argv[1], &shown);
    if (argv[1][0] == '-') {
        err_set(e, ERR_INVALID, -EINVAL,
                "found %.80s behind the registry URI, allowed: options before it", buf_str(&shown));
    } else {
        err_set(e, ERR_INVALID, -EINVAL,
                "found \"%.80s\" behind the first argument that is no option, allowed: one "
                "registry URI, with all options before it",
                buf_str(&shown));
    }
    return REGISTRATOR_E_USAGE;
}

/* It is no option, and counts only as the sole argument. */
static bool is_version(const char *arg)
{
    return streq(arg, "--version") || streq(arg, "-version");
}

int registrator_settings_load(struct registrator_settings *ret, const struct options_input *input,
                              struct err *e)
{
    if (input->argc == 1 && streq(input->argv[0], "--version")) {
        return REGISTRATOR_E_VERSION;
    }
    struct registrator_flags flags = {
        .ip = "", .ip_label = "", .tags = "", .deregister = "always", .retry_interval = 2000};
    int used;
    int r = go_flags_parse(FLAGS, ARRAY_LEN(FLAGS), input->argc, input->argv, &flags, &used, e);
    if (r == GO_FLAGS_E_HELP) {
        return REGISTRATOR_E_HELP;
    }
    if (r < 0) {
        for (int i = 0; i < input->argc; i++) {
            if (is_version(input->argv[i])) {
                err_set(e, ERR_INVALID, -EINVAL,
                        "found %s, allowed: --version as the only argument", input->argv[i]);
            }
        }
        return REGISTRATOR_E_USAGE;
    }
    r = check_positional(input->argc - used, input->argv + used, e);
    if (r != 0) {
        return r;
    }
    r = check(&flags, e);
    if (r < 0) {
        return r;
    }
    if (str_empty(input->argv[used])) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "registry URI: found \"\", allowed: the URI of a registry, such as "
                       "consul://127.0.0.1:8500");
    }
    char dashes[] = "--";
    char *const words[] = {dashes, input->argv[used]};
    const struct options_input variables_input = {
        .argc = 2, .argv = words, .envp = input->envp, .tools_only = true};
    r = options_load(&variables, &variables_input, &ret->base, e);
    if (r < 0) {
        return r;
    }
    ret->flags = flags;
    return 0;
}
