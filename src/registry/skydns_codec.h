#pragma once
/*
 * The SkyDNS / CoreDNS layout: services as keys made of DNS labels, with values that CoreDNS' plugin
 * etcd reads.
 *
 *   /skydns/local/svc/web/node1-web-1-80  →  {"host":"10.0.0.5","port":30400,"ttl":30}
 *
 * answers for web.svc.local and node1-web-1-80.web.svc.local. CoreDNS reads everything below a name at
 * once, and a single value that it cannot decode fails the whole answer: encoding makes none such. Pure.
 */
#include "tidewaiter/err.h"
#include "tidewaiter/service.h"

#include <stdbool.h>
#include <stddef.h>

struct buf;

#define SKYDNS_LABEL_MAX    63
#define SKYDNS_NAME_MAX     253 /* of a whole DNS name */
#define SKYDNS_PRIORITY     "priority"
#define SKYDNS_PRIORITY_MAX 65535

/*
 * Appends the one label that stands for an id: lower case, every byte but a-z, 0-9 and '-' becomes a
 * '-', none at either end, at most 63 bytes. Where more than ':' had to change, "-" and eight hex digits
 * of the id's hash follow, so that different ids stay different. len > 0.
 */
void skydns_id_label(struct buf *out, const char *id, size_t len);

/*
 * The label begins as that of an id "host:..." does. "n1" is also how those of "n1-b" begin: good for
 * no more than a guess.
 */
bool skydns_id_of_host(const char *label, const char *host);

/*
 * Appends "<labels of the name in reverse>/<label of the id>". Labels of names change in the same way,
 * but a hash follows only where nothing is left or a label was cut: people type names. -EINVAL
 * (ERR_INVALID) for what CoreDNS keeps for the zone itself.
 */
int skydns_key_write(const char *name, const char *id, struct buf *out, struct err *e) WARN_UNUSED;

enum skydns_key_kind {
    SKYDNS_KEY_SERVICE, /* name and id are filled */
    SKYDNS_KEY_ZONE, /* of the zone itself: directly below the domain, or in dns/ns or dns/apex */
    SKYDNS_KEY_OTHER,
};

/* path: what follows the domain's directory. Two different paths never have both name and id alike. */
enum skydns_key_kind skydns_key_parse(const char *path, size_t len,
                                      char ret_name[SERVICE_NAME_MAX + 1],
                                      char ret_id[SERVICE_ID_MAX + 1]);

/*
 * Appends the value of svc: host and port, priority from the attribute of that name, weight, and ttl_s
 * where it is not 0. bare: host and port alone. -EINVAL (ERR_INVALID) for a host that is neither an
 * address nor a DNS name, and unless bare for weight 0 and for a critical one, because whatever has a
 * record gets traffic; REGISTRY_ENCODED_PARTLY for a bad priority, which is left out.
 */
int skydns_encode(const struct service *svc, unsigned ttl_s, bool bare, struct buf *out,
                  struct err *e) WARN_UNUSED;

/*
 * A service from the value of a key: host, port, weight, and priority as an attribute. tcp, unless the id
 * says "-udp" or "-sctp" behind a port. -EINVAL (ERR_INVALID), with the reason: no host (a text record), no port
 * (an address alone), or a member of a wrong type.
 */
int skydns_decode(struct service **ret, const char *name, const char *id, const char *value,
                  size_t len, struct err *e) WARN_UNUSED;
