/*
 * Ids within one container are unique.
 *
 * Happy path: default ids differ by construction; a SERVICE_ID is used once. A SERVICE_ID for several
 * ports: the lowest has it as it is, the others get ":<port>" (and host port, and protocol) appended.
 */
#include "mapping/ids.h"

#include <string.h>

#include "base/map.h"
#include "mapping/naming.h"

struct ids_entry {
    const char *id;
    UT_hash_handle hh;
};

bool ids_claim(struct ids *ids, struct arena *a, const char *id)
{
    struct ids_entry *e;
    HASH_FIND_STR(ids->taken, id, e);
    if (e) {
        return false;
    }
    e = arena_alloc(a, sizeof(*e));
    e->id = id;
    HASH_ADD_KEYPTR(hh, ids->taken, e->id, strlen(e->id), e);
    return true;
}

const char *ids_take(struct ids *ids, const struct mapping_job *job, const struct port_offer *offer,
                     const char *custom)
{
    const char *id = naming_id(job, offer, custom);
    /* Longer with every turn, and the ids are finitely many: it ends. */
    while (!ids_claim(ids, job->arena, id)) {
        id = naming_id_unique(job, offer, id);
    }
    return id;
}

void ids_deinit(struct ids *ids)
{
    HASH_CLEAR(hh, ids->taken);
}
