/*
 * Happy path: blocks are written in order of their names and indexed while they are written; the index is
 * what `--empty` remembers of the live file.
 * Failure: the cap of the buffer sticks and is seen by who checks it after the last block.
 * Not done: reading a file; that is nginx_parse.c.
 */
#include "render/nginx_file.h"

#include "base/alloc.h"
#include "base/must.h"

#include <string.h>

void nginx_file_init(struct nginx_file *f, enum nginx_context context)
{
    *f = (struct nginx_file){.context = context, .bytes = BUF_INIT(NGINX_FILE_MAX)};
}

void nginx_file_deinit(struct nginx_file *f)
{
    buf_deinit(&f->bytes);
    free(f->blocks);
    nginx_file_init(f, f->context);
}

void nginx_file_begin(struct nginx_file *f)
{
    buf_reset(&f->bytes);
    f->n = f->servers = 0;
    buf_puts(&f->bytes, NGINX_HEADER);
}

void nginx_file_open(struct nginx_file *f, const char *name, size_t name_len)
{
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 16;
        f->blocks = xreallocarray(f->blocks, f->cap, sizeof(*f->blocks));
    }
    buf_puts(&f->bytes, "\nupstream ");
    size_t at = f->bytes.len;
    buf_append(&f->bytes, name, name_len);
    buf_puts(&f->bytes, " {\n");
    f->blocks[f->n] = (struct nginx_block){.name = at, .name_len = name_len, .body = f->bytes.len};
}

void nginx_file_close(struct nginx_file *f, size_t servers)
{
    struct nginx_block *b = &f->blocks[f->n++];
    must(f->bytes.len >= b->body);
    b->body_len = f->bytes.len - b->body;
    b->servers = servers;
    f->servers += servers;
    buf_puts(&f->bytes, "}\n");
}

int nginx_file_compare(const struct nginx_file *f, size_t i, const char *name)
{
    const struct nginx_block *b = &f->blocks[i];
    int order = strncmp(f->bytes.data + b->name, name, b->name_len);
    return order ? order : name[b->name_len] ? -1 : 0;
}
