#pragma once
/*
 * Settings of `tidewaiter agent`.
 */
#include "config/common_settings.h"
#include "config/mapping_settings.h"
#include "config/registry_settings.h"

enum setting_on_exit { SETTING_EXIT_KEEP, SETTING_EXIT_DEREGISTER };

struct agent_settings {
    struct options_base base;
    struct common_settings common;
    struct registry_settings registry;
    struct docker_settings docker;
    struct mapping_settings mapping;
    msec_t ttl;
    bool drain;
    msec_t resync;
    enum setting_on_exit on_exit;
    unsigned inspects;
    bool once, dry_run;
};

extern const struct options_command agent_command;

/* As options_load(); release with options_deinit(&s->base). */
int agent_settings_load(struct agent_settings *ret, const struct options_input *input,
                        struct err *e) WARN_UNUSED;
