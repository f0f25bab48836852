/*
 * Running, paused, stopped; healthy or not.
 *
 * Happy path: the container runs, and has no health check or is healthy.
 *
 * A stopped container has no services. With --deregister on-success those of a container that failed
 * stay: exit codes 1 to 127. Codes from 128 are signals (and 255), which somebody sent to end it. A
 * container that was never started has nothing that could stay.
 *
 * Registrator knew neither pauses nor health: what runs is registered. The status follows the health all
 * the same, because a TTL check in Consul shows it ("starting" is not passing, or such a check would say
 * yes for a container that has not said so yet); the other registries of its line hold no status.
 */
#include "mapping/state.h"

#include "base/str.h"

#define EXIT_SIGNAL 128
#define ZERO_TIME   "0001-" /* Docker's "never" */

static bool stays_when_stopped(const struct mapping_job *job)
{
    const struct container *c = job->c;
    return job->o->deregister == MAPPING_DEREGISTER_ON_SUCCESS && c->s.exit_code > 0 &&
           c->s.exit_code < EXIT_SIGNAL;
}

static struct state_verdict judge_stopped(const struct mapping_job *job)
{
    const struct container *c = job->c;
    struct state_verdict v = {.remark = ""};
    if (str_starts(c->s.started_at, ZERO_TIME)) {
        v.refusal = "the container was never started";
        return v;
    }
    v.keep_stopped = stays_when_stopped(job);
    v.refusal =
        arena_printf(job->arena, "the container is %s (exit code %d)%s",
                     c->s.restarting ? "waiting to be restarted" : "not running", c->s.exit_code,
                     v.keep_stopped ? "; what it registered stays (--deregister on-success)" : "");
    return v;
}

static struct state_verdict judge_health(const struct mapping_job *job, enum mapping_health policy)
{
    enum container_health h = job->c->s.health;
    struct state_verdict v = {.remark = "", .status = SERVICE_PASSING};
    if (policy == MAPPING_HEALTH_IGNORE || h == CONTAINER_HEALTH_NONE ||
        h == CONTAINER_HEALTH_HEALTHY) {
        return v;
    }
    const char *name = container_health_name(h);
    if (policy == MAPPING_HEALTH_GATE) {
        v.refusal = arena_printf(job->arena, "its health check says %s (--health gate)", name);
    } else {
        v.status = SERVICE_CRITICAL;
        v.remark = arena_printf(job->arena, "; critical, its health check says %s", name);
    }
    return v;
}

struct state_verdict state_judge(const struct mapping_job *job)
{
    const struct container *c = job->c;
    bool registrator = job->o->rules == MAPPING_REGISTRATOR;
    if (!c->s.running) {
        return judge_stopped(job);
    }
    if (c->s.paused && !registrator) {
        return (struct state_verdict){.refusal = "the container is paused", .remark = ""};
    }
    return judge_health(job, registrator ? MAPPING_HEALTH_MARK : job->o->health);
}
