#pragma once
/*
 * Whose a refused place is, and what happens about it, in words for people.
 */
#include "base/arena.h"
#include "render/nginx_exclude.h"
#include "render/nginx_place.h"

/*
 * p is a place in f, whose blocks still know what they were rendered from; step is that of the block now.
 * Blamed is the service of the server, or that which asked for the directive, else the first one of the
 * block; where there is none, ret has the upstream's name alone. Texts are put into a.
 */
void nginx_accuse(const struct nginx_file *f, const struct nginx_place *p,
                  enum nginx_exclude_step step, struct arena *a, struct engine_report *ret);
