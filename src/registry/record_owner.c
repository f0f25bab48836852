/*
 * Ownership by content. Happy path: the member "node" of the json form, or of the grpc form's Metadata.
 * Failure: a value that cannot be read names nobody, and its id decides. It does not look at leases or
 * sessions: whoever holds one has the say.
 */
#include "registry/record_owner.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "registry/record.h"

bool record_id_of_host(const char *id, const char *host)
{
    size_t len = strlen(host);
    return len > 0 && strncmp(id, host, len) == 0 && id[len] == ':';
}

static bool alphanumeric(char c)
{
    char lower = str_lower_char(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
}

bool record_id_regular(const char *id, const char *host)
{
    if (!record_id_of_host(id, host)) {
        return false;
    }
    const char *name = id + strlen(host) + 1;
    const char *colon = strchr(name, ':');
    if (!colon || colon - name < 2 || !alphanumeric(name[0])) {
        return false;
    }
    for (const char *p = name; p < colon; p++) {
        if (!alphanumeric(*p) && *p != '_' && *p != '.' && *p != '-') {
            return false;
        }
    }
    char port[8];
    size_t digits = strcspn(colon + 1, ":");
    const char *rest = colon + 1 + digits;
    if (digits >= sizeof(port) || (*rest != '\0' && !streq(rest, ":udp"))) {
        return false;
    }
    memcpy(port, colon + 1, digits);
    port[digits] = '\0';
    uint16_t number;
    return str_to_port(port, &number);
}

/* The node that a value names, borrowed from j; NULL when it names none. */
static const char *named_node(const json *j)
{
    const json *members = json_get(j, "Metadata");
    return json_str(json_is_object(members) ? members : j, "node", NULL);
}

enum registry_owner record_owner(const struct record_owner_rules *rules, const char *id,
                                 const char *value, size_t len)
{
    CLEANUP_JSON json *j = NULL;
    struct err ignored = ERR_INIT;
    if (len > 0 && len <= RECORD_VALUE_MAX && value[0] == '{' &&
        json_parse(&j, value, len, &ignored) == 0) {
        const char *node = named_node(j);
        if (node && *node) {
            return streq(node, rules->node) ? REGISTRY_OURS : REGISTRY_FOREIGN;
        }
    }
    if (rules->adopt_by_id && record_id_regular(id, rules->id_host)) {
        return REGISTRY_OURS;
    }
    return record_id_of_host(id, rules->id_host) ? REGISTRY_UNCLAIMED : REGISTRY_FOREIGN;
}
