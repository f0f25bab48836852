/*
 * Decodes the bytes as a record. What is accepted must survive each form: its json and grpc values
 * decode to an equal service, and encode to the same bytes again.
 */
#include "registry/record.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_form(enum record_form form, const struct service *svc)
{
    CLEANUP(buf_deinit) struct buf first = BUF_INIT(RECORD_VALUE_MAX);
    CLEANUP(buf_deinit) struct buf second = BUF_INIT(RECORD_VALUE_MAX);
    struct service *back = NULL;
    if (record_encode(form, svc, &first, NULL) < 0) {
        return; /* escapes made it too long */
    }
    must(record_decode(&back, svc->s.name, svc->s.id, first.data, first.len, NULL) == 0);
    must(record_encode(form, back, &second, NULL) == 0);
    must(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    service_unref(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct service *svc = NULL;
    struct err e = ERR_INIT;
    char *text = xmemdup0(data, size);
    if (record_decode(&svc, "web", "node1:web-1:80", text, size, &e) == 0) {
        check_form(RECORD_JSON, svc);
        check_form(RECORD_GRPC, svc);
        service_unref(svc);
    } else {
        must(e.class == ERR_INVALID && e.msg[0] != '\0');
    }
    free(text);
    return 0;
}
