/*
 * The first byte of the input picks the reader: 0 a configuration, 1 the output of nginx -V, 2 a log.
 * What is found in a configuration is found again when it is written out as one; a log's verdict is made
 * of lines that are in it.
 */
#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"
#include "render/nginx_conf.h"
#include "render/nginx_log.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_directive(struct buf *out, const char *name, const char *value)
{
    if (!value) {
        return;
    }
    buf_printf(out, "%s \"", name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\') {
            buf_putc(out, '\\');
        }
        buf_putc(out, *value);
    }
    buf_puts(out, "\";\n");
}

static bool same(const char *a, const char *b)
{
    return a && b ? streq(a, b) : a == b;
}

static void read_conf(const char *text, size_t len)
{
    struct nginx_conf found, again;
    struct buf out = BUF_INIT(1u << 20);
    nginx_conf_parse(&found, text, len);
    put_directive(&out, "pid", found.pid);
    put_directive(&out, "error_log", found.log_nowhere);
    put_directive(&out, "error_log", found.error_log);
    nginx_conf_parse(&again, buf_str(&out), out.len);
    must(same(found.pid, again.pid));
    must(same(found.error_log, again.error_log));
    must(same(found.log_nowhere, again.log_nowhere));
    nginx_conf_deinit(&found);
    nginx_conf_deinit(&again);
    buf_deinit(&out);
}

static void read_built(const char *text)
{
    struct nginx_built b;
    if (nginx_built_parse(&b, text, NULL) == 0) {
        must(b.prefix && b.conf && b.pid);
        nginx_built_deinit(&b);
    }
}

static void check_said(const char *text, size_t len, const struct buf *said, size_t n)
{
    const char *at = buf_str(said), *end = at + said->len;
    for (size_t i = 0; i < n; i++) {
        must(str_starts(at, "nginx: ["));
        const char *space = strchr(at + strlen("nginx: "), ' ');
        const char *newline = space ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        must(newline);
        must(memmem(text, len, space + 1, (size_t)(newline - space)) != NULL);
        at = newline + 1;
    }
    must(at == end);
}

static void read_log(const char *text, size_t len)
{
    struct buf said = BUF_INIT(1u << 20);
    size_t n = nginx_log_refusal(text, len, 146, &said);
    if (memchr(buf_str(&said), '\0', said.len) == NULL) {
        check_said(text, len, &said, n);
    }
    buf_reset(&said);
    n = nginx_log_last(text, len, 146, true, &said);
    must(n <= 1);
    must((n == 0) == (said.len == 0));
    buf_deinit(&said);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    CLEANUP_FREE char *text = xmemdup0(data + 1, size - 1);
    switch (data[0] % 3) {
    case 0:
        read_conf(text, size - 1);
        break;
    case 1:
        read_built(text);
        break;
    default:
        read_log(text, size - 1);
        break;
    }
    return 0;
}
