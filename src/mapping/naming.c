/*
 * Names and ids.
 *
 * Happy path: image registry.example:5000/team/web:1.2 in container web-1 on node1 gives name web and
 * id node1:web-1:80.
 *
 * Failure modes: text outside the allowed set is refused, never mended: two names that differ must not
 * become one.
 */
#include "mapping/naming.h"

#include "base/str.h"

#include <string.h>

#define COMPOSE_SERVICE "com.docker.compose.service"

#define NAME_CHARS                                                                                 \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"                                                                   \
    "abcdefghijklmnopqrstuvwxyz"                                                                   \
    "0123456789._-"

const char *naming_name_refused(const char *text)
{
    if (text[0] == '\0') {
        return "is empty";
    }
    if (strnlen(text, NAMING_NAME_MAX + 1) > NAMING_NAME_MAX) {
        return "is too long (at most 247 characters)";
    }
    if (text[strspn(text, NAME_CHARS)] != '\0') {
        return "has a character other than A-Z a-z 0-9 . _ -";
    }
    if (text[0] == '.' || text[0] == '-') {
        return "begins with '.' or '-'";
    }
    return NULL;
}

const char *naming_id_refused(const char *text, size_t max)
{
    if (text[0] == '\0') {
        return "is empty";
    }
    if (strnlen(text, max + 1) > max) {
        return "is too long";
    }
    if (text[strspn(text, NAME_CHARS ":@+~")] != '\0') {
        return "has a character other than A-Z a-z 0-9 . _ - : @ + ~";
    }
    return NULL;
}

static bool all_hex(const char *s, size_t len)
{
    return strspn(s, "0123456789abcdef") >= len;
}

const char *naming_of_image(const char *image, struct arena *a)
{
    size_t len = strcspn(image, "@");
    const char *start = image;
    for (size_t i = 0; i < len; i++) {
        if (image[i] == '/') {
            start = image + i + 1;
        }
    }
    size_t n = (size_t)(image + len - start);
    const char *colon = memchr(start, ':', n);
    if (colon) {
        n = (size_t)(colon - start);
    }
    /* `docker run sha256:<digest>` or by the whole image id: a number is not a name. */
    bool by_digest = str_starts(image, "sha256:") || (n == 64 && all_hex(start, n));
    return by_digest ? "" : arena_memdup0(a, start, n);
}

struct naming_default naming_default(const struct mapping_job *job)
{
    const struct container *c = job->c;
    struct naming_default from_container = {.name = c->s.name,
                                            .reason = "name from the container's name"};
    switch (job->o->name_from) {
    case MAPPING_NAME_CONTAINER:
        return from_container;
    case MAPPING_NAME_COMPOSE: {
        const char *service = container_label(c, COMPOSE_SERVICE);
        if (!str_empty(service)) {
            return (struct naming_default){.name = service,
                                           .reason = "name from label " COMPOSE_SERVICE};
        }
        break;
    }
    case MAPPING_NAME_IMAGE:
        break;
    }
    const char *name = naming_of_image(c->s.image, job->arena);
    if (name[0] == '\0') {
        from_container.reason = "image has no name; name from the container's name";
        return from_container;
    }
    return (struct naming_default){.name = name, .reason = "name from the image"};
}

static const char *proto_tail(const struct port_offer *offer)
{
    return offer->proto == SERVICE_TCP ? "" : offer->proto == SERVICE_UDP ? ":udp" : ":sctp";
}

/* "" for the first binding, ":8081", or ":8081@10.0.0.5". */
static const char *binding_tail(const struct port_offer *offer, struct arena *a)
{
    if (!offer->further) {
        return "";
    }
    return arena_printf(a, ":%u%s%s", (unsigned)offer->host_port, offer->same_host_port ? "@" : "",
                        offer->same_host_port ? offer->host_ip : "");
}

const char *naming_id(const struct mapping_job *job, const struct port_offer *offer,
                      const char *custom)
{
    const char *tail = binding_tail(offer, job->arena);
    if (custom) {
        return tail[0] ? arena_printf(job->arena, "%s%s", custom, tail) : custom;
    }
    char port[TEXT_NUMBER_MAX];
    return text_join(job->arena, job->o->node, ":", job->c->s.name, ":",
                     text_number(port, offer->port), tail, proto_tail(offer));
}

const char *naming_id_unique(const struct mapping_job *job, const struct port_offer *offer,
                             const char *custom)
{
    return arena_printf(job->arena, "%s:%u%s%s", custom, (unsigned)offer->port,
                        binding_tail(offer, job->arena), proto_tail(offer));
}
