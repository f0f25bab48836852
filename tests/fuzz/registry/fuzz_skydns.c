/*
 * The SkyDNS layout. The bytes as a value: what is accepted, and may be written, is written as a value
 * that reads as the same service. The bytes as a name and an id (cut at the first newline): the key that
 * they become is made of DNS labels and parses as one of a service. The bytes as a key: what parses has
 * no empty label.
 */
#include "registry/skydns_codec.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"
#include "registry/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_value(const char *text, size_t size)
{
    struct service *svc = NULL, *back = NULL;
    struct err e = ERR_INIT;
    if (skydns_decode(&svc, "web", "n1-web-80", text, size, &e) < 0) {
        must(e.class == ERR_INVALID && e.msg[0] != '\0');
        return;
    }
    CLEANUP(buf_deinit) struct buf out = BUF_INIT(4096);
    int r =
        skydns_encode(svc, 30, false, &out, &e); /* not every host that is read may be written */
    must(r == 0 || (r < 0 && e.class == ERR_INVALID));
    if (r == 0) {
        must(skydns_decode(&back, "web", "n1-web-80", out.data, out.len, &e) == 0);
        must(service_equal(svc, back));
        service_unref(back);
    }
    service_unref(svc);
}

static void check_labels(const char *key)
{
    for (const char *at = key; at;) {
        size_t len = strcspn(at, "/");
        must(len > 0 && len <= SKYDNS_LABEL_MAX && at[0] != '-' && at[len - 1] != '-');
        must(strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789-") == len);
        at = at[len] ? at + len + 1 : NULL;
    }
}

static void check_key(const char *text)
{
    struct service *svc = NULL;
    size_t cut = strcspn(text, "\n");
    CLEANUP_FREE char *name = xmemdup0(text, cut);
    struct service_spec spec = {.name = name,
                                .id = text[cut] ? text + cut + 1 : text,
                                .host = "h",
                                .port = 1,
                                .weight = SERVICE_WEIGHT_UNSET};
    if (service_new(&svc, &spec, NULL) < 0) {
        return;
    }
    CLEANUP(buf_deinit) struct buf key = BUF_INIT(4096);
    char n[SERVICE_NAME_MAX + 1], i[SERVICE_ID_MAX + 1];
    if (skydns_key_write(svc->s.name, svc->s.id, &key, NULL) == 0) {
        check_labels(buf_str(&key));
        must(skydns_key_parse(key.data, key.len, n, i) == SKYDNS_KEY_SERVICE);
        must(strchr(n, '/') == NULL && n[0] != '.');
    }
    service_unref(svc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_FREE char *text = xmemdup0(data, size);
    char name[SERVICE_NAME_MAX + 1], id[SERVICE_ID_MAX + 1];
    check_value(text, size);
    check_key(text);
    if (skydns_key_parse(text, size, name, id) == SKYDNS_KEY_SERVICE) {
        must(name[0] != '\0' && name[0] != '.' && !strstr(name, "..") && id[0] != '\0');
    }
    return 0;
}
