/*
 * The options of `tidewaiter agent`, as the product contract lists them.
 */
#include "config/agent_settings.h"

#include "base/alloc.h"
#include "config/sections.h"

#define AGENT_GROUP "Agent"

static const char *const ON_EXIT[] = {
    [SETTING_EXIT_KEEP] = "keep", [SETTING_EXIT_DEREGISTER] = "deregister", NULL};

static const struct option OPTIONS[] = {
    REGISTRY_ARGUMENT(agent_settings, registry),
    MAPPING_OPTIONS(agent_settings, mapping),
    {.name = "ttl",
     .type = OPTION_DURATION,
     .offset = offsetof(struct agent_settings, ttl),
     .group = AGENT_GROUP,
     .default_value = "30s",
     .min = 5000,
     .help = "how long the records outlive an agent that is lost; at least 5s"},
    {.name = "drain",
     .type = OPTION_BOOL,
     .offset = offsetof(struct agent_settings, drain),
     .group = AGENT_GROUP,
     .default_value = "true",
     .help = "deregister as soon as a container is told to stop"},
    {.name = "resync",
     .type = OPTION_DURATION,
     .offset = offsetof(struct agent_settings, resync),
     .group = AGENT_GROUP,
     .default_value = "60s",
     .min = 1000,
     .help = "how often everything is compared; writes only what differs"},
    {.name = "on-exit",
     .type = OPTION_ENUM,
     .offset = offsetof(struct agent_settings, on_exit),
     .group = AGENT_GROUP,
     .default_value = "keep",
     .choices = ON_EXIT,
     .help = "a clean stop leaves the records to a successor until the TTL, or removes them"},
    {.name = "inspects",
     .type = OPTION_UINT,
     .offset = offsetof(struct agent_settings, inspects),
     .group = AGENT_GROUP,
     .default_value = "16",
     .min = 1,
     .max = 256,
     .help = "containers that are inspected at the same time"},
    {.name = "once",
     .type = OPTION_BOOL,
     .offset = offsetof(struct agent_settings, once),
     .group = AGENT_GROUP,
     .help = "one full comparison, then exit"},
    {.name = "dry-run",
     .type = OPTION_BOOL,
     .offset = offsetof(struct agent_settings, dry_run),
     .group = AGENT_GROUP,
     .help = "print what would be written, write nothing, exit"},
    REGISTRY_OPTIONS(agent_settings, registry),
    DOCKER_OPTIONS(agent_settings, docker),
    COMMON_OPTIONS(agent_settings, common),
};

static int finish(struct options_base *base, struct err *e)
{
    struct agent_settings *s = container_of(base, struct agent_settings, base);
    return registry_settings_finish(base, &s->registry, e);
}

static const char *const READS[] = {"agent", NULL};

const struct options_command agent_command = {
    .name = "agent",
    .usage = "tidewaiter agent [OPTIONS] [REGISTRY]",
    .summary = "Watches Docker and keeps REGISTRY true to it: every reachable port of a running "
               "container is a service there.",
    .epilogue = REGISTRY_EPILOGUE,
    .options = OPTIONS,
    .n_options = ARRAY_LEN(OPTIONS),
    .settings_size = sizeof(struct agent_settings),
    .reads = READS,
    .sections = SECTIONS,
    .finish = finish,
};

int agent_settings_load(struct agent_settings *ret, const struct options_input *input,
                        struct err *e)
{
    return options_load(&agent_command, input, &ret->base, e);
}
