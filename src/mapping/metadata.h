#pragma once
/*
 * The SERVICE_* labels and variables of a container, and which of them counts for a port.
 *
 *   SERVICE_<key>                     every port
 *   SERVICE_<port>_<key>              that port, any protocol
 *   SERVICE_<from>-<to>_<key>         ports from..to, both included
 *   SERVICE_<from>-<to>_<proto>_<key> the same for tcp, udp or sctp only
 *   SERVICE_<port>_<proto>_<key>      one port of one protocol
 *
 * The ladder: the lower a form stands in this list, the more it counts. On one rung a label beats a
 * variable, then a narrower range beats a wider one (of equal width, the lower one), then the last one
 * written beats those before it. An empty value counts like any other: it hides the rungs below.
 */
#include "mapping/text.h"
#include "model/container.h"
#include "tidewaiter/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most specific first. */
enum metadata_scope {
    METADATA_PORT_PROTO,
    METADATA_RANGE_PROTO,
    METADATA_RANGE,
    METADATA_PORT,
    METADATA_GENERIC,
};

struct metadata_entry {
    const char *key; /* lower case, without prefix and scope; never "" */
    const char *value;
    const char *origin; /* "label SERVICE_80_NAME", "variable SERVICE_80_NAME"; fit to be shown */
    bool is_label;
    enum metadata_scope scope;
    uint16_t from, to;        /* of every scope but GENERIC */
    enum service_proto proto; /* of the scopes with one */
    size_t order;             /* as written */
    size_t group;             /* equal for equal keys */
    size_t size;              /* bytes of key and value, terminators included */
    bool unusable;            /* for whoever knows what the key means */
};

/* Limits of one container; what passes them is left out with a warning. */
#define METADATA_MAX       1024        /* entries */
#define METADATA_KEY_MAX   256         /* bytes */
#define METADATA_VALUE_MAX (64 * 1024) /* bytes */

/* Sorted so that the first entry of a key that matches a port is the one that counts. */
struct metadata {
    struct metadata_entry *entries;
    size_t n;
};

/*
 * Takes the scope off a name: `rest` is what follows SERVICE_, in lower case, and may be pointed into.
 * Fills scope, ports, protocol and key of e; false with *why ("has no key") when the name makes no sense.
 */
typedef bool metadata_grammar(const char *rest, struct metadata_entry *e, const char **why);

metadata_grammar metadata_native;      /* all of the above */
metadata_grammar metadata_registrator; /* registrator_meta.c: SERVICE_<key>, SERVICE_<port>_<key> */

/* Reads labels and variables of c; what is malformed becomes a warning. Lives in w's arena. */
void metadata_read(struct metadata *ret, const struct container *c, metadata_grammar *grammar,
                   struct warnings *w);

/* Digits without leading zeros, 1 to 65535: "080" is not the way to write a port. */
bool metadata_port(const char *s, size_t len, uint16_t *ret);

/* The entry that counts for key on a port, or NULL. */
const struct metadata_entry *metadata_find(const struct metadata *m, const char *key, uint16_t port,
                                           enum service_proto proto);

/* The same for what concerns the container as a whole: only SERVICE_<key> is looked at. */
const struct metadata_entry *metadata_find_generic(const struct metadata *m, const char *key);

/*
 * Walks the entries that count for a port, in order of their keys: begin with *pos = 0; NULL after the
 * last one.
 */
const struct metadata_entry *metadata_next(const struct metadata *m, size_t *pos, uint16_t port,
                                           enum service_proto proto);

/* True when the entry exists and has text: for the known keys, empty means not set. */
static inline bool metadata_is_set(const struct metadata_entry *e)
{
    return e && e->value[0];
}
