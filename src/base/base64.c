/*
 * Happy path: groups of three bytes and four characters.
 * Failure: decoding refuses everything but the canonical form, also non-zero bits behind the last byte,
 * so that one value has one spelling; out is then as it was. -EMSGSIZE when out is full.
 */
#include "base/base64.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char ALPHABET[64] = {'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M',
                                  'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z',
                                  'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm',
                                  'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z',
                                  '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '/'};

void base64_encode(struct buf *out, const void *p, size_t len)
{
    const uint8_t *in = p;
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t v = (uint32_t)in[i] << 16;
        v |= n > 1 ? (uint32_t)in[i + 1] << 8 : 0;
        v |= n > 2 ? in[i + 2] : 0;
        char group[4] = {ALPHABET[v >> 18], ALPHABET[(v >> 12) & 63], '=', '='};
        if (n > 1) {
            group[2] = ALPHABET[(v >> 6) & 63];
        }
        if (n > 2) {
            group[3] = ALPHABET[v & 63];
        }
        buf_append(out, group, sizeof(group));
    }
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes four characters, of which the last `padding` are '='; false when they are not canonical. */
static bool decode_group(const char *text, size_t padding, struct buf *out)
{
    uint32_t v = 0;
    for (size_t i = 0; i < 4 - padding; i++) {
        int s = sextet(text[i]);
        if (s < 0) {
            return false;
        }
        v |= (uint32_t)s << (18 - 6 * i);
    }
    if ((padding == 1 && (v & 0xff)) || (padding == 2 && (v & 0xffff))) {
        return false;
    }
    const uint8_t bytes[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    buf_append(out, bytes, 3 - padding);
    return true;
}

int base64_decode(struct buf *out, const char *text, size_t len)
{
    if (buf_error(out)) {
        return buf_error(out);
    }
    const size_t before = out->len;
    bool ok = len % 4 == 0;
    for (size_t i = 0; ok && i < len; i += 4) {
        size_t padding = 0;
        if (i + 4 == len && text[len - 1] == '=') {
            padding = text[len - 2] == '=' ? 2 : 1;
        }
        ok = decode_group(text + i, padding, out);
    }
    int r = !ok ? -EINVAL : buf_error(out);
    if (r < 0) {
        buf_truncate(out, before);
    }
    return r;
}

int base64_decode_arena(struct arena *a, const char *text, const char **ret, size_t *ret_len)
{
    size_t len = strlen(text);
    struct buf b = BUF_INIT(len + 1); /* bytes are never longer than their text */
    int r = base64_decode(&b, text, len);
    if (r == 0) {
        *ret = arena_memdup0(a, buf_str(&b), b.len);
        *ret_len = b.len;
    }
    buf_deinit(&b);
    return r;
}
