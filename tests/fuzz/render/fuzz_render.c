/*
 * Random services through view and engine: the output has only lines of a known form, whatever the
 * services say (nginx_check.h). A second half of the input is taken as the
 * live file of an earlier run.
 *
 * Input: first byte: policy (modulo 3), live file or not (bit 2), http or stream (bit 3). Then records,
 * fields ended by '\n': name, host, port ("53/udp", "80/sctp"; tcp without), weight, attributes "key=value"
 * until an empty line. A line "\x01" ends the records; what follows is the live file, behind the header.
 */
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "fuzz/render/nginx_check.h"
#include "fuzz/render/services_input.h"
#include "render/nginx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct engine *new_engine(enum nginx_context context, enum nginx_empty empty)
{
    const struct nginx_options o = {.context = context, .empty = empty};
    struct engine *g = NULL;
    must(nginx_engine_new(&g, &o, NULL) == 0);
    return g;
}

static void render(struct engine *g, enum nginx_context context, const struct table *t,
                   struct engine_result *res)
{
    must(g->ops->render(g, t, res, NULL) == 0);
    must(check_output(context, res->bytes, res->len, res->upstreams) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    char *input = xmemdup0(data, size);
    char *at = input + 1, *end = input + size, *line;
    enum nginx_context context = *input & 8 ? NGINX_STREAM : NGINX_HTTP;
    struct engine *g = new_engine(context, (enum nginx_empty)((unsigned char)*input % 3));
    bool with_live = *input & 4;
    struct table t = TABLE_NULL;
    for (unsigned i = 0; (line = next_line(&at, end)) && strcmp(line, "\x01") != 0; i++) {
        put_record(&t, i, line, &at, end);
    }
    if (with_live) {
        struct buf live = BUF_INIT(1u << 20);
        buf_puts(&live, NGINX_HEADER);
        buf_append(&live, at, (size_t)(end - at));
        g->ops->adopt(g, buf_str(&live), live.len);
        buf_deinit(&live);
    }
    struct engine_result res, again, kept;
    render(g, context, &t, &res);
    g->ops->commit(g);

    /* what was written is read back in full, and kept when everything is gone */
    struct engine *reader = new_engine(context, NGINX_EMPTY_KEEP);
    struct table none = TABLE_NULL;
    must(reader->ops->adopt(reader, res.bytes, res.len) == 0);
    render(reader, context, &none, &kept);
    must(kept.len == res.len && memcmp(kept.bytes, res.bytes, res.len) == 0);
    must(kept.servers == res.servers);
    /* the same table gives the same bytes */
    must(reader->ops->adopt(reader, res.bytes, res.len) == 0);
    CLEANUP_FREE char *first = xmemdup0(res.bytes, res.len);
    size_t len = res.len;
    render(g, context, &t, &again);
    must(again.len == len && memcmp(again.bytes, first, len) == 0);

    engine_free(reader);
    engine_free(g);
    table_deinit(&t);
    free(input);
    return 0;
}
