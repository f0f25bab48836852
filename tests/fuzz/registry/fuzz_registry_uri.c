/*
 * Registry URIs: whatever is accepted formats as a URI that is accepted again and formats the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "registry/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text, const struct registry_uri_env *env)
{
    struct buf once = BUF_INIT(1u << 16), twice = BUF_INIT(1u << 16);
    struct registry_uri uri;
    struct err e = ERR_INIT;
    if (registry_uri_parse(&uri, text, env, &e) == 0) {
        registry_uri_format(&uri, &once);
        registry_uri_deinit(&uri);
        if (once.len <= REGISTRY_URI_MAX) {
            if (registry_uri_parse(&uri, buf_str(&once), env, &e) < 0) {
                abort();
            }
            registry_uri_format(&uri, &twice);
            registry_uri_deinit(&uri);
            if (strcmp(buf_str(&once), buf_str(&twice)) != 0) {
                abort();
            }
        }
    } else if (!*e.msg) {
        abort();
    }
    buf_deinit(&once);
    buf_deinit(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct registry_uri_env native = {.uid = 1000, .runtime_dir = "/run/user/1000"};
    struct buf text = BUF_INIT(size + 1);
    buf_append(&text, data, size);
    check(buf_str(&text), &native);
    /* every byte as Registrator's URI, and as what the variables hold */
    struct registry_uri_env other = {.uid = 0, .registrator = true};
    check(buf_str(&text), &other);
    other.consul_addr = buf_str(&text);
    check("consul://", &other);
    other.etcd_endpoints = buf_str(&text);
    check("skydns:///svc.local", &other);
    buf_deinit(&text);
    return 0;
}
