/*
 * Two texts, split at the first byte 0x01: the diff applied to the first gives the second, and there is
 * one exactly when they differ.
 */
#include <stdint.h>

#include "unit/render/diff_apply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    const char *split = size > 0 ? memchr(p, 1, size) : NULL;
    if (!split) {
        return 0;
    }
    struct diff_text a = {"old", p, (size_t)(split - p)};
    struct diff_text b = {"new", split + 1, size - a.len - 1};
    struct buf out = BUF_INIT(64u << 20), made = BUF_INIT(64u << 20);
    bool differ = diff_unified(&out, &a, &b);
    must(differ == (a.len != b.len || memcmp(a.p, b.p, a.len) != 0));
    if (differ) {
        diff_apply(&out, &a, &made);
        must(made.len == b.len && memcmp(buf_str(&made), b.p, b.len) == 0);
    } else {
        must(out.len == 0);
    }
    buf_deinit(&out);
    buf_deinit(&made);
    return 0;
}
