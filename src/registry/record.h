#pragma once
/*
 * The value of a service in a key-value registry, in its three forms:
 *
 *   json  {"host":"10.0.0.5","port":30400,"name":"web","id":"node1:web-1:80","node":"node1",
 *          "container":"<64 hex>","proto":"tcp","tags":["a"],"attrs":{"region":"eu"},
 *          "status":"passing"}   and "weight":N at the end where one is set
 *   addr  10.0.0.5:30400         IPv6 in brackets
 *   grpc  {"Op":0,"Addr":"10.0.0.5:30400","Metadata":{"name":...}}   Metadata: the members of the json
 *          form from "name" on
 *
 * Encoding is deterministic: one service has one value, byte by byte, so digests can be compared.
 * Decoding tells the forms apart by itself and takes the records of other tools too. Pure.
 */
#include "tidewaiter/err.h"
#include "tidewaiter/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct cJSON;
struct json_writer;

/* Longest value that decoding looks at and encoding makes (etcd refuses requests above 1.5 MiB). */
#define RECORD_VALUE_MAX (1u << 20)

#define RECORD_FORMS(X)                                                                            \
    X(JSON, "json")                                                                                \
    X(ADDR, "addr")                                                                                \
    X(GRPC, "grpc")

enum record_form {
#define X(sym, name) RECORD_##sym,
    RECORD_FORMS(X)
#undef X
};

const char *record_form_name(enum record_form form);
bool record_form_parse(const char *text, enum record_form *ret);

/*
 * Appends the value of svc. -EINVAL (ERR_INVALID) when it has no host. -EMSGSIZE (ERR_INVALID) when it is longer than RECORD_VALUE_MAX or than out
 * takes; out then carries its sticky error or an unfinished value.
 */
int record_encode(enum record_form form, const struct service *svc, struct buf *out,
                  struct err *e) WARN_UNUSED;

/* The same, and hash64 of what was appended: how registries that keep values as they are compare them. */
int record_encode_digest(enum record_form form, const struct service *svc, struct buf *out,
                         uint64_t *ret_digest, struct err *e) WARN_UNUSED;

/*
 * A service from the value of the key .../<name>/<id>, in whichever form it has. The key decides name
 * and id, whatever the value says. What the value does not say is derived from an id of the form
 * node:container:port[:tcp|:udp|:sctp] (node, container, proto), and is tcp, passing and without
 * weight, tags and attributes otherwise. Unknown members and null are passed over; a known member of
 * a wrong type or with an impossible value refuses the record: -EINVAL, ERR_INVALID, with the reason.
 */
int record_decode(struct service **ret, const char *name, const char *id, const char *value,
                  size_t len, struct err *e) WARN_UNUSED;

/* ---- for records inside a larger JSON document ---- */

/* Appends the json form as the next value of w. */
void record_write(struct json_writer *w, const struct service *svc);

/* JSON is UTF-8; the parser does not look. -EINVAL, ERR_INVALID, naming the first byte that is not. */
int record_text_check(const char *text, size_t len, struct err *e) WARN_UNUSED;

/* As record_decode() for a parsed json form; name and id may be NULL: then its members count. */
int record_read(struct service **ret, const char *name, const char *id, const struct cJSON *j,
                struct err *e) WARN_UNUSED;

/* ---- host:port ---- */

/* Appends host:port, with brackets around a host that has a colon. */
void record_addr_format(struct buf *out, const char *host, uint16_t port);

/*
 * A host as records may name it: an IPv6 address without brackets, or letters, digits, '.', '-', '_'
 * (IPv4 and host names). -EINVAL, ERR_INVALID, with the reason.
 */
int record_host_check(const char *host, size_t len, struct err *e) WARN_UNUSED;

/*
 * Splits "host:port" or "[v6]:port" (blanks around it are passed over); host is copied without
 * brackets. -EINVAL, ERR_INVALID, with the reason.
 */
int record_addr_parse(const char *text, size_t len, char ret_host[SERVICE_HOST_MAX + 1],
                      uint16_t *ret_port, struct err *e) WARN_UNUSED;
