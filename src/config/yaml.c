/*
 * The configuration file:
 *
 *     agent:
 *       node: web1
 *       filter: [label=public, name=web-*]
 *
 * Happy path: libyaml's events are read as a mapping of sections, each a mapping of option names to a
 * scalar or, for lists and commands, a sequence of scalars. No tree is built.
 * Failure: file:line:column, what was found, what is allowed, the nearest name. Anchors' aliases are
 * refused, so that no small file can mean a large one.
 */
#include "base/alloc.h"
#include "base/json.h"
#include "base/must.h"
#include "base/str.h"
#include "config/internal.h"
#include "config/nearest.h"
#include "config/value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

/* every byte of a file may become an escape of six */
#define VECTOR_TEXT_MAX (OPTIONS_FILE_MAX * 8)

struct reader {
    struct options_state *state;
    const char *name;
    yaml_parser_t parser;
    const char *text;
    size_t len;
    yaml_event_t event; /* the current one; owned */
    bool has_event;
};

struct section {
    const struct options_command *command;
    unsigned rank; /* of its values; 0: not of this command, only checked */
    uint64_t seen; /* options that it has named, by place in its table */
};

static void drop_event(struct reader *r)
{
    if (r->has_event) {
        yaml_event_delete(&r->event);
        r->has_event = false;
    }
}

static int syntax_error(struct reader *r, struct err *e)
{
    const yaml_parser_t *p = &r->parser;
    must(p->error != YAML_MEMORY_ERROR);
    size_t line = p->problem_mark.line, column = p->problem_mark.column;
    if (p->error == YAML_READER_ERROR) {
        /* here libyaml tells the byte only */
        line = column = 0;
        for (size_t i = 0; i < p->problem_offset && i < r->len; i++) {
            column = r->text[i] == '\n' ? 0 : column + 1;
            line += r->text[i] == '\n';
        }
    }
    return err_set(e, ERR_INVALID, -EINVAL, "%s:%zu:%zu: %s%s%s", r->name, line + 1, column + 1,
                   p->problem ? p->problem : "not YAML", p->context ? " " : "",
                   p->context ? p->context : "");
}

static int next(struct reader *r, struct err *e)
{
    drop_event(r);
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        return syntax_error(r, e);
    }
    r->has_event = true;
    return 0;
}

/* The message gets "file:line:column: " of the current event in front. */
static int fail(const struct reader *r, struct err *e)
{
    err_wrap(e, "%s:%zu:%zu", r->name, r->event.start_mark.line + 1,
             r->event.start_mark.column + 1);
    return -EINVAL;
}

static const char *found(const struct reader *r)
{
    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        return "a value";
    case YAML_SEQUENCE_START_EVENT:
        return "a list";
    case YAML_MAPPING_START_EVENT:
        return "a mapping";
    case YAML_ALIAS_EVENT:
        return "an alias";
    default:
        return "nothing";
    }
}

static int expected(const struct reader *r, const char *what, struct err *e)
{
    err_set(e, ERR_INVALID, -EINVAL, "found %s, allowed: %s", found(r), what);
    return fail(r, e);
}

static bool is_null(const struct reader *r)
{
    const yaml_event_t *ev = &r->event;
    if (ev->type != YAML_SCALAR_EVENT || ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
        return false;
    }
    const char *text = (const char *)ev->data.scalar.value;
    return !*text || streq(text, "~") || streq(text, "null");
}

/* The current event as text; borrowed until next(). */
static int scalar(const struct reader *r, const char *what, const char **ret, struct err *e)
{
    if (r->event.type != YAML_SCALAR_EVENT) {
        return expected(r, what, e);
    }
    const char *text = (const char *)r->event.data.scalar.value;
    if (strlen(text) != r->event.data.scalar.length) {
        err_set(e, ERR_INVALID, -EINVAL, "found a NUL character, allowed: %s", what);
        return fail(r, e);
    }
    *ret = is_null(r) ? "" : text;
    return 0;
}

static int apply(struct reader *r, const struct section *s, const struct option *declared,
                 const char *value, struct err *e)
{
    const struct option *own = options_find(r->state->command, declared->name);
    const struct option *o = own && !(own->flags & OPTION_NO_FILE) ? own : declared;
    char origin[ERR_MSG_MAX];
    snprintf(origin, sizeof(origin), "%s:%zu:%zu", r->name, r->event.start_mark.line + 1,
             r->event.start_mark.column + 1);
    int code;
    if (s->rank > 0 && o == own) {
        code = options_apply(r->state, o, s->rank, origin, value, e);
    } else {
        union option_value ignored;
        code = option_value_parse(declared, value, &ignored, e);
    }
    if (code < 0) {
        err_wrap(e, "%s.%s", s->command->name, declared->name);
        return fail(r, e);
    }
    return 0;
}

static int read_list(struct reader *r, const struct section *s, const struct option *o,
                     struct err *e)
{
    /* also an empty list is one */
    int code = apply(r, s, o, "", e);
    while (code == 0 && (code = next(r, e)) == 0 && r->event.type != YAML_SEQUENCE_END_EVENT) {
        const char *item;
        code = scalar(r, "a list of plain values", &item, e);
        if (code == 0) {
            code = apply(r, s, o, item, e);
        }
    }
    return code;
}

/* An argument vector becomes its JSON text. */
static int read_vector(struct reader *r, const struct section *s, const struct option *o,
                       struct err *e)
{
    static const char allowed[] = "a list of plain values, the first of which names a program";
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(VECTOR_TEXT_MAX);
    struct json_writer w;
    json_begin(&w, &text);
    json_array(&w);
    const yaml_mark_t begin = r->event.start_mark;
    bool named = false;
    int code;
    while ((code = next(r, e)) == 0 && r->event.type != YAML_SEQUENCE_END_EVENT) {
        const char *item;
        code = scalar(r, allowed, &item, e);
        if (code < 0) {
            return code;
        }
        if (is_null(r) || (!named && !*item)) {
            break; /* as an argument, null would be an empty word without anyone having said so */
        }
        named = true;
        json_put_str(&w, item);
    }
    if (code < 0) {
        return code;
    }
    if (r->event.type != YAML_SEQUENCE_END_EVENT || !named) {
        err_set(e, ERR_INVALID, -EINVAL, "found nothing, allowed: %s", allowed);
        return fail(r, e);
    }
    json_array_end(&w);
    must(buf_error(&text) == 0);
    r->event.start_mark = begin; /* the value's place is not that of its bracket */
    return apply(r, s, o, buf_str(&text), e);
}

static int read_value(struct reader *r, const struct section *s, const struct option *o,
                      struct err *e)
{
    int code = next(r, e);
    if (code < 0) {
        return code;
    }
    if (r->event.type == YAML_SEQUENCE_START_EVENT && o->type == OPTION_LIST) {
        return read_list(r, s, o, e);
    }
    if (r->event.type == YAML_SEQUENCE_START_EVENT && o->type == OPTION_COMMAND) {
        return read_vector(r, s, o, e);
    }
    struct buf allowed = BUF_INIT(1024);
    buf_puts(&allowed, o->type == OPTION_LIST ? "a list, or one value: " : "");
    option_value_allowed(o, &allowed);
    const char *text;
    code = scalar(r, buf_str(&allowed), &text, e);
    buf_deinit(&allowed);
    return code < 0 ? code : apply(r, s, o, text, e);
}

static int unknown(const struct reader *r, const char *kind, const char *word,
                   const struct nearest *nearest, struct err *e)
{
    const char *best = nearest_best(nearest);
    err_set(e, ERR_INVALID, -EINVAL, "unknown %s \"%.60s\"%s%s%s", kind, word,
            best ? "; did you mean " : "", best ? best : "", best ? "?" : "");
    return fail(r, e);
}

static bool in_file(const struct option *o)
{
    return !(o->flags & OPTION_NO_FILE);
}

/* The current event is a key of the section. */
static int read_option(struct reader *r, struct section *s, struct err *e)
{
    const char *key;
    int code = scalar(r, "the name of an option", &key, e);
    if (code < 0) {
        return code;
    }
    const struct option *o = options_find(s->command, key);
    if (!o || !in_file(o)) {
        struct nearest nearest;
        nearest_init(&nearest, key);
        for (size_t i = 0; i < s->command->n_options; i++) {
            if (in_file(&s->command->options[i])) {
                nearest_offer(&nearest, s->command->options[i].name);
            }
        }
        char kind[64];
        snprintf(kind, sizeof(kind), "option of section %s", s->command->name);
        return unknown(r, kind, key, &nearest, e);
    }
    size_t place = (size_t)(o - s->command->options);
    must(place < 64);
    if (s->seen & UINT64_C(1) << place) {
        err_set(e, ERR_INVALID, -EINVAL, "%s.%s is given twice", s->command->name, o->name);
        return fail(r, e);
    }
    s->seen |= UINT64_C(1) << place;
    return read_value(r, s, o, e);
}

static int read_section(struct reader *r, struct section *s, struct err *e)
{
    int code = next(r, e);
    if (code < 0 || is_null(r)) {
        return code;
    }
    if (r->event.type != YAML_MAPPING_START_EVENT) {
        return expected(r, "a mapping of options", e);
    }
    while ((code = next(r, e)) == 0 && r->event.type != YAML_MAPPING_END_EVENT) {
        code = read_option(r, s, e);
        if (code < 0) {
            return code;
        }
    }
    return code;
}

static unsigned rank_of(const struct options_command *reader, const char *section)
{
    for (unsigned i = 0; reader->reads[i]; i++) {
        if (streq(reader->reads[i], section)) {
            return options_rank(OPTION_FROM_FILE, i);
        }
    }
    return 0;
}

/* The current event is a key of the document. */
static int read_section_of_name(struct reader *r, unsigned *seen, struct err *e)
{
    const struct options_command *const *sections = r->state->command->sections;
    const char *key;
    int code = scalar(r, "the name of a section", &key, e);
    if (code < 0) {
        return code;
    }
    struct nearest nearest;
    nearest_init(&nearest, key);
    for (unsigned i = 0; sections[i]; i++) {
        const char *name = sections[i]->name;
        nearest_offer(&nearest, name);
        if (!streq(key, name)) {
            continue;
        }
        if (*seen & 1u << i) {
            err_set(e, ERR_INVALID, -EINVAL, "section %s is given twice", name);
            return fail(r, e);
        }
        *seen |= 1u << i;
        struct section s = {.command = sections[i], .rank = rank_of(r->state->command, name)};
        return read_section(r, &s, e);
    }
    return unknown(r, "section", key, &nearest, e);
}

static int read_document(struct reader *r, struct err *e)
{
    int code = next(r, e);
    if (code < 0) {
        return code;
    }
    if (!is_null(r)) {
        if (r->event.type != YAML_MAPPING_START_EVENT) {
            return expected(r, "a mapping of sections", e);
        }
        unsigned seen = 0;
        while ((code = next(r, e)) == 0 && r->event.type != YAML_MAPPING_END_EVENT) {
            code = read_section_of_name(r, &seen, e);
            if (code < 0) {
                return code;
            }
        }
    }
    return code < 0 ? code : next(r, e); /* the document's end */
}

static int read_stream(struct reader *r, struct err *e)
{
    int code = next(r, e); /* the stream's begin */
    for (unsigned documents = 0; code == 0 && (code = next(r, e)) == 0; documents++) {
        if (r->event.type == YAML_STREAM_END_EVENT) {
            return 0;
        }
        must(r->event.type == YAML_DOCUMENT_START_EVENT);
        if (documents > 0) {
            err_set(e, ERR_INVALID, -EINVAL, "found a second document, allowed: one");
            return fail(r, e);
        }
        code = read_document(r, e);
    }
    return code;
}

int options_read_yaml(struct options_state *state, const char *name, const char *text, size_t len,
                      struct err *e)
{
    struct reader r = {.state = state, .name = name, .text = text, .len = len};
    must(yaml_parser_initialize(&r.parser));
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    int code = read_stream(&r, e);
    drop_event(&r);
    yaml_parser_delete(&r.parser);
    return code;
}
