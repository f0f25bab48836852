#pragma once
/*
 * Names and ids of services, and what they may look like.
 */
#include "mapping/job.h"
#include "mapping/ports.h"

/*
 * Names and ids become keys of a registry, paths of its HTTP interface and names in DNS and nginx, so
 * they are taken from a small set: names from A-Z a-z 0-9 . _ - (beginning with a letter, a digit or
 * '_'), ids from these and : @ + ~
 */
#define NAMING_NAME_MAX 247 /* leaves room for "-65535" */
#define NAMING_ID_MAX   400 /* of a SERVICE_ID: leaves room for what makes it unique */

/* NULL when text will do; else what is wrong with it. */
const char *naming_name_refused(const char *text);
const char *naming_id_refused(const char *text, size_t max);

struct naming_default {
    const char *name;   /* "" when there is none */
    const char *reason; /* "name from the image" */
};

/* By --name-from; never fails, but the result is to be checked like a name from a label. */
struct naming_default naming_default(const struct mapping_job *job);

/* The last path element of an image without tag and digest; "" for an image named by digest alone. */
const char *naming_of_image(const char *image, struct arena *a);

/*
 * The id of an offer: <node>:<container>:<port>, then :<host port> for further bindings of the port,
 * then :udp or :sctp. custom (SERVICE_ID, or NULL) replaces it; a further binding appends to it.
 */
const char *naming_id(const struct mapping_job *job, const struct port_offer *offer,
                      const char *custom);

/* custom and what tells this offer from every other of the container; for a SERVICE_ID given twice. */
const char *naming_id_unique(const struct mapping_job *job, const struct port_offer *offer,
                             const char *custom);
