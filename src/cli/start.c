/*
 * From settings to what the layers below take. A setting that makes no sense is refused with its origin
 * (option, variable or file:line:column) in front. Warnings about settings that work but are unwise go
 * to the log, once, when the command starts.
 */
#include "cli/start.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "cli/command.h"

static void show_settings(const struct options_base *base)
{
    struct buf text = BUF_INIT(OPTIONS_FILE_MAX);
    options_show(base, &text);
    fputs(buf_str(&text), stdout);
    buf_deinit(&text);
}

static int run_prepared(const struct start_ops *ops, void *ctx, const struct options_base *base,
                        const struct common_settings *common)
{
    struct err err = ERR_INIT;
    int status = EXIT_DONE;
    if (ops->prepare(ctx, &err) < 0) {
        fprintf(stderr, "tidewaiter %s: %s\n", base->command->name, err.msg);
        status = EXIT_USAGE;
    } else if (common->check_config) {
        show_settings(base);
    } else {
        log_setup(common->log_level, common->log_format);
        status = ops->run(ctx);
    }
    ops->release(ctx);
    return status;
}

int start_command(const struct start_ops *ops, void *ctx, struct options_base *base,
                  const struct common_settings *common, int argc, char **argv)
{
    struct options_input input = {
        .argc = argc, .argv = argv, .envp = environ, .default_file = OPTIONS_DEFAULT_FILE};
    struct err err = ERR_INIT;
    if (ops->load(ctx, &input, &err) < 0) {
        fprintf(stderr, "tidewaiter: %s\n", err.msg);
        return EXIT_USAGE;
    }
    int status = EXIT_DONE;
    if (common->help) {
        start_print_help(base->command);
    } else if (common->version) {
        command_print_version();
    } else {
        status = run_prepared(ops, ctx, base, common);
    }
    options_deinit(base);
    return status;
}

/* Given as an option or by the tool's own variable, this goes before what the URI says. */
static void replace(char **field, const char *value)
{
    if (value) {
        free(*field);
        *field = xstrdup(value);
    }
}

static void fill_etcd(struct registry_credentials *c, const struct registry_settings *s)
{
    replace(&c->ca_file, s->etcd_cacert);
    replace(&c->cert_file, s->etcd_cert);
    replace(&c->key_file, s->etcd_key);
    replace(&c->user, s->etcd_user);
    replace(&c->password, s->etcd_password);
}

static void fill_consul(struct registry_credentials *c, const struct registry_settings *s)
{
    replace(&c->ca_file, s->consul_cacert);
    replace(&c->cert_file, s->consul_cert);
    replace(&c->key_file, s->consul_key);
    replace(&c->token, s->consul_token);
    c->insecure = s->consul_insecure;
    /* a URI is nearer than a variable, and there is no option for this one */
    if (s->consul_auth && !c->user) {
        size_t len = strcspn(s->consul_auth, ":");
        c->user = xmemdup0(s->consul_auth, len);
        c->password = xstrdup(s->consul_auth[len] ? s->consul_auth + len + 1 : "");
    }
}

/* Where the registry's client would only find out when it connects. */
static int check_files(const struct registry_uri *uri, const char **ret_option,
                       const char **ret_variable, struct err *e)
{
    const struct registry_credentials *c = &uri->credentials;
    bool consul = uri->scheme == REGISTRY_CONSUL || uri->scheme == REGISTRY_CONSULKV;
    const struct {
        const char *path, *etcd[2], *consul[2]; /* option, variable */
    } files[] = {
        {c->ca_file, {"etcd-cacert", "ETCDCTL_CACERT"}, {"consul-cacert", "CONSUL_CACERT"}},
        {c->cert_file, {"etcd-cert", "ETCDCTL_CERT"}, {"consul-cert", "CONSUL_CLIENT_CERT"}},
        {c->key_file, {"etcd-key", "ETCDCTL_KEY"}, {"consul-key", "CONSUL_CLIENT_KEY"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        if (files[i].path && access(files[i].path, R_OK) < 0) {
            *ret_option = consul ? files[i].consul[0] : files[i].etcd[0];
            *ret_variable = consul ? files[i].consul[1] : files[i].etcd[1];
            return err_set(e, ERR_INVALID, -EINVAL, "%s: %s", files[i].path, strerror(errno));
        }
    }
    return 0;
}

static int parse_uri(const struct registry_settings *s, struct registry_uri *ret, struct err *e)
{
    struct registry_uri_env env = {
        .uid = geteuid(),
        .runtime_dir = getenv("XDG_RUNTIME_DIR"),
        .etcd_endpoints = s->etcd_endpoints,
        .consul_addr = s->consul_addr,
        .consul_tls = s->consul_ssl,
        .registrator = s->registrator,
    };
    int r = registry_uri_parse(ret, s->uri, &env, e);
    if (r < 0) {
        return r;
    }
    if (ret->scheme == REGISTRY_ETCD || ret->scheme == REGISTRY_SKYDNS) {
        fill_etcd(&ret->credentials, s);
    } else if (ret->scheme == REGISTRY_CONSUL || ret->scheme == REGISTRY_CONSULKV) {
        fill_consul(&ret->credentials, s);
    }
    return 0;
}

int start_uri(const struct registry_settings *s, struct registry_uri *ret, struct err *e)
{
    const char *option = NULL, *variable = NULL;
    int r = parse_uri(s, ret, e);
    if (r == 0 && (r = check_files(ret, &option, &variable, e)) < 0) {
        err_wrap(e, "%s", variable);
    }
    return r;
}

int start_registry(const struct options_base *base, const struct registry_settings *s,
                   struct registry_uri *ret, struct err *e)
{
    const char *option = "registry", *variable = NULL;
    int r = parse_uri(s, ret, e);
    if (r == 0) {
        r = check_files(ret, &option, &variable, e);
    }
    if (r < 0) {
        options_blame(base, option, 0, e);
    }
    return r;
}

void start_warn_password(const struct registry_uri *uri)
{
    if (uri->password_in_text) {
        bool etcd = uri->scheme == REGISTRY_ETCD || uri->scheme == REGISTRY_SKYDNS;
        log_warn("a password in the registry URI is visible to every user of this host", "better",
                 etcd ? "ETCDCTL_USER and ETCDCTL_PASSWORD" : "CONSUL_HTTP_AUTH", NULL);
    }
}

int start_mapping(const struct options_base *base, const struct mapping_settings *s,
                  struct netif_addrs *addrs, struct mapping_options *ret, struct err *e)
{
    for (size_t i = 0; i < s->filter.n; i++) {
        int r = mapping_filter_check(s->filter.items[i], e);
        if (r < 0) {
            options_blame(base, "filter", i, e);
            return r;
        }
    }
    int r = s->tags ? mapping_tags_check(s->tags, e) : 0;
    if (r < 0) {
        options_blame(base, "tags", 0, e);
        return r;
    }
    r = netif_resolve(s->ip, addrs, e);
    if (r < 0) {
        options_blame(base, "ip", 0, e);
        return r;
    }
    *ret = (struct mapping_options){
        .node = s->node ? s->node : "",
        .host_v4 = addrs->v4,
        .host_v6 = addrs->v6,
        .internal = s->internal,
        .network = s->network ? s->network : "",
        .explicit_only = s->explicit_only,
        .filters = s->filter.items,
        .n_filters = s->filter.n,
        .name_from = (enum mapping_name_from)s->name_from,
        .tags = s->tags ? s->tags : "",
        .health = (enum mapping_health)s->health,
        .deregister = (enum mapping_deregister)s->deregister,
    };
    return 0;
}

int start_docker(const struct options_base *base, const struct docker_settings *s,
                 struct docker_peer *ret, struct err *e)
{
    int r = docker_peer_init(ret, s->url, s->tls_verify, s->cert_path, e);
    if (r < 0) {
        options_blame(base, "docker", 0, e);
    }
    return r;
}
