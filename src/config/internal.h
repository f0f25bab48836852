#pragma once
/*
 * What the files of the option engine share.
 */
#include "config/options.h"

/* A load in progress: settings under construction, first member struct options_base. */
struct options_state {
    const struct options_command *command;
    struct options_base *settings;
};

/* One value as a source gives it. */
struct option_given {
    const struct option *option;
    const char *value;
    const char *label; /* as typed, for messages: "--ttl", "-o", "REGISTRY" */
};

/* "a, b" names of tables */
const struct option *options_find(const struct options_command *command, const char *name);

/* "TIDEWAITER_NAME_FROM", in the arena. */
const char *options_env_name(struct arena *arena, const struct option *o);

/*
 * Checks a value and, unless a stronger source has spoken, stores it. e is filled with what was found
 * and what is allowed, without a word on where.
 */
int options_apply(struct options_state *state, const struct option *o, unsigned rank,
                  const char *origin, const char *value, struct err *e) WARN_UNUSED;
unsigned options_rank(enum option_source source, unsigned within);

/*
 * Takes a command line apart; the values stay unchecked. Fills ret with at most argc entries, in the
 * arena. Ends at an option that stops.
 */
int options_scan(const struct options_command *command, int argc, char *const *argv,
                 struct arena *arena, struct option_given **ret, size_t *ret_n,
                 struct err *e) WARN_UNUSED;

/* Reads the file's text; name is for messages. */
int options_read_yaml(struct options_state *state, const char *name, const char *text, size_t len,
                      struct err *e) WARN_UNUSED;
