/*
 * Happy path: a line's number becomes an offset, the offset a block by binary search, and the line's first
 * words say what it is: the engine's own format leaves no doubt.
 * Failure: a line between blocks, or behind the end, is no place. A zone's name is one only while the block
 * of that name has a zone.
 * Not done: what nginx means by it (blame.c), and what is done about it (nginx_exclude.c).
 */
#include "render/nginx_place.h"

#include "base/str.h"
#include "render/nginx_value.h"
#include "tidewaiter/service.h"

#include <string.h>

#define INDENT "    "
#define HEAD   "upstream "
#define ZONE   INDENT "zone "

static bool starts(const char *p, size_t len, const char *prefix)
{
    size_t n = strlen(prefix);
    return len >= n && memcmp(p, prefix, n) == 0;
}

bool nginx_line_is_server(const char *line, size_t len)
{
    return starts(line, len, INDENT "server ");
}

bool nginx_line_is_placeholder(const char *line, size_t len)
{
    return len == strlen(NGINX_PLACEHOLDER) && starts(line, len, NGINX_PLACEHOLDER);
}

bool nginx_line_is_backup(const char *line, size_t len)
{
    static const char word[] = " backup";
    const char *at = memmem(line, len, word, sizeof(word) - 1);
    size_t behind = at ? (size_t)(at - line) + sizeof(word) - 1 : len;
    return behind < len && (line[behind] == ' ' || line[behind] == ';');
}

size_t nginx_line_len(const char *p, size_t len)
{
    const char *newline = len > 0 ? memchr(p, '\n', len) : NULL;
    return newline ? (size_t)(newline - p) + 1 : len;
}

/* Where that line begins; false: the file has fewer. */
static bool offset_of(const struct nginx_file *f, size_t line, size_t *ret)
{
    size_t at = 0;
    while (--line > 0 && at < f->bytes.len) {
        at += nginx_line_len(f->bytes.data + at, f->bytes.len - at);
    }
    *ret = at;
    return at < f->bytes.len;
}

static size_t block_start(const struct nginx_block *b)
{
    return b->name - strlen(HEAD);
}

/* The last block that begins at or before the offset, unless that one ends before it. */
static const struct nginx_block *block_at(const struct nginx_file *f, size_t offset)
{
    size_t from = 0, to = f->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (block_start(&f->blocks[mid]) <= offset) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    if (from == 0) {
        return NULL;
    }
    const struct nginx_block *b = &f->blocks[from - 1];
    return b->body_len > 0 && offset <= b->body + b->body_len ? b : NULL;
}

static void describe_line(const struct nginx_file *f, size_t offset, struct nginx_place *p)
{
    const struct nginx_block *b = p->block;
    const char *body = f->bytes.data + b->body;
    if (offset < b->body || offset >= b->body + b->body_len) {
        p->kind = NGINX_PLACE_BLOCK;
        return;
    }
    p->line = 0;
    size_t at = 0, len;
    for (; at + (len = nginx_line_len(body + at, b->body_len - at)) <= offset - b->body;
         at += len) {
        p->line++;
    }
    const char *line = body + at;
    p->kind = nginx_line_is_placeholder(line, len) ? NGINX_PLACE_BLOCK
              : nginx_line_is_server(line, len)    ? NGINX_PLACE_SERVER
                                                   : NGINX_PLACE_DIRECTIVE;
    p->text = line + strlen(INDENT);
    p->text_len = len - strlen(INDENT) - strlen(";\n");
}

/* The name as a string, in lower case where fold is set; false: no upstream can have it. */
static bool copy_name(const struct engine_blame *b, bool fold, char out[SERVICE_NAME_MAX + 1])
{
    if (b->name_len > SERVICE_NAME_MAX || memchr(b->name, '\0', b->name_len)) {
        return false;
    }
    memcpy(out, b->name, b->name_len);
    out[b->name_len] = '\0';
    if (fold) {
        str_lower(out);
    }
    return true;
}

bool nginx_place_find(const struct nginx_file *f, const struct engine_blame *b,
                      struct nginx_place *ret)
{
    struct nginx_place p = {.text = "", .text_len = 0};
    char name[SERVICE_NAME_MAX + 1];
    if (b->kind == ENGINE_BLAME_LINE) {
        size_t offset = 0;
        if (b->line == 0 || !offset_of(f, b->line, &offset) || !(p.block = block_at(f, offset))) {
            return false;
        }
        describe_line(f, offset, &p);
        *ret = p;
        return true;
    }
    struct engine_blame named = *b;
    if (b->kind == ENGINE_BLAME_ZONE) {
        const char *suffix = nginx_zone_suffix(f->context);
        size_t len = strlen(suffix);
        if (b->name_len < len || memcmp(b->name + b->name_len - len, suffix, len) != 0) {
            return false;
        }
        named.name_len -= len;
    }
    /* upstreams are the same in any case, zones are not */
    if (!copy_name(&named, b->kind == ENGINE_BLAME_UPSTREAM, name) ||
        !(p.block = nginx_file_find(f, name)) || p.block->body_len == 0) {
        return false;
    }
    p.kind = NGINX_PLACE_TAKEN;
    if (b->kind == ENGINE_BLAME_ZONE) {
        if (!starts(f->bytes.data + p.block->body, p.block->body_len, ZONE)) {
            return false;
        }
        describe_line(f, p.block->body, &p);
    }
    *ret = p;
    return true;
}
