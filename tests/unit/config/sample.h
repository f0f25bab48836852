#pragma once
/*
 * A small command with an option of every type, and how the tests load it.
 */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "config/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum sample_kind { SAMPLE_RED, SAMPLE_GREEN, SAMPLE_BLUE };

struct sample {
    struct options_base base;
    const char *config, *target, *text, *secret;
    struct option_list list;
    bool flag, on, help;
    unsigned number;
    msec_t time;
    enum sample_kind kind;
    mode_t mode;
    struct option_span span;
};

static const char *const SAMPLE_KINDS[] = {"red", "green", "blue", NULL};

static int sample_check(const char *value, struct err *e)
{
    return !*value || streq(value, "bad")
               ? err_set(e, ERR_INVALID, -EINVAL, "found bad, allowed: good")
               : 0;
}

static const struct option SAMPLE_OPTIONS[] = {
    {.name = "target",
     .type = OPTION_STRING,
     .flags = OPTION_POSITIONAL,
     .offset = offsetof(struct sample, target),
     .group = "Arguments",
     .value_name = "TARGET",
     .help = "what to do it to"},
    {.name = "text",
     .letter = 't',
     .type = OPTION_STRING,
     .offset = offsetof(struct sample, text),
     .group = "Values",
     .value_name = "WORDS",
     .env = "TOOL_TEXT",
     .check = sample_check,
     .help = "some words"},
    {.name = "secret",
     .type = OPTION_STRING,
     .flags = OPTION_NO_COMMAND_LINE | OPTION_SECRET,
     .offset = offsetof(struct sample, secret),
     .group = "Values",
     .help = "never shown"},
    {.name = "list",
     .type = OPTION_LIST,
     .offset = offsetof(struct sample, list),
     .group = "Values",
     .value_name = "ITEM",
     .default_value = "*",
     .check = sample_check,
     .help = "one more"},
    {.name = "flag",
     .type = OPTION_BOOL,
     .offset = offsetof(struct sample, flag),
     .group = "Switches",
     .env = "TOOL_FLAG",
     .help = "off unless given"},
    {.name = "on-by-default",
     .type = OPTION_BOOL,
     .offset = offsetof(struct sample, on),
     .group = "Switches",
     .default_value = "true",
     .help = "on unless told not to"},
    {.name = "number",
     .type = OPTION_UINT,
     .offset = offsetof(struct sample, number),
     .group = "Values",
     .default_value = "16",
     .min = 1,
     .max = 256,
     .help = "how many of them there are to be, which is a number and nothing but a number"},
    {.name = "time",
     .type = OPTION_DURATION,
     .offset = offsetof(struct sample, time),
     .group = "Values",
     .default_value = "30s",
     .min = 5000,
     .max = 3600000,
     .help = "how long"},
    {.name = "kind",
     .type = OPTION_ENUM,
     .offset = offsetof(struct sample, kind),
     .group = "Values",
     .default_value = "green",
     .choices = SAMPLE_KINDS,
     .help = "which one"},
    {.name = "mode",
     .type = OPTION_MODE,
     .offset = offsetof(struct sample, mode),
     .group = "Values",
     .default_value = "keep",
     .default_words = "as it was",
     .help = "whose it is"},
    {.name = "span",
     .type = OPTION_SPAN,
     .offset = offsetof(struct sample, span),
     .group = "Values",
     .default_value = "100ms:1s",
     .help = "from and to"},
    {.name = "config",
     .type = OPTION_STRING,
     .flags = OPTION_NO_FILE,
     .offset = offsetof(struct sample, config),
     .group = "Other",
     .value_name = "FILE",
     .help = "where the rest is"},
    {.name = "help",
     .letter = 'h',
     .type = OPTION_BOOL,
     .flags = OPTION_STOPS | OPTION_NO_ENV | OPTION_NO_FILE,
     .offset = offsetof(struct sample, help),
     .group = "Other",
     .help = "this"},
};

/* Another command's section, of which the sample command reads what it has too. */
static const struct option OTHER_OPTIONS[] = {
    {.name = "text",
     .type = OPTION_STRING,
     .offset = offsetof(struct sample, text),
     .group = "Values",
     .help = "some words"},
    {.name = "size",
     .type = OPTION_UINT,
     .offset = offsetof(struct sample, number),
     .group = "Values",
     .min = 1,
     .max = 9,
     .help = "how large"},
};

static const struct options_command sample_command;

static const struct options_command other_command = {
    .name = "other",
    .options = OTHER_OPTIONS,
    .n_options = ARRAY_LEN(OTHER_OPTIONS),
};

static const struct options_command *const SAMPLE_SECTIONS[] = {&sample_command, &other_command,
                                                                NULL};
static const char *const SAMPLE_READS[] = {"other", "sample", NULL};

static const struct options_command sample_command = {
    .name = "sample",
    .usage = "sample [OPTIONS] [TARGET]",
    .summary = "Does something.",
    .epilogue = "That is all.",
    .options = SAMPLE_OPTIONS,
    .n_options = ARRAY_LEN(SAMPLE_OPTIONS),
    .settings_size = sizeof(struct sample),
    .reads = SAMPLE_READS,
    .sections = SAMPLE_SECTIONS,
};

/* Words separated by blanks; '~' inside a word stands for a blank, "''" for an empty word. */
struct words {
    char text[1024];
    char *items[64];
    int n;
};

static inline void words_split(struct words *w, const char *text)
{
    memset(w, 0, sizeof(*w));
    str_copy(w->text, sizeof(w->text), text);
    char *rest = w->text;
    for (char *item; (item = strsep(&rest, " ")) != NULL;) {
        if (!*item) {
            continue;
        }
        if (streq(item, "''")) {
            *item = '\0';
        }
        for (char *p = item; *p; p++) {
            *p = *p == '~' ? ' ' : *p;
        }
        w->items[w->n++] = item;
    }
}

static inline int sample_load(struct sample *ret, const char *arguments, const char *env,
                              const char *default_file, struct err *e)
{
    struct words argv, envp;
    words_split(&argv, arguments);
    words_split(&envp, env);
    const struct options_input input = {
        .argc = argv.n, .argv = argv.items, .envp = envp.items, .default_file = default_file};
    return options_load(&sample_command, &input, &ret->base, e);
}

/* A file of the text below /tmp; its path is valid until the next call. */
static inline const char *sample_file(const char *text)
{
    static char path[64];
    snprintf(path, sizeof(path), "/tmp/tidewaiter-config-%ld.yaml", (long)getpid());
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
        return NULL;
    }
    return path;
}
