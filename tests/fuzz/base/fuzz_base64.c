/*
 * Any bytes encode and decode to themselves; text that decodes is exactly what encodes to it.
 */
#include "base/base64.h"
#include "base/must.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf text, bytes;
    buf_init(&text, size * 2 + 8);
    buf_init(&bytes, size * 2 + 8);
    base64_encode(&text, data, size);
    must(buf_error(&text) == 0 && text.len == (size + 2) / 3 * 4);
    must(base64_decode(&bytes, buf_str(&text), text.len) == 0);
    must(bytes.len == size && (size == 0 || memcmp(bytes.data, data, size) == 0));

    buf_reset(&text);
    buf_reset(&bytes);
    if (base64_decode(&bytes, (const char *)data, size) == 0) {
        base64_encode(&text, buf_str(&bytes), bytes.len);
        must(text.len == size && memcmp(buf_str(&text), data, size) == 0);
    } else {
        must(bytes.len == 0);
    }
    buf_deinit(&text);
    buf_deinit(&bytes);
    return 0;
}
