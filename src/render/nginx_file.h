#pragma once
/*
 * A file of upstream blocks in the one format that the engine writes, with an index of its blocks:
 *
 *     # Written by tidewaiter render. Changes made here are overwritten.
 *
 *     upstream web {
 *         least_conn;
 *         server 10.0.0.5:30400 weight=2;
 *     }
 *
 *     # upstream api: left out, nginx refused it.
 */
#include "base/buf.h"
#include "render/nginx_context.h"

#include <stdbool.h>
#include <stddef.h>

#define NGINX_FILE_MAX    (64u * 1024 * 1024)
#define NGINX_HEADER      "# Written by tidewaiter render. Changes made here are overwritten.\n"
#define NGINX_PLACEHOLDER "    server 127.0.0.1:9 down;\n"
/* around the name of a block that is left out: so it is not forgotten */
#define NGINX_OMITTED_BEFORE "# upstream "
#define NGINX_OMITTED_AFTER  ": left out, nginx refused it."

struct view_upstream;

struct nginx_block {
    size_t name, name_len; /* places in bytes */
    size_t body, body_len; /* the lines between the braces; 0: known by name only */
    size_t servers;        /* without placeholders */
    /* what it was rendered from; NULL: a name without servers, or a block that was read */
    const struct view_upstream *from;
};

struct nginx_file {
    enum nginx_context context;
    struct buf bytes;
    struct nginx_block *blocks; /* sorted by name, each name once */
    size_t n, cap;
    size_t servers; /* in all blocks */
    size_t omitted; /* blocks that nginx_file_omit() closed */
};

void nginx_file_init(struct nginx_file *f, enum nginx_context context);
void nginx_file_deinit(struct nginx_file *f); /* idempotent */

/* Empty but for the header. */
void nginx_file_begin(struct nginx_file *f);

/* One block: open, append the lines to f->bytes, close. Names must rise. */
void nginx_file_open(struct nginx_file *f, const char *name, size_t name_len,
                     const struct view_upstream *from);
void nginx_file_close(struct nginx_file *f, size_t servers);
/* Instead of close: the block becomes a comment that keeps its name. Not after an error of the buffer. */
void nginx_file_omit(struct nginx_file *f);

/* Order of block i's name and name, bytewise. */
int nginx_file_compare(const struct nginx_file *f, size_t i, const char *name);

/* The block of that name; NULL: there is none. */
const struct nginx_block *nginx_file_find(const struct nginx_file *f, const char *name);

/*
 * Takes over text as f's contents. A block of which one line is not as the engine writes it, or which
 * nginx would refuse, is kept by its name only. Returns the number of lines that were not understood;
 * without the header in the first line that is all of them.
 */
size_t nginx_file_parse(struct nginx_file *f, const char *text, size_t len);
