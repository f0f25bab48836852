/*
 * Lines are the same whatever the portions: the first byte of the input picks the size of the portions,
 * the rest is fed in them and all at once.
 */
#include "base/framer.h"
#include "base/must.h"

#include <stdint.h>
#include <string.h>

#define LINE_MAX_LEN 64

static int collect(void *ctx, const char *line, size_t len)
{
    must(len > 0 && len <= LINE_MAX_LEN && line[len] == '\0' && !memchr(line, '\n', len));
    buf_append(ctx, line, len + 1);
    return 0;
}

static int feed(const uint8_t *data, size_t size, size_t portion, struct buf *out)
{
    struct framer f;
    framer_init(&f, LINE_MAX_LEN);
    int r = 0;
    for (size_t at = 0; r == 0 && at < size; at += portion) {
        r = framer_feed(&f, data + at, size - at < portion ? size - at : portion, collect, out);
    }
    if (r == 0) {
        r = framer_finish(&f, collect, out);
    }
    framer_deinit(&f);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct buf portions, whole;
    buf_init(&portions, size * 2 + 2);
    buf_init(&whole, size * 2 + 2);
    int r = feed(data + 1, size - 1, 1 + data[0] % 16, &portions);
    must(feed(data + 1, size - 1, size, &whole) == r);
    must(buf_error(&whole) == 0);
    /* a line that is too long stops the feeding: complete lines before it came in both ways */
    must(portions.len == whole.len && memcmp(buf_str(&portions), buf_str(&whole), whole.len) == 0);
    buf_deinit(&portions);
    buf_deinit(&whole);
    return 0;
}
