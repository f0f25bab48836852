#pragma once
/*
 * The option engine: one table for each command yields its command line, its environment variables, its
 * keys in the configuration file, its defaults, --help, the reference of the documentation, and the
 * list of effective settings that --check-config prints.
 *
 * Where a value may come from, the stronger first:
 *   1. the command line          --name VALUE, --name=VALUE, -name VALUE, --no-name
 *   2. the environment           TIDEWAITER_NAME
 *   3. the configuration file    name: VALUE in the command's section
 *   4. another tool's variable   DOCKER_HOST, ETCDCTL_CACERT, ... (struct option: env)
 *   5. the default
 * A list takes all its items from the strongest source that names it. An empty value of a string or
 * list means "none" and counts as given; an empty variable counts as not given.
 *
 * Every value is checked, also one that a stronger source outdoes. An error names the option, variable or
 * file:line:column, what was found, and what is allowed.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "tidewaiter/clock.h"
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a value is, and the type of its field in the settings struct. */
enum option_type {
    OPTION_BOOL,     /* bool */
    OPTION_STRING,   /* const char *: NULL when none */
    OPTION_LIST,     /* struct option_list */
    OPTION_UINT,     /* unsigned, min..max */
    OPTION_DURATION, /* msec_t, min..max; max 0: OPTION_DURATION_MAX */
    OPTION_ENUM,     /* an enum whose values count from 0 in the order of choices */
    OPTION_MODE,     /* mode_t: octal up to 0777, or "keep" = FS_MODE_KEEP */
    OPTION_SPAN,     /* struct option_span: MIN[:MAX]; without MAX it is four times MIN */
    /* const char *: one string for the shell, or an argument vector as a JSON array of strings, whose
     * text begins with `["`. The file may give a sequence, which becomes that text. */
    OPTION_COMMAND,
};

#define OPTION_DURATION_MAX (UINT64_C(365) * 86400 * MSEC_PER_SEC)

struct option_list {
    const char *const *items;
    const char *const *origins; /* where each item came from */
    size_t n;
};

struct option_span {
    msec_t min, max;
};

enum option_flag {
    OPTION_POSITIONAL = 1u << 0, /* an argument without a name; STRING: one, LIST: all the rest */
    OPTION_NO_COMMAND_LINE = 1u << 1, /* secrets: a command line is public */
    OPTION_NO_ENV = 1u << 2,          /* no TIDEWAITER_ variable */
    OPTION_NO_FILE = 1u << 3,
    OPTION_SECRET = 1u << 4, /* never shown */
    OPTION_STOPS =
        1u << 5, /* --help, --version: nothing behind it is looked at, nor any other source */
    /* BOOL: the other tool's variable says true or false (as Go reads it); without this any value of
     * it means on. */
    OPTION_TOOL_WORD = 1u << 6,
    OPTION_TOOL_NEGATED = 1u << 7, /* the same, and its true is false here */
};

/* Checks one value (an item of a list) beyond its type; e says what is allowed. */
typedef int (*option_check_fn)(const char *value, struct err *e);

struct option {
    const char *name; /* "name-from" */
    char letter;      /* 'o' for -o, or 0 */
    enum option_type type;
    unsigned flags;
    size_t offset; /* of the field in the settings struct */
    const char *group;
    const char *value_name; /* "FILE"; not for BOOL, ENUM (the choices), DURATION (shown as TIME) */
    const char *default_value;  /* parsed as any other; NULL: zero, NULL, empty list */
    const char *default_words;  /* what --help says of the default instead */
    const char *const *choices; /* ENUM, ends with NULL */
    uint64_t min, max;          /* UINT, DURATION, SPAN */
    const char *env;            /* another tool's variable of the same meaning */
    const char *help;           /* lower case, no full stop */
    option_check_fn check;
};

struct options_base;

struct options_command {
    const char *name;     /* also of its section in the file */
    const char *usage;    /* "tidewaiter agent [OPTIONS] [REGISTRY]" */
    const char *summary;  /* a paragraph */
    const char *epilogue; /* a paragraph behind the options, or NULL */
    const struct option *options;
    size_t n_options;
    size_t settings_size;
    /* Sections of the file that count, the weaker first; ends with NULL. */
    const char *const *reads;
    /* The sections that a file may have; all are checked whatever the command. Ends with NULL. */
    const struct options_command *const *sections;
    /* What no single value tells: runs last, may change settings; or NULL. */
    int (*finish)(struct options_base *base, struct err *e);
};

enum option_source {
    OPTION_UNSET,
    OPTION_FROM_DEFAULT,
    OPTION_FROM_TOOL, /* another tool's variable */
    OPTION_FROM_FILE,
    OPTION_FROM_ENV,
    OPTION_FROM_COMMAND_LINE,
};

struct option_origin {
    enum option_source source;
    unsigned rank; /* source, and among sections of the file the later of `reads` */
    const char
        *text; /* "--ttl", "TIDEWAITER_TTL", "/etc/tidewaiter/tidewaiter.yaml:3:8", "default" */
};

/* First member of every settings struct. */
struct options_base {
    const struct options_command *command;
    struct arena arena;            /* all strings of the settings */
    struct option_origin *origins; /* one for each option */
};

struct options_input {
    int argc;
    char *const *argv; /* behind the command's name */
    char *const *envp;
    const char *default_file; /* read where it exists and --config names no other; or NULL */
    bool tools_only;          /* no TIDEWAITER_ variable counts: another tool's command line */
};

#define OPTIONS_DEFAULT_FILE "/etc/tidewaiter/tidewaiter.yaml"
#define OPTIONS_FILE_MAX     ((size_t)1024 * 1024)

/*
 * Fills a settings struct, whose first member is `ret` and which is overwritten, only on success. After an
 * option that stops (--help, --version) nothing but that option's field is set. On failure: -EINVAL
 * (ERR_INVALID), or the error of reading the file.
 */
int options_load(const struct options_command *command, const struct options_input *input,
                 struct options_base *ret, struct err *e) WARN_UNUSED;

/* Releases the strings; idempotent. The struct is zero afterwards. */
void options_deinit(struct options_base *base);

/* Where the option's value came from. must() exist. */
const struct option_origin *options_origin(const struct options_base *base, const char *name);

/*
 * Puts in front of e where the option's value came from and what the option is called: for checks that
 * only others can make. item: which one of a list.
 */
void options_blame(const struct options_base *base, const char *name, size_t item, struct err *e);

/* For finish(): gives a string option another value, which is copied as the origin's text. */
void options_override(struct options_base *base, const char *name, const char *value,
                      enum option_source source, const char *origin);

/* What --help prints; width is brought into 80..100. */
void options_help(const struct options_command *command, unsigned width, struct buf *out);

/* The effective settings as YAML, each with its origin; secrets are masked. */
void options_show(const struct options_base *base, struct buf *out);

/* The options as a table for docs/, and as the OPTIONS part of a man page. */
void options_markdown(const struct options_command *command, struct buf *out);
void options_man(const struct options_command *command, struct buf *out);
