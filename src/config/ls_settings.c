/*
 * The options of `tidewaiter ls`. From the configuration file it takes the registry that the renderer
 * reads, or else the one that the agent writes.
 */
#include "config/ls_settings.h"

#include "base/alloc.h"
#include "config/sections.h"

#define LIST_GROUP "Listing"

static const struct option OPTIONS[] = {
    REGISTRY_ARGUMENT(ls_settings, registry),
    {.name = "services",
     .type = OPTION_LIST,
     .flags = OPTION_NO_FILE, /* the renderer's choice is not what a look at the registry means */
     .offset = offsetof(struct ls_settings, services),
     .group = LIST_GROUP,
     .value_name = "GLOB",
     .default_value = "*",
     .help = "names of the services that are listed"},
    {.name = "json",
     .type = OPTION_BOOL,
     .flags = OPTION_NO_FILE,
     .offset = offsetof(struct ls_settings, json),
     .group = LIST_GROUP,
     .help = "print one JSON array instead of a table"},
    {.name = "watch",
     .type = OPTION_BOOL,
     .flags = OPTION_NO_FILE,
     .offset = offsetof(struct ls_settings, watch),
     .group = LIST_GROUP,
     .help = "keep printing changes"},
    REGISTRY_OPTIONS(ls_settings, registry),
    COMMON_OPTIONS(ls_settings, common),
};

static int finish(struct options_base *base, struct err *e)
{
    struct ls_settings *s = container_of(base, struct ls_settings, base);
    return registry_settings_finish(base, &s->registry, e);
}

static const char *const READS[] = {"agent", "render", NULL};

const struct options_command ls_command = {
    .name = "ls",
    .usage = "tidewaiter ls [OPTIONS] [REGISTRY]",
    .summary = "Lists the services in REGISTRY as a table.",
    .epilogue = REGISTRY_EPILOGUE,
    .options = OPTIONS,
    .n_options = ARRAY_LEN(OPTIONS),
    .settings_size = sizeof(struct ls_settings),
    .reads = READS,
    .sections = SECTIONS,
    .finish = finish,
};

int ls_settings_load(struct ls_settings *ret, const struct options_input *input, struct err *e)
{
    return options_load(&ls_command, input, &ret->base, e);
}
