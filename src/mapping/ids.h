#pragma once
/*
 * The ids that a container has used so far: SERVICE_ID may have been given to several of its ports.
 */
#include "mapping/job.h"
#include "mapping/ports.h"

struct ids_entry;

struct ids {
    struct ids_entry *taken;
};

#define IDS_NULL                                                                                   \
    {                                                                                              \
        NULL                                                                                       \
    }

/*
 * The id of an offer; custom is SERVICE_ID or NULL. The first port to ask for an id has it, every
 * further one gets it with what tells them apart appended.
 */
const char *ids_take(struct ids *ids, const struct mapping_job *job, const struct port_offer *offer,
                     const char *custom);

/* False when id was taken before; else it is now. id must live as long as the arena. */
bool ids_claim(struct ids *ids, struct arena *a, const char *id);

void ids_deinit(struct ids *ids);
