/*
 * Decodes the bytes as the document of the embedded registry. What is accepted is encoded and decoded
 * again: the tables must be equal, and the bytes the same from then on.
 */
#include "registry/file_doc.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"
#include "registry/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_skipped(void *ctx, const char *key, const struct err *why)
{
    must(key[0] != '\0' && why->class == ERR_INVALID);
    ++*(unsigned *)ctx;
}

static void encode(const struct file_doc *doc, struct buf *out)
{
    file_doc_begin(out, doc->node, doc->ttl_s, doc->revision);
    for (size_t i = 0; i < doc->services.n; i++) {
        CLEANUP(buf_deinit) struct buf value = BUF_INIT(RECORD_VALUE_MAX);
        must(record_encode(RECORD_JSON, doc->services.items[i], &value, NULL) == 0);
        file_doc_add(out, i == 0, value.data, value.len);
    }
    file_doc_end(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(file_doc_deinit) struct file_doc doc = FILE_DOC_NULL, back = FILE_DOC_NULL;
    CLEANUP(buf_deinit) struct buf first = BUF_INIT(FILE_DOC_MAX), second = BUF_INIT(FILE_DOC_MAX);
    CLEANUP_FREE char *text = xmemdup0(data, size);
    unsigned skipped = 0;
    struct err e = ERR_INIT;
    if (file_doc_decode(&doc, text, size, on_skipped, &skipped, &e) < 0) {
        must(e.class == ERR_INVALID && e.msg[0] != '\0');
        return 0;
    }
    encode(&doc, &first);
    skipped = 0;
    must(file_doc_decode(&back, first.data, first.len, on_skipped, &skipped, NULL) == 0);
    must(skipped == 0 && table_equal(&doc.services, &back.services));
    encode(&back, &second);
    must(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    return 0;
}
