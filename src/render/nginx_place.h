#pragma once
/*
 * Where in a file of upstreams something was refused. Pure.
 */
#include "render/nginx_file.h"
#include "tidewaiter/engine.h"

enum nginx_place_kind {
    NGINX_PLACE_SERVER,
    NGINX_PLACE_DIRECTIVE,
    NGINX_PLACE_BLOCK, /* its first or last line, or a placeholder */
    NGINX_PLACE_TAKEN, /* as a whole: somebody else has its name */
};

struct nginx_place {
    enum nginx_place_kind kind;
    const struct nginx_block *block;
    size_t line;      /* SERVER and DIRECTIVE: of the body, from 0 */
    const char *text; /* that line without indentation and semicolon; not terminated */
    size_t text_len;
};

/* f is as it was rendered: blocks in the order of the file. False: no block stands there. */
bool nginx_place_find(const struct nginx_file *f, const struct engine_blame *b,
                      struct nginx_place *ret);

/* Lines of a body as the engine writes them. */
bool nginx_line_is_server(const char *line, size_t len); /* a placeholder is one as well */
bool nginx_line_is_placeholder(const char *line, size_t len);
bool nginx_line_is_backup(const char *line, size_t len);

/* The length of the line at p, with its newline. */
size_t nginx_line_len(const char *p, size_t len);
