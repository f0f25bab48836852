#pragma once
/*
 * Settings of `tidewaiter explain`.
 */
#include "config/common_settings.h"
#include "config/mapping_settings.h"

struct explain_settings {
    struct options_base base;
    struct common_settings common;
    struct docker_settings docker;
    struct mapping_settings mapping;
    struct option_list containers; /* at least one, unless --help, --version or --check-config */
    bool json;
};

extern const struct options_command explain_command;

/* As options_load(); release with options_deinit(&s->base). */
int explain_settings_load(struct explain_settings *ret, const struct options_input *input,
                          struct err *e) WARN_UNUSED;
