/*
 * Mapping: whether a container is looked at, and by which rules.
 *
 *   --filter → state and health → the rules (native.c, registrator.c)
 *
 * Happy path: the container runs; the rules make a verdict of each port.
 *
 * Failure modes: none for the caller. A container that is not fit as a whole ends in one verdict of
 * port 0.
 */
#include "mapping/mapping.h"

#include "mapping/filter.h"
#include "mapping/job.h"
#include "mapping/rules.h"
#include "mapping/verdict.h"
#include "base/str.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define MODE_CONTAINER "container:"

void mapping_map(const struct mapping_options *o, const struct container *c,
                 const struct container *peer, struct mapping_result *ret)
{
    *ret = (struct mapping_result){0};
    arena_init(&ret->arena);
    struct mapping_job job = {.o = o,
                              .c = c,
                              .peer = mapping_peer_id(c) ? peer : NULL,
                              .arena = &ret->arena,
                              .warnings = {.arena = &ret->arena},
                              .room = VERDICT_SERVICES_SIZE};
    const char *filtered = filter_refuses(o, c, &ret->arena);
    if (filtered) {
        verdict_whole(ret, filtered);
        return;
    }
    struct state_verdict state = state_judge(&job);
    ret->keep_stopped = state.keep_stopped;
    if (state.refusal) {
        verdict_whole(ret, state.refusal);
        return;
    }
    if (o->rules == MAPPING_REGISTRATOR) {
        registrator_map(&job, &state, ret);
    } else {
        native_map(&job, &state, ret);
    }
    ret->warnings = job.warnings.items;
    ret->n_warnings = job.warnings.n;
}

void mapping_result_deinit(struct mapping_result *r)
{
    for (size_t i = 0; i < r->n_verdicts; i++) {
        service_unref(r->verdicts[i].service);
    }
    arena_deinit(&r->arena);
    *r = (struct mapping_result){0};
}

int mapping_tags_check(const char *tags, struct err *e)
{
    if (strstr(tags, "{{")) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "\"%s\" is a template; allowed is a comma list (\"\\,\" is a literal comma)",
                       tags);
    }
    if (!str_printable(tags, strlen(tags))) {
        return err_set(e, ERR_INVALID, -EINVAL, "\"%s\" has a control character", tags);
    }
    return 0;
}

const char *mapping_peer_id(const struct container *c)
{
    const char *mode = c->s.network_mode;
    return str_starts(mode, MODE_CONTAINER) && mode[sizeof(MODE_CONTAINER) - 1]
               ? mode + sizeof(MODE_CONTAINER) - 1
               : NULL;
}

bool mapping_signal_stops(const struct container *c, int signal)
{
    return signal == c->s.stop_signal || signal == SIGTERM || signal == SIGINT ||
           signal == SIGQUIT || signal == SIGKILL;
}
