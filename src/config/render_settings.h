#pragma once
/*
 * Settings of `tidewaiter render`.
 */
#include "config/common_settings.h"
#include "config/registry_settings.h"

/* Counts as enum nginx_empty does. */
enum setting_empty { SETTING_EMPTY_DOWN, SETTING_EMPTY_KEEP, SETTING_EMPTY_OMIT };

struct render_settings {
    struct options_base base;
    struct common_settings common;
    struct registry_settings registry;
    const char *output; /* NULL: stdout, once */
    struct option_list services, expect;
    enum setting_empty empty;
    msec_t hold;
    struct option_span wait;
    const char *check, *reload; /* NULL: none */
    mode_t mode;                /* FS_MODE_KEEP: that of the file in place, else 0644 */
    bool once, dry_run;
};

extern const struct options_command render_command;

/* As options_load(); release with options_deinit(&s->base). */
int render_settings_load(struct render_settings *ret, const struct options_input *input,
                         struct err *e) WARN_UNUSED;
