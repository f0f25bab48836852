#pragma once
/*
 * What every command does first: settings, and what they name, made into what the layers below take.
 * Everything is validated before anything is touched.
 */
#include "config/common_settings.h"
#include "config/mapping_settings.h"
#include "docker/peer.h"
#include "io/netif.h"
#include "io/signals.h"
#include "mapping/mapping.h"
#include "registry/uri.h"

/* The command's arguments, this process's environment, and the default configuration file. */
struct options_input start_input(int argc, char **argv);

/* After loading: true when the command is over (bad usage, --help, --version), with its status. */
bool start_over(int loaded, const struct options_base *base, const struct common_settings *common,
                const struct err *e, int *ret_status);

/* --check-config was asked: prints the effective settings, returns the status. */
int start_show(const struct options_base *base);

void start_print_help(const struct options_command *command);

/* "tidewaiter agent: <message>" on stderr; returns EXIT_USAGE. */
int start_refuse(const struct options_base *base, const struct err *e);

void start_log(const struct common_settings *common);

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
