#pragma once
/*
 * Services from the input of a fuzz driver: fields ended by '\n': name, host, port ("53/udp", "80/sctp"; tcp
 * without), weight, attributes "key=value" until an empty line.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tidewaiter/table.h"

#define INPUT_ATTRS_MAX 8

/* The next line of the input, as a string in place; NULL at the end. */
static inline char *next_line(char **at, char *end)
{
    if (*at >= end) {
        return NULL;
    }
    char *line = *at;
    char *newline = memchr(line, '\n', (size_t)(end - line));
    *at = newline ? newline + 1 : end;
    *(newline ? newline : end) = '\0';
    return line;
}

static inline void put_record(struct table *t, unsigned i, char *name, char **at, char *end)
{
    struct service_attr attrs[INPUT_ATTRS_MAX];
    size_t n_attrs = 0;
    char *host = next_line(at, end), *port = next_line(at, end), *weight = next_line(at, end);
    for (char *line; (line = next_line(at, end)) && *line;) {
        char *equals = strchr(line, '=');
        if (equals && n_attrs < INPUT_ATTRS_MAX) {
            *equals = '\0';
            attrs[n_attrs++] = (struct service_attr){line, equals + 1};
        }
    }
    const char *slash = port ? strchr(port, '/') : NULL;
    enum service_proto proto = SERVICE_TCP;
    if (slash && !service_proto_parse(slash + 1, &proto)) {
        proto = SERVICE_TCP;
    }
    char id[32];
    snprintf(id, sizeof(id), "n:c:%u", i);
    struct service_spec spec = {
        .name = name,
        .id = id,
        .host = host ? host : "10.0.0.1",
        .port = port ? (uint16_t)strtoul(port, NULL, 10) : 80,
        .proto = proto,
        .weight = weight && *weight ? (int)strtol(weight, NULL, 10) : SERVICE_WEIGHT_UNSET,
        .attrs = attrs,
        .n_attrs = n_attrs,
    };
    struct service *svc = NULL;
    if (service_new(&svc, &spec, NULL) == 0) {
        table_put(t, svc);
    }
}
