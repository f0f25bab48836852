#pragma once
/*
 * Whose a record is that no lease and no session holds: what its value and its id say. Pure.
 */
#include "tidewaiter/registry.h"

#include <stdbool.h>
#include <stddef.h>

struct record_owner_rules {
    const char *node;    /* ours */
    const char *id_host; /* first part of our ids */
    bool adopt_by_id;    /* as in struct registry_writer_config */
};

/* id begins with "host:". */
bool record_id_of_host(const char *id, const char *host);
/* id is host:name:port[:udp]; name: at least two of [A-Za-z0-9_.-], the first a letter or digit. */
bool record_id_regular(const char *id, const char *host);

/*
 * The node that the value names decides: OURS or FOREIGN. Where it names none: OURS with adopt_by_id
 * and a regular id of ours; UNCLAIMED when the id begins like one of ours; FOREIGN otherwise.
 */
enum registry_owner record_owner(const struct record_owner_rules *rules, const char *id,
                                 const char *value, size_t len);
