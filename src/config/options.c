/*
 * Happy path: the command line is taken apart first (it may ask for help, or name the file); then every
 * source applies its values, each with a rank, and a field keeps the value of the highest rank. So the
 * order in which sources are read does not matter, and every value is checked.
 * Failure: the settings under construction are dropped; the caller's struct is untouched.
 * Not done: what values mean together; that is for a command's finish().
 */
#include "config/options.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/must.h"
#include "base/str.h"
#include "config/internal.h"
#include "config/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RANKS_PER_SOURCE 8u /* more than a command reads sections */

const struct option *options_find(const struct options_command *command, const char *name)
{
    for (size_t i = 0; i < command->n_options; i++) {
        if (streq(command->options[i].name, name)) {
            return &command->options[i];
        }
    }
    return NULL;
}

const char *options_env_name(struct arena *arena, const struct option *o)
{
    char *name = arena_printf(arena, "TIDEWAITER_%s", o->name);
    for (char *p = name; *p; p++) {
        if (*p == '-') {
            *p = '_';
        } else if (*p >= 'a' && *p <= 'z') {
            *p = (char)(*p - 'a' + 'A');
        }
    }
    return name;
}

unsigned options_rank(enum option_source source, unsigned within)
{
    must(within < RANKS_PER_SOURCE);
    return (unsigned)source * RANKS_PER_SOURCE + within;
}

static struct option_origin *origin_of(const struct options_base *base, const struct option *o)
{
    size_t i = (size_t)(o - base->command->options);
    must(i < base->command->n_options);
    return &base->origins[i];
}

const struct option_origin *options_origin(const struct options_base *base, const char *name)
{
    const struct option *o = options_find(base->command, name);
    must(o != NULL);
    return origin_of(base, o);
}

/* The arrays double where n is a power of two; outgrown ones stay in the arena until the end. */
static void list_append(struct arena *arena, struct option_list *list, const char *item,
                        const char *origin)
{
    const char **items = (const char **)list->items;
    const char **origins = (const char **)list->origins;
    if ((list->n & (list->n - 1)) == 0) {
        size_t cap = list->n > 0 ? list->n * 2 : 1;
        items = arena_alloc(arena, cap * sizeof(*items));
        origins = arena_alloc(arena, cap * sizeof(*origins));
        if (list->n > 0) {
            memcpy(items, list->items, list->n * sizeof(*items));
            memcpy(origins, list->origins, list->n * sizeof(*origins));
        }
    }
    items[list->n] = arena_strdup(arena, item);
    origins[list->n] = origin;
    *list = (struct option_list){.items = items, .origins = origins, .n = list->n + 1};
}

static void store(struct options_base *base, const struct option *o, const union option_value *v,
                  const char *origin, bool first)
{
    void *field = (char *)base + o->offset;
    switch (o->type) {
    case OPTION_BOOL:
        memcpy(field, &v->flag, sizeof(v->flag));
        break;
    case OPTION_STRING:
    case OPTION_COMMAND:
        *(const char **)field = arena_strdup(&base->arena, v->text);
        break;
    case OPTION_LIST:
        if (first) {
            memset(field, 0, sizeof(struct option_list));
        }
        if (v->text) {
            list_append(&base->arena, field, v->text, origin);
        }
        break;
    case OPTION_UINT:
    case OPTION_ENUM:
        memcpy(field, &v->number, sizeof(v->number));
        break;
    case OPTION_DURATION:
        memcpy(field, &v->duration, sizeof(v->duration));
        break;
    case OPTION_MODE:
        memcpy(field, &v->mode, sizeof(v->mode));
        break;
    case OPTION_SPAN:
        memcpy(field, &v->span, sizeof(v->span));
        break;
    }
}

int options_apply(struct options_state *state, const struct option *o, unsigned rank,
                  const char *origin, const char *value, struct err *e)
{
    union option_value v;
    int r = option_value_parse(o, value, &v, e);
    if (r < 0) {
        return r;
    }
    struct options_base *base = state->settings;
    struct option_origin *now = origin_of(base, o);
    if (rank < now->rank) {
        return 0;
    }
    bool first = rank > now->rank;
    origin = arena_strdup(&base->arena, origin);
    if (first || o->type != OPTION_LIST) {
        *now =
            (struct option_origin){.source = rank / RANKS_PER_SOURCE, .rank = rank, .text = origin};
    }
    store(base, o, &v, origin, first);
    return 0;
}

void options_blame(const struct options_base *base, const char *name, size_t item, struct err *e)
{
    const struct option *o = options_find(base->command, name);
    must(o != NULL);
    const struct option_origin *origin = origin_of(base, o);
    const char *text = origin->text;
    if (o->type == OPTION_LIST) {
        const struct option_list *list = (const void *)((const char *)base + o->offset);
        must(item < list->n);
        text = list->origins[item];
    }
    if (origin->source == OPTION_FROM_FILE) {
        err_wrap(e, "%s: %s", text, name);
    } else {
        err_wrap(e, "%s", origin->source > OPTION_FROM_DEFAULT ? text : name);
    }
}

void options_override(struct options_base *base, const char *name, const char *value,
                      enum option_source source, const char *origin)
{
    const struct option *o = options_find(base->command, name);
    must(o && o->type == OPTION_STRING);
    *(const char **)((char *)base + o->offset) = arena_strdup(&base->arena, value);
    *origin_of(base, o) = (struct option_origin){.source = source,
                                                 .rank = options_rank(source, 0),
                                                 .text = arena_strdup(&base->arena, origin)};
}

/* ---- sources ---- */

static int apply_given(struct options_state *state, const struct option_given *given, size_t n,
                       struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        int r = options_apply(state, given[i].option, options_rank(OPTION_FROM_COMMAND_LINE, 0),
                              given[i].label, given[i].value, e);
        if (r < 0) {
            err_wrap(e, "%s", given[i].label);
            return r;
        }
    }
    return 0;
}

/* A list in one variable: one item a line, or, where there is but one line, separated by commas. */
static int apply_env_list(struct options_state *state, const struct option *o, unsigned rank,
                          const char *name, const char *value, struct err *e)
{
    CLEANUP_FREE char *items = xstrdup(value);
    const char *separator = strchr(items, '\n') ? "\n" : ",";
    char *rest = items;
    for (char *item; (item = strsep(&rest, separator)) != NULL;) {
        int r = options_apply(state, o, rank, name, item, e);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* What another tool's variable says of a switch; text that is no such word is returned as it is. */
static const char *tool_switch(const struct option *o, const char *text)
{
    bool negated = (o->flags & OPTION_TOOL_NEGATED) != 0, on = true;
    if ((negated || o->flags & OPTION_TOOL_WORD) && !str_to_go_bool(text, &on)) {
        return text;
    }
    return on != negated ? "true" : "false";
}

static int apply_variable(struct options_state *state, const struct option *o,
                          enum option_source source, const char *name, char *const *envp,
                          struct err *e)
{
    const size_t len = strlen(name);
    const char *value = NULL;
    for (size_t i = 0; envp[i]; i++) {
        if (strncmp(envp[i], name, len) == 0 && envp[i][len] == '=') {
            value = envp[i] + len + 1;
            break;
        }
    }
    if (str_empty(value)) {
        return 0;
    }
    if (source == OPTION_FROM_TOOL && o->type == OPTION_BOOL) {
        value = tool_switch(o, value);
    }
    unsigned rank = options_rank(source, 0);
    int r = o->type == OPTION_LIST ? apply_env_list(state, o, rank, name, value, e)
                                   : options_apply(state, o, rank, name, value, e);
    if (r < 0) {
        err_wrap(e, "%s", name);
    }
    return r;
}

static int apply_env(struct options_state *state, const struct options_input *input, struct err *e)
{
    char *const *envp = input->envp;
    struct arena *arena = &state->settings->arena;
    for (size_t i = 0; i < state->command->n_options; i++) {
        const struct option *o = &state->command->options[i];
        int r = 0;
        if (!(o->flags & OPTION_NO_ENV) && !input->tools_only) {
            r = apply_variable(state, o, OPTION_FROM_ENV, options_env_name(arena, o), envp, e);
        }
        if (r == 0 && o->env) {
            r = apply_variable(state, o, OPTION_FROM_TOOL, o->env, envp, e);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int apply_file(struct options_state *state, const char *default_file, struct err *e)
{
    const struct option *o = options_find(state->command, "config");
    const char *named = o ? *(const char **)((char *)state->settings + o->offset) : NULL;
    const char *path = named ? named : default_file;
    if (!path) {
        return 0;
    }
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(OPTIONS_FILE_MAX);
    int r = fs_read(path, &text, e);
    if (r < 0 && !named && (r == -ENOENT || r == -ENOTDIR)) {
        return 0;
    }
    if (r < 0) {
        err_wrap(e, "%s", named ? options_origin(state->settings, "config")->text : "config");
        return r;
    }
    r = options_read_yaml(state, path, buf_str(&text), text.len, e);
    if (r == 0 && o && !named) {
        options_override(state->settings, "config", path, OPTION_FROM_DEFAULT, "default");
    }
    return r;
}

static void apply_defaults(struct options_state *state)
{
    for (size_t i = 0; i < state->command->n_options; i++) {
        const struct option *o = &state->command->options[i];
        struct err e;
        if (o->default_value) {
            int r = options_apply(state, o, options_rank(OPTION_FROM_DEFAULT, 0), "default",
                                  o->default_value, &e);
            must(r == 0);
        }
    }
}

static int load(struct options_state *state, const struct options_input *input, struct err *e)
{
    struct arena *arena = &state->settings->arena;
    struct option_given *given;
    size_t n;
    int r = options_scan(state->command, input->argc, input->argv, arena, &given, &n, e);
    if (r < 0) {
        return r;
    }
    if (n > 0 && given[n - 1].option->flags & OPTION_STOPS) {
        return apply_given(state, &given[n - 1], 1, e);
    }
    r = apply_given(state, given, n, e);
    if (r == 0) {
        r = apply_env(state, input, e);
    }
    if (r == 0) {
        r = apply_file(state, input->default_file, e);
    }
    if (r < 0) {
        return r;
    }
    apply_defaults(state);
    return state->command->finish ? state->command->finish(state->settings, e) : 0;
}

int options_load(const struct options_command *command, const struct options_input *input,
                 struct options_base *ret, struct err *e)
{
    CLEANUP_FREE struct options_base *settings = xcalloc(1, command->settings_size);
    settings->command = command;
    arena_init(&settings->arena);
    settings->origins =
        arena_alloc(&settings->arena, command->n_options * sizeof(*settings->origins));

    struct options_state state = {.command = command, .settings = settings};
    int r = load(&state, input, e);
    if (r < 0) {
        options_deinit(settings);
        return r;
    }
    memcpy(ret, settings, command->settings_size);
    return 0;
}

void options_deinit(struct options_base *base)
{
    if (base->command) {
        arena_deinit(&base->arena);
        memset(base, 0, base->command->settings_size);
    }
}
