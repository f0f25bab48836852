/*
 * Happy path: blocks are written in order of their names and indexed while they are written; the index is
 * what `--empty` remembers of the live file.
 * Failure: the cap of the buffer sticks and is seen by who checks it after the last block.
 * Not done: reading a file; that is nginx_parse.c.
 */
#include "render/nginx_file.h"

#include "base/alloc.h"
#include "base/must.h"
#include "tidewaiter/service.h"

#include <string.h>

#define BEFORE_NAME "\nupstream "

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
    f->n = f->servers = f->omitted = 0;
    buf_puts(&f->bytes, NGINX_HEADER);
}

void nginx_file_open(struct nginx_file *f, const char *name, size_t name_len,
                     const struct view_upstream *from)
{
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 16;
        f->blocks = xreallocarray(f->blocks, f->cap, sizeof(*f->blocks));
    }
    buf_puts(&f->bytes, BEFORE_NAME);
    size_t at = f->bytes.len;
    buf_append(&f->bytes, name, name_len);
    buf_puts(&f->bytes, " {\n");
    f->blocks[f->n] =
        (struct nginx_block){.name = at, .name_len = name_len, .body = f->bytes.len, .from = from};
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

void nginx_file_omit(struct nginx_file *f)
{
    struct nginx_block *b = &f->blocks[f->n++];
    char name[SERVICE_NAME_MAX];
    must(!buf_error(&f->bytes) && b->name_len <= sizeof(name));
    memcpy(name, f->bytes.data + b->name, b->name_len);
    buf_truncate(&f->bytes, b->name - strlen(BEFORE_NAME));
    buf_puts(&f->bytes, "\n" NGINX_OMITTED_BEFORE);
    b->name = f->bytes.len;
    buf_append(&f->bytes, name, b->name_len);
    buf_puts(&f->bytes, NGINX_OMITTED_AFTER "\n");
    b->body = f->bytes.len;
    b->body_len = b->servers = 0;
    f->omitted++;
}

int nginx_file_compare(const struct nginx_file *f, size_t i, const char *name)
{
    const struct nginx_block *b = &f->blocks[i];
    int order = strncmp(f->bytes.data + b->name, name, b->name_len);
    return order ? order : name[b->name_len] ? -1 : 0;
}

const struct nginx_block *nginx_file_find(const struct nginx_file *f, const char *name)
{
    size_t from = 0, to = f->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        int order = nginx_file_compare(f, mid, name);
        if (order == 0) {
            return &f->blocks[mid];
        }
        if (order < 0) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return NULL;
}
