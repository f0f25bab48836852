/*
 * Any bytes either are refused or can be walked; what the writer makes of any bytes is JSON that reads
 * back; raw numbers never read past the text.
 */
#include "base/alloc.h"
#include "base/json.h"
#include "base/must.h"
#include "base/str.h"

#include <stdint.h>
#include <string.h>

static size_t walk(const json *j)
{
    size_t n = 1;
    for (const json *it = json_first(j); it; it = json_next(it)) {
        const char *name = json_name(it);
        must(name && (!*name || json_is_object(j)));
        (void)json_int(j, name, 0);
        (void)json_str(j, name, "");
        int64_t v;
        (void)json_int64_text(j, name, &v);
        n += walk(it);
    }
    return n;
}

/* What is written reads back: exactly, where the bytes were text. */
static void write_and_read(const char *text, size_t len)
{
    struct buf out;
    buf_init(&out, len * 6 + 64);
    struct json_writer w;
    json_begin(&w, &out);
    json_array(&w);
    json_put_strn(&w, text, len);
    json_put_int(&w, (int64_t)len);
    json_array_end(&w);
    must(buf_error(&out) == 0);
    json *j = NULL;
    must(json_parse(&j, out.data, out.len, NULL) == 0);
    must(json_size(j) == 2);
    bool utf8 = true;
    for (size_t i = 0; utf8 && i < len;) {
        size_t n = str_utf8(text + i, len - i, NULL);
        utf8 = n > 0 && text[i] != '\0';
        i += n;
    }
    const char *back = json_value(json_first(j));
    must(back && (!utf8 || (strlen(back) == len && memcmp(back, text, len) == 0)));
    json_free(j);
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    json *j = NULL;
    struct err e = ERR_INIT;
    if (json_parse(&j, text, size, &e) == 0) {
        must(walk(j) > 0);
        json_free(j);
    } else {
        must(!j && e.class == ERR_INVALID && *e.msg);
    }
    uint64_t v;
    (void)json_raw_u64(text, size, "id", &v);
    write_and_read(text, size);
    return 0;
}
