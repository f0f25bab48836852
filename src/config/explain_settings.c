/*
 * The options of `tidewaiter explain`: those of the agent that decide what a container becomes, also as
 * the agent's section of the configuration file has them, so that both say the same.
 */
#include "config/explain_settings.h"

#include "base/alloc.h"
#include "config/sections.h"

#include <errno.h>

static const struct option OPTIONS[] = {
    {.name = "container",
     .type = OPTION_LIST,
     .flags = OPTION_POSITIONAL | OPTION_NO_ENV | OPTION_NO_FILE,
     .offset = offsetof(struct explain_settings, containers),
     .group = "Arguments",
     .value_name = "CONTAINER...",
     .help = "names or ids of containers"},
    {.name = "json",
     .type = OPTION_BOOL,
     .flags = OPTION_NO_FILE,
     .offset = offsetof(struct explain_settings, json),
     .group = "Output",
     .help = "print one JSON array instead of text"},
    MAPPING_OPTIONS(explain_settings, mapping),
    DOCKER_OPTIONS(explain_settings, docker),
    COMMON_OPTIONS(explain_settings, common),
};

static int finish(struct options_base *base, struct err *e)
{
    const struct explain_settings *s = container_of(base, struct explain_settings, base);
    if (s->containers.n == 0 && !s->common.check_config) {
        return err_set(e, ERR_INVALID, -EINVAL, "no container is named; usage: %s",
                       base->command->usage);
    }
    return 0;
}

static const char *const READS[] = {"agent", NULL};

const struct options_command explain_command = {
    .name = "explain",
    .usage = "tidewaiter explain [OPTIONS] CONTAINER...",
    .summary =
        "Says for each port of a container which service it becomes, or why none, naming the "
        "rule, label or variable that decided.",
    .options = OPTIONS,
    .n_options = ARRAY_LEN(OPTIONS),
    .settings_size = sizeof(struct explain_settings),
    .reads = READS,
    .sections = SECTIONS,
    .finish = finish,
};

int explain_settings_load(struct explain_settings *ret, const struct options_input *input,
                          struct err *e)
{
    return options_load(&explain_command, input, &ret->base, e);
}
