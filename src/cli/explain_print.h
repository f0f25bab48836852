#pragma once
/*
 * How `explain` shows the mapping of one container.
 */
#include "mapping/mapping.h"

#include <stdio.h>

struct json_writer;

/* A heading for the container, then two lines for each port: what it becomes, and why. */
void explain_text(FILE *out, const struct mapping_options *o, const struct container *c,
                  const struct container *peer);

/* The same as one JSON object: {"container","id","image","ports":[…],"warnings":[…]}. */
void explain_json(struct json_writer *w, const struct mapping_options *o, const struct container *c,
                  const struct container *peer);
