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
    struct docker_settings docker;      /* for nginx in a container */
    const char *output, *stream_output; /* NULL: none; neither: stdout, once */
    struct option_list services, expect;
    enum setting_empty empty;
    msec_t hold;
    unsigned max_drop; /* percent; 100: off */
    struct option_span wait;
    const char *nginx;          /* "local", "local:/CONF" or "container:NAME"; NULL: none */
    const char *check, *reload; /* commands, see OPTION_COMMAND; NULL: none */
    bool strict;
    unsigned old_workers;
    mode_t mode; /* FS_MODE_KEEP: that of the file in place, else 0644 */
    uid_t uid;   /* of the files; -1: that of the file in place, else this process's */
    gid_t gid;
    bool backup;
    bool once, dry_run, diff;
    const char *owner, *group; /* as given; uid and gid are what they mean */
};

extern const struct options_command render_command;

/* As options_load(); release with options_deinit(&s->base). */
int render_settings_load(struct render_settings *ret, const struct options_input *input,
                         struct err *e) WARN_UNUSED;
