#pragma once
/*
 * What labels and variables say about one port, by Registrator's rules.
 */
#include "mapping/draft.h"

/* Once, before the first draft. */
void registrator_draft_prepare(struct mapping_job *job);

/* The last path element of an image, cut at the first ':'; a digest's '@' stays. */
const char *registrator_name_of_image(const char *image, struct arena *a);

/* default_name: registrator_name_of_image() of the container's. The weight is always unset. */
void registrator_draft_make(struct draft *ret, struct mapping_job *job, const char *default_name,
                            uint16_t port, enum service_proto proto);
