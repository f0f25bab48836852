#pragma once
/*
 * What every command does first: settings, and what they name, made into what the layers below take.
 * Everything is validated before anything is touched.
 */
#include "config/common_settings.h"
#include "config/mapping_settings.h"
#include "config/registry_settings.h"
#include "docker/peer.h"
#include "io/netif.h"
#include "io/signals.h"
#include "mapping/mapping.h"
#include "registry/uri.h"

/* One command: what start_command() calls in turn, with the command's own struct as ctx. */
struct start_ops {
    /* <command>_settings_load() */
    int (*load)(void *ctx, const struct options_input *input, struct err *e);
    /* Everything that settings name, validated and made; a failure is bad usage. */
    int (*prepare)(void *ctx, struct err *e);
    /* The work; returns the exit status. */
    int (*run)(void *ctx);
    /* Frees what prepare made, also after it failed half way. */
    void (*release)(void *ctx);
};

/*
 * Loads the settings, answers --help, --version and --check-config, refuses what makes no sense, else
 * sets the log up and runs. base and common are members of the command's settings.
 */
int start_command(const struct start_ops *ops, void *ctx, struct options_base *base,
                  const struct common_settings *common, int argc, char **argv);

void start_print_help(const struct options_command *command);

/* As start_registry() for a command line without an option table: a failure names the variable. */
int start_uri(const struct registry_settings *s, struct registry_uri *ret,
              struct err *e) WARN_UNUSED;

/* The URI with its credentials: etcd's for etcd, Consul's for Consul. A failure names where it came
 * from. */
int start_registry(const struct options_base *base, const struct registry_settings *s,
                   struct registry_uri *ret, struct err *e) WARN_UNUSED;

/* A password on the command line is accepted, and worth a word in the log. */
void start_warn_password(const struct registry_uri *uri);

/* Strings of ret point into s and addrs. */
int start_mapping(const struct options_base *base, const struct mapping_settings *s,
                  struct netif_addrs *addrs, struct mapping_options *ret,
                  struct err *e) WARN_UNUSED;

int start_docker(const struct options_base *base, const struct docker_settings *s,
                 struct docker_peer *ret, struct err *e) WARN_UNUSED;
