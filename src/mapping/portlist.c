/*
 * SERVICE_PORTS=8080,53/udp and the ports that the engine tells of, as one sorted list.
 *
 * Failure modes: an item that is no port is a warning; the others count.
 */
#include "mapping/portlist.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

static int compare_keys(const void *pa, const void *pb)
{
    const struct port_key *a = pa, *b = pb;
    if (a->port != b->port) {
        return a->port < b->port ? -1 : 1;
    }
    return a->proto < b->proto ? -1 : a->proto > b->proto;
}

/* "8080", "53/udp"; item is scratch space. */
static bool parse_item(char *item, struct port_key *ret)
{
    ret->proto = SERVICE_TCP;
    ret->named = true;
    char *slash = strchr(item, '/');
    if (slash) {
        *slash = '\0';
        str_lower(slash + 1);
        if (!service_proto_parse(slash + 1, &ret->proto)) {
            return false;
        }
    }
    return str_to_port(item, &ret->port);
}

static size_t read_named(struct mapping_job *job, const struct metadata_entry *e,
                         const char *origin, struct port_key *keys)
{
    size_t n = 0, items = 0;
    for (const char *s = e->value; s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL) {
        s += strspn(s, " \t");
        size_t len = strcspn(s, ",");
        while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t')) {
            len--;
        }
        if (len == 0) {
            continue;
        }
        if (++items > PORTLIST_NAMED_MAX) {
            warnings_add(&job->warnings, "%s: only the first %d ports count", origin,
                         PORTLIST_NAMED_MAX);
            break;
        }
        char *item = arena_memdup0(job->arena, s, len);
        const char *shown = text_clean(job->arena, arena_strdup(job->arena, item), TEXT_VALUE_MAX);
        if (parse_item(item, &keys[n])) {
            n++;
        } else {
            warnings_add(&job->warnings,
                         "%s: \"%s\" is left out; a port is written as 8080 or 53/udp (tcp, udp, "
                         "sctp)",
                         origin, shown);
        }
    }
    return n;
}

void portlist_read(struct portlist *ret, struct mapping_job *job, const struct metadata_entry *e)
{
    const struct container *c = job->c;
    bool named = metadata_is_set(e);
    *ret = (struct portlist){0};
    size_t room = c->s.n_ports + (named ? PORTLIST_NAMED_MAX : 0);
    if (room == 0) {
        return;
    }
    struct port_key *keys = arena_alloc(job->arena, room * sizeof(*keys));
    size_t n = 0;
    for (size_t i = 0; i < c->s.n_ports; i++) {
        const struct container_port *p = &c->s.ports[i];
        struct port_key key = {.port = p->port, .proto = p->proto, .unlisted = p->unlisted};
        if (n == 0 || compare_keys(&keys[n - 1], &key) != 0) {
            keys[n++] = key;
        }
    }
    if (named) {
        ret->named_by = e->origin;
        n += read_named(job, e, ret->named_by, &keys[n]);
        qsort(keys, n, sizeof(*keys), compare_keys);
    }
    for (size_t i = 0; i < n; i++) {
        if (ret->n && compare_keys(&keys[ret->n - 1], &keys[i]) == 0) {
            keys[ret->n - 1].named |= keys[i].named;
        } else {
            keys[ret->n++] = keys[i];
        }
    }
    if (ret->n > PORTLIST_MAX) {
        warnings_add(&job->warnings, "the container has %zu ports; only the first %d are looked at",
                     ret->n, PORTLIST_MAX);
        ret->n = PORTLIST_MAX;
    }
    ret->keys = keys;
}
