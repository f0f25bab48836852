/*
 * The options of `tidewaiter render`, as the product contract lists them.
 */
#include "config/render_settings.h"

#include "base/alloc.h"
#include "config/sections.h"

#define OUTPUT_GROUP  "Output"
#define PUBLISH_GROUP "Publishing"

static const char *const EMPTY[] = {[SETTING_EMPTY_DOWN] = "down",
                                    [SETTING_EMPTY_KEEP] = "keep",
                                    [SETTING_EMPTY_OMIT] = "omit",
                                    NULL};

static const struct option OPTIONS[] = {
    REGISTRY_ARGUMENT(render_settings, registry),
    {.name = "output",
     .letter = 'o',
     .type = OPTION_STRING,
     .offset = offsetof(struct render_settings, output),
     .group = OUTPUT_GROUP,
     .value_name = "FILE",
     .default_words = "stdout, once",
     .help = "file of the http upstreams"},
    {.name = "services",
     .type = OPTION_LIST,
     .offset = offsetof(struct render_settings, services),
     .group = OUTPUT_GROUP,
     .value_name = "GLOB",
     .default_value = "*",
     .help = "names of the services that are rendered"},
    {.name = "expect",
     .type = OPTION_LIST,
     .offset = offsetof(struct render_settings, expect),
     .group = OUTPUT_GROUP,
     .value_name = "NAME",
     .help = "a block exists for this name from the first file on"},
    {.name = "empty",
     .type = OPTION_ENUM,
     .offset = offsetof(struct render_settings, empty),
     .group = OUTPUT_GROUP,
     .default_value = "down",
     .choices = EMPTY,
     .help = "a service without servers gets one that is down, its last servers, or no block"},
    {.name = "mode",
     .type = OPTION_MODE,
     .offset = offsetof(struct render_settings, mode),
     .group = OUTPUT_GROUP,
     .default_value = "keep",
     .default_words = "that of the file in place, else 0644",
     .help = "mode of the file, octal or keep"},
    {.name = "wait",
     .type = OPTION_SPAN,
     .offset = offsetof(struct render_settings, wait),
     .group = PUBLISH_GROUP,
     .default_value = "100ms:1s",
     .help = "quiet time before a change is published, and the longest that it may wait"},
    {.name = "hold",
     .type = OPTION_DURATION,
     .offset = offsetof(struct render_settings, hold),
     .group = PUBLISH_GROUP,
     .default_value = "10s",
     .help = "how long an update waits that would leave every upstream empty"},
    {.name = "check",
     .type = OPTION_STRING,
     .offset = offsetof(struct render_settings, check),
     .group = PUBLISH_GROUP,
     .value_name = "CMD",
     .help = "must succeed before the file goes live; {{.src}} is the staged file"},
    {.name = "reload",
     .type = OPTION_STRING,
     .offset = offsetof(struct render_settings, reload),
     .group = PUBLISH_GROUP,
     .value_name = "CMD",
     .help = "runs after the file went live, again until it succeeds"},
    {.name = "once",
     .type = OPTION_BOOL,
     .offset = offsetof(struct render_settings, once),
     .group = PUBLISH_GROUP,
     .help = "publish once, then exit"},
    {.name = "dry-run",
     .type = OPTION_BOOL,
     .offset = offsetof(struct render_settings, dry_run),
     .group = PUBLISH_GROUP,
     .help = "print what would be written, write nothing, exit"},
    REGISTRY_OPTIONS(render_settings, registry),
    COMMON_OPTIONS(render_settings, common),
};

static int finish(struct options_base *base, struct err *e)
{
    struct render_settings *s = container_of(base, struct render_settings, base);
    return registry_settings_finish(base, &s->registry, e);
}

static const char *const READS[] = {"render", NULL};

const struct options_command render_command = {
    .name = "render",
    .usage = "tidewaiter render [OPTIONS] [REGISTRY]",
    .summary = "Watches REGISTRY and keeps nginx upstreams true to it.",
    .epilogue = REGISTRY_EPILOGUE,
    .options = OPTIONS,
    .n_options = ARRAY_LEN(OPTIONS),
    .settings_size = sizeof(struct render_settings),
    .reads = READS,
    .sections = SECTIONS,
    .finish = finish,
};

int render_settings_load(struct render_settings *ret, const struct options_input *input,
                         struct err *e)
{
    return options_load(&render_command, input, &ret->base, e);
}
