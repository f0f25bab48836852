/*
 * Happy path: each argument is an option with its value, or a positional one; "--" ends the options.
 * Failure: an unknown option is named with the nearest valid one; a missing, superfluous or unexpected
 * value with what is allowed.
 * Not done: abbreviated names and bundled letters, because "-outptu" must not write a file "utptu".
 */
#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"
#include "config/internal.h"
#include "config/nearest.h"
#include "config/value.h"

#include <errno.h>
#include <string.h>

#define NO "no-"

struct scan {
    const struct options_command *command;
    struct arena *arena;
    struct option_given *given;
    size_t n;
    bool stopped;
};

static bool on_command_line(const struct option *o)
{
    return !(o->flags & (OPTION_POSITIONAL | OPTION_NO_COMMAND_LINE));
}

static const struct option *find_by_name(const struct scan *s, const char *name)
{
    const struct option *o = options_find(s->command, name);
    return o && on_command_line(o) ? o : NULL;
}

static const struct option *find_by_letter(const struct scan *s, char letter)
{
    for (size_t i = 0; i < s->command->n_options; i++) {
        if (letter && s->command->options[i].letter == letter) {
            return &s->command->options[i];
        }
    }
    return NULL;
}

static void give(struct scan *s, const struct option *o, const char *value, const char *label)
{
    s->given[s->n++] = (struct option_given){.option = o, .value = value, .label = label};
    s->stopped = (o->flags & OPTION_STOPS) != 0;
}

static int unknown(const struct scan *s, const char *typed, const char *name, struct err *e)
{
    struct nearest nearest;
    nearest_init(&nearest, name);
    for (size_t i = 0; i < s->command->n_options; i++) {
        const struct option *o = &s->command->options[i];
        if (!on_command_line(o)) {
            continue;
        }
        nearest_offer(&nearest, o->name);
        if (o->type == OPTION_BOOL && !(o->flags & OPTION_STOPS)) {
            nearest_offer(&nearest, arena_printf(s->arena, NO "%s", o->name));
        }
    }
    const char *best = nearest_best(&nearest);
    return err_set(e, ERR_INVALID, -EINVAL, "unknown option %.80s; %s%s%s", typed,
                   best ? "did you mean --" : "tidewaiter ", best ? best : s->command->name,
                   best ? "?" : " --help lists the options");
}

static int missing(const struct option *o, const char *typed, struct err *e)
{
    struct buf allowed CLEANUP(buf_deinit) = BUF_INIT(1024);
    if (o->type == OPTION_STRING || o->type == OPTION_LIST) {
        option_value_name(o, &allowed);
    } else {
        option_value_allowed(o, &allowed);
    }
    return err_set(e, ERR_INVALID, -EINVAL, "%s needs a value: %s", typed, buf_str(&allowed));
}

/* Option at argv[i]; *ret_used says whether its value took argv[i + 1]. */
static int scan_option(struct scan *s, int argc, char *const *argv, int i, int *ret_used,
                       struct err *e)
{
    const char *arg = argv[i];
    const char *name = arg + (arg[1] == '-' ? 2 : 1);
    const char *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    name = arena_memdup0(s->arena, name, len);
    const char *typed =
        arena_memdup0(s->arena, arg, (size_t)(equals ? equals - arg : (ptrdiff_t)strlen(arg)));

    const struct option *o = find_by_name(s, name);
    if (!o && len == 1 && arg[1] != '-') {
        o = find_by_letter(s, name[0]);
    }
    bool negated = false;
    if (!o && str_starts(name, NO)) {
        o = find_by_name(s, name + strlen(NO));
        negated = o && o->type == OPTION_BOOL && !(o->flags & OPTION_STOPS);
        o = negated ? o : NULL;
    }
    if (!o) {
        return unknown(s, typed, name, e);
    }
    *ret_used = 0;
    if (equals && (negated || o->flags & OPTION_STOPS)) {
        return err_set(e, ERR_INVALID, -EINVAL, "%s takes no value, found \"%.80s\"", typed,
                       equals + 1);
    }
    if (equals) {
        give(s, o, equals + 1, typed);
    } else if (o->type == OPTION_BOOL) {
        give(s, o, negated ? "false" : "true", typed);
    } else if (i + 1 < argc) {
        give(s, o, argv[i + 1], typed);
        *ret_used = 1;
    } else {
        return missing(o, typed, e);
    }
    return 0;
}

static int scan_positional(struct scan *s, const char *arg, struct err *e)
{
    for (size_t i = 0; i < s->command->n_options; i++) {
        const struct option *o = &s->command->options[i];
        bool taken = false;
        for (size_t k = 0; k < s->n; k++) {
            taken |= s->given[k].option == o;
        }
        if (o->flags & OPTION_POSITIONAL && (!taken || o->type == OPTION_LIST)) {
            give(s, o, arg, o->value_name);
            return 0;
        }
    }
    struct buf shown CLEANUP(buf_deinit) = BUF_INIT(strlen(arg) * 4 + 1);
    option_mask_passwords(arg, &shown);
    return err_set(e, ERR_INVALID, -EINVAL, "unexpected argument \"%.80s\"; usage: %s",
                   buf_str(&shown), s->command->usage);
}

int options_scan(const struct options_command *command, int argc, char *const *argv,
                 struct arena *arena, struct option_given **ret, size_t *ret_n, struct err *e)
{
    must(argc >= 0);
    struct scan s = {.command = command, .arena = arena};
    s.given = arena_alloc(arena, ((size_t)argc + 1) * sizeof(*s.given));

    bool options_ended = false;
    for (int i = 0; i < argc && !s.stopped; i++) {
        int used = 0, r = 0;
        if (options_ended || argv[i][0] != '-' || !argv[i][1]) {
            r = scan_positional(&s, argv[i], e);
        } else if (streq(argv[i], "--")) {
            options_ended = true;
        } else {
            r = scan_option(&s, argc, argv, i, &used, e);
        }
        if (r < 0) {
            return r;
        }
        i += used;
    }
    *ret = s.given;
    *ret_n = s.n;
    return 0;
}
