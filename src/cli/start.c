/*
 * From settings to what the layers below take. A setting that makes no sense is refused with its origin
 * (option, variable or file:line:column) in front. Warnings about settings that work but are unwise go
 * to the log, once, when the command starts.
 */
#include "cli/start.h"

#include <stdio.h>
#include <stdlib.h>
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

int start_registry(const struct options_base *base, const struct registry_settings *s,
                   struct registry_uri *ret, struct err *e)
{
    struct registry_uri_env env = {
        .uid = geteuid(),
        .runtime_dir = getenv("XDG_RUNTIME_DIR"),
        .etcd_endpoints = s->etcd_endpoints,
    };
    int r = registry_uri_parse(ret, s->uri, &env, e);
    if (r < 0) {
        options_blame(base, "registry", 0, e);
        return r;
    }
    struct registry_credentials *c = &ret->credentials;
    c->ca_file = xstrdup(s->etcd_cacert);
    c->cert_file = xstrdup(s->etcd_cert);
    c->key_file = xstrdup(s->etcd_key);
    if (s->etcd_user) {
        free(c->user);
        c->user = xstrdup(s->etcd_user);
    }
    if (s->etcd_password) {
        free(c->password);
        c->password = xstrdup(s->etcd_password);
    }
    return 0;
}

void start_warn_password(const struct registry_uri *uri)
{
    if (uri->password_in_text) {
        log_warn("a password in the registry URI is visible to every user of this host, better use "
                 "--etcd-password-file or ETCDCTL_PASSWORD",
                 NULL);
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
