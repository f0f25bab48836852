#pragma once
/*
 * Services for tests of rendering, from JSON:
 *   [{"name":"web","host":"10.0.0.5","port":80,"id":"n:web-1:80","container":"...","proto":"udp",
 *     "status":"critical","weight":3,"attrs":{"backup":"true"}}]
 * Only name and host are needed; the id defaults to "n:<host>:<port>". A record that cannot be made fails
 * the test. A header, because unit tests are one file each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "tidewaiter/table.h"

static inline void records_put_one(struct table *t, const json *j)
{
    struct service_attr attrs[SERVICE_ATTRS_MAX];
    size_t n_attrs = 0;
    const json *jattrs = json_get(j, "attrs");
    for (const json *it = jattrs ? json_first(jattrs) : NULL; it; it = json_next(it)) {
        assert_true(n_attrs < SERVICE_ATTRS_MAX);
        attrs[n_attrs++] = (struct service_attr){json_name(it), json_value(it)};
    }
    char id[SERVICE_ID_MAX];
    const char *host = json_str(j, "host", "");
    snprintf(id, sizeof(id), "n:%s:%d", host, (int)json_int(j, "port", 80));
    struct service_spec spec = {
        .name = json_str(j, "name", ""),
        .id = json_str(j, "id", id),
        .node = "n",
        .container = json_str(j, "container", ""),
        .host = host,
        .port = (uint16_t)json_int(j, "port", 80),
        .weight = (int)json_int(j, "weight", SERVICE_WEIGHT_UNSET),
        .attrs = attrs,
        .n_attrs = n_attrs,
    };
    assert_true(service_proto_parse(json_str(j, "proto", "tcp"), &spec.proto));
    assert_true(service_status_parse(json_str(j, "status", "passing"), &spec.status));
    struct service *svc = NULL;
    struct err e = ERR_INIT;
    if (service_new(&svc, &spec, &e) < 0) {
        fail_msg("record %s: %s", spec.id, e.msg);
    }
    table_put(t, svc);
}

static inline void records_put(struct table *t, const json *records)
{
    for (const json *it = json_first(records); it; it = json_next(it)) {
        records_put_one(t, it);
    }
}

static inline void records_put_text(struct table *t, const char *text)
{
    CLEANUP_JSON json *j = NULL;
    struct err e = ERR_INIT;
    if (json_parse(&j, text, strlen(text), &e) < 0) {
        fail_msg("records: %s", e.msg);
    }
    records_put(t, j);
}
