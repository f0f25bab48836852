#pragma once
/*
 * Settings of `tidewaiter ls`.
 */
#include "config/common_settings.h"
#include "config/registry_settings.h"

struct ls_settings {
    struct options_base base;
    struct common_settings common;
    struct registry_settings registry;
    struct option_list services;
    bool json, watch;
};

extern const struct options_command ls_command;

/* As options_load(); release with options_deinit(&s->base). */
int ls_settings_load(struct ls_settings *ret, const struct options_input *input,
                     struct err *e) WARN_UNUSED;
