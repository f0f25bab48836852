/*
 * Which driver a URI asks for. A new driver is a scheme in uri.c and a line here.
 */
#include "base/must.h"
#include "registry/uri.h"
#include "tidewaiter/registry.h"

const struct registry_driver *registry_driver_for(const struct registry_uri *uri)
{
    switch (uri->scheme) {
    case REGISTRY_FILE:
        return &registry_file;
    case REGISTRY_ETCD:
    case REGISTRY_SKYDNS:
        return &registry_etcd;
    case REGISTRY_CONSUL:
        return &registry_consul;
    case REGISTRY_CONSULKV:
        return &registry_consulkv;
    }
    must(!"a scheme without a driver");
    return NULL;
}
