/*
 * Reads a file that an earlier run wrote, so that names and last servers survive a restart.
 *
 * Happy path: header, then blocks line by line; every line is parsed into values with the same checks as
 * those of containers. The comment in place of a block that was left out is a name.
 * Failure: people edit files. A block with one line that is not ours, or with a combination that nginx
 * refuses, is remembered by its name alone; anything between blocks is skipped. Both are counted.
 * Not done: nginx's own syntax (two directives on a line, comments inside blocks, include).
 */
#include "render/nginx_file.h"

#include "base/alloc.h"
#include "base/str.h"
#include "render/address.h"
#include "render/nginx_value.h"
#include "render/view.h"

#include <string.h>

#define LINE_MAX_LEN 512 /* longer than any line that the engine writes */
#define INDENT       4

/* What has been seen of a block so far; parts come in this order. */
struct body {
    enum nginx_context context;
    enum { PART_ZONE, PART_BALANCE, PART_KEEPALIVE, PART_SERVERS } part;
    bool balance_seen, zone_seen, keepalive_seen;
    struct nginx_balance balance;
    size_t servers, primaries;
    bool backup_seen;
    bool ok;
};

/* The value of "key=value" when the word has that key. */
static const char *word_value(const char *word, const char *key)
{
    size_t len = strlen(key);
    return strncmp(word, key, len) == 0 && word[len] == '=' ? word + len + 1 : NULL;
}

static bool param_ok(const char *word, bool *backup)
{
    uint64_t number = 0;
    const char *value;
    if (streq(word, "backup")) {
        *backup = true;
        return true;
    }
    if (streq(word, "down")) {
        return true;
    }
    if ((value = word_value(word, "weight"))) {
        return str_to_u64(value, 1, NGINX_WEIGHT_MAX, &number);
    }
    if ((value = word_value(word, "max_conns")) || (value = word_value(word, "max_fails"))) {
        return str_to_u64(value, 0, NGINX_COUNT_MAX, &number);
    }
    value = word_value(word, "fail_timeout");
    return value && nginx_time_ok(value);
}

/* words: "10.0.0.1:80 weight=2"; modified. */
static bool server_ok(struct body *b, char *words)
{
    bool backup = false;
    const char *word = strsep(&words, " ");
    struct address address;
    if (!address_parse_pair(word, strlen(word), &address)) {
        return false;
    }
    while ((word = strsep(&words, " ")) != NULL) {
        if (!param_ok(word, &backup)) {
            return false;
        }
    }
    b->part = PART_SERVERS;
    b->servers++;
    b->primaries += !backup;
    b->backup_seen |= backup;
    return true;
}

static bool zone_ok(struct body *b, const char *words, const char *name, size_t name_len)
{
    uint64_t k = 0;
    const char *suffix = nginx_zone_suffix(b->context);
    b->zone_seen = true;
    if (b->part != PART_ZONE || strncmp(words, name, name_len) != 0 ||
        !str_starts(words + name_len, suffix)) {
        return false;
    }
    const char *size = words + name_len + strlen(suffix);
    return *size == ' ' && nginx_zone_parse(size + 1, &k);
}

/* One line of a block, without its newline. */
static void read_body_line(struct body *b, const char *line, size_t len, const char *name,
                           size_t name_len)
{
    char text[LINE_MAX_LEN];
    uint64_t number = 0;
    if (len <= INDENT || len >= sizeof(text) || memcmp(line, "    ", INDENT) != 0 ||
        line[INDENT] == ' ' || line[len - 1] != ';' || !str_printable(line, len)) {
        b->ok = false;
        return;
    }
    memcpy(text, line + INDENT, len - INDENT - 1);
    text[len - INDENT - 1] = '\0';
    if (str_starts(text, "server ")) {
        b->ok = b->ok && server_ok(b, text + 7);
    } else if (str_starts(text, "zone ")) {
        b->ok = b->ok && !b->zone_seen && zone_ok(b, text + 5, name, name_len);
    } else if (str_starts(text, "keepalive ")) {
        b->ok = b->ok && b->context == NGINX_HTTP && !b->keepalive_seen &&
                b->part <= PART_KEEPALIVE && str_to_u64(text + 10, 1, NGINX_KEEPALIVE_MAX, &number);
        b->keepalive_seen = true;
        b->part = PART_KEEPALIVE;
    } else {
        b->ok = b->ok && !b->balance_seen && b->part <= PART_BALANCE &&
                nginx_balance_parse(b->context, text, &b->balance);
        b->balance_seen = true;
        b->part = PART_BALANCE;
    }
}

/* The name between before and after, or false. */
static bool read_name(const char *before, const char *line, size_t len, const char *after,
                      size_t *ret_name, size_t *ret_len)
{
    const size_t n_before = strlen(before), n_after = strlen(after);
    if (len <= n_before + n_after || memcmp(line, before, n_before) != 0 ||
        memcmp(line + len - n_after, after, n_after) != 0 ||
        !view_name_ok(line + n_before, len - n_before - n_after)) {
        return false;
    }
    *ret_name = n_before;
    *ret_len = len - n_before - n_after;
    return true;
}

static int compare_names(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : a_len < b_len ? -1 : a_len > b_len;
}

static int compare_blocks(const void *pa, const void *pb, void *text)
{
    const struct nginx_block *a = pa, *b = pb;
    const char *t = text;
    int order = compare_names(t + a->name, a->name_len, t + b->name, b->name_len);
    return order ? order : a->name < b->name ? -1 : a->name > b->name;
}

static void add_block(struct nginx_file *f, const struct nginx_block *b)
{
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 16;
        f->blocks = xreallocarray(f->blocks, f->cap, sizeof(*f->blocks));
    }
    f->blocks[f->n++] = *b;
}

/* People may have moved blocks, or written one twice: the first counts. */
static void sort_blocks(struct nginx_file *f)
{
    if (f->n == 0) {
        return;
    }
    char *text = f->bytes.data;
    qsort_r(f->blocks, f->n, sizeof(*f->blocks), compare_blocks, text);
    size_t n = 1;
    for (size_t i = 1; i < f->n; i++) {
        const struct nginx_block *last = &f->blocks[n - 1], *b = &f->blocks[i];
        if (compare_names(text + last->name, last->name_len, text + b->name, b->name_len) != 0) {
            f->blocks[n++] = *b;
        }
    }
    f->n = n;
    for (size_t i = 0; i < n; i++) {
        f->servers += f->blocks[i].servers;
    }
}

/* Ends a block at its closing brace, or where the file ends inside it. */
static void end_block(struct nginx_file *f, struct nginx_block *b, const struct body *body,
                      size_t at, bool closed)
{
    static const char placeholder[] = NGINX_PLACEHOLDER;
    b->body_len = at - b->body;
    b->servers = body->servers;
    bool usable = closed && body->ok && body->primaries > 0 &&
                  (!body->backup_seen || nginx_balance_takes_backup(&body->balance));
    if (!usable) {
        b->body_len = b->servers = 0;
    } else if (b->body_len >= sizeof(placeholder) - 1 &&
               memmem(f->bytes.data + b->body, b->body_len, placeholder, sizeof(placeholder) - 1)) {
        b->servers--;
    }
    add_block(f, b);
}

size_t nginx_file_parse(struct nginx_file *f, const char *text, size_t len)
{
    static const char header[] = NGINX_HEADER;
    const size_t n_header = sizeof(header) - 1;
    buf_reset(&f->bytes);
    f->n = f->servers = f->omitted = 0;
    bool ours = len >= n_header && memcmp(text, header, n_header) == 0;
    if (ours) {
        buf_append(&f->bytes, text, len);
        ours = !buf_error(&f->bytes);
    }
    size_t skipped = 0;
    bool inside = false;
    struct nginx_block block = {0};
    struct body body = {0};
    for (size_t at = ours ? n_header : 0, next; at < len; at = next) {
        const char *line = text + at;
        const char *newline = memchr(line, '\n', len - at);
        size_t n = newline ? (size_t)(newline - line) : len - at;
        next = at + n + (newline ? 1 : 0);
        size_t name = 0, name_len = 0;
        if (!ours) {
            skipped++;
        } else if (inside && n == 1 && *line == '}') {
            end_block(f, &block, &body, at, true);
            inside = false;
        } else if (inside) {
            bool ok = body.ok;
            read_body_line(&body, line, n, text + block.name, block.name_len);
            skipped += ok && !body.ok;
        } else if (read_name("upstream ", line, n, " {", &name, &name_len)) {
            block = (struct nginx_block){.name = at + name, .name_len = name_len, .body = next};
            body = (struct body){.context = f->context, .ok = true};
            inside = true;
        } else if (read_name(NGINX_OMITTED_BEFORE, line, n, NGINX_OMITTED_AFTER, &name,
                             &name_len)) {
            block = (struct nginx_block){.name = at + name, .name_len = name_len};
            add_block(f, &block);
        } else if (n > 0) {
            skipped++;
        }
    }
    if (inside) {
        end_block(f, &block, &body, len, false);
    }
    if (!ours) {
        buf_reset(&f->bytes);
    }
    sort_blocks(f);
    return skipped;
}
