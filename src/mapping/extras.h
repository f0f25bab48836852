#pragma once
/*
 * Tags and attributes of a service, as labels and variables give them.
 */
#include "mapping/draft.h"

/* Once, before anything else here: the tags of every service, and which keys are attributes: all but
 * those known. */
void extras_prepare(struct mapping_job *job, const char *const *known, size_t n_known);

/* Fills tags and attributes of a port. */
void extras_take(struct draft *d, struct mapping_job *job, uint16_t port, enum service_proto proto);
