#pragma once
/*
 * Settings of the command line of gliderlabs/registrator: its flags, one registry URI, and the variables of
 * Docker, Consul and etcd. No configuration file and no TIDEWAITER_ variable counts.
 */
#include "config/common_settings.h"
#include "config/registry_settings.h"

struct registrator_flags {
    const char *ip; /* "": not given; a valid address otherwise */
    bool internal, explicit_only, cleanup;
    const char *ip_label;     /* "": none */
    const char *tags;         /* "": none; unchecked: see mapping_tags_check() */
    int64_t ttl, ttl_refresh; /* seconds; 0: none */
    int64_t resync;           /* seconds; 0 or less: none */
    int64_t retry_attempts;   /* below 0: for ever */
    int64_t retry_interval;   /* milliseconds, above 0 */
    const char *deregister;   /* "always" or "on-success" */
};

struct registrator_settings {
    struct options_base base; /* of what variables gave */
    struct registry_settings registry;
    struct docker_settings docker;
    struct registrator_flags flags;
};

enum registrator_outcome {
    REGISTRATOR_E_HELP = 1, /* -h or -help */
    REGISTRATOR_E_VERSION,  /* --version, and nothing else */
    REGISTRATOR_E_USAGE,    /* e says what is wrong; the usage belongs behind it */
};

/*
 * 0; an outcome; or -EINVAL (or the error of reading a file) for what has the right form but makes no
 * sense, e says what. argv is borrowed as long as ret is; release with options_deinit(&ret->base). ret is
 * written only on success.
 */
int registrator_settings_load(struct registrator_settings *ret, const struct options_input *input,
                              struct err *e) WARN_UNUSED;

void registrator_usage(struct buf *out);
