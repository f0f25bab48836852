/*
 * The options of `tidewaiter render`, as the product contract lists them.
 */
#include "config/render_settings.h"

#include "base/alloc.h"
#include "base/str.h"
#include "config/owner.h"
#include "config/sections.h"

#include <errno.h>
#include <string.h>

#define OUTPUT_GROUP  "Output"
#define PUBLISH_GROUP "Publishing"

static const char *const EMPTY[] = {[SETTING_EMPTY_DOWN] = "down",
                                    [SETTING_EMPTY_KEEP] = "keep",
                                    [SETTING_EMPTY_OMIT] = "omit",
                                    NULL};

static int check_nginx(const char *value, struct err *e)
{
    /* names and ids as engines take them */
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    if (streq(value, "local") || str_starts(value, "local:/")) {
        return 0;
    }
    const char *container = str_starts(value, "container:") ? strchr(value, ':') + 1 : "";
    if (*container && !strchr("_.-", *container) && !container[strspn(container, name)]) {
        return 0;
    }
    return err_set(e, ERR_INVALID, -EINVAL,
                   "found \"%.80s\", allowed: local, local:/PATH/nginx.conf or container:NAME",
                   value);
}

static int check_owner(const char *value, struct err *e)
{
    uid_t ignored;
    return owner_find_user(value, &ignored, e);
}

static int check_group(const char *value, struct err *e)
{
    gid_t ignored;
    return owner_find_group(value, &ignored, e);
}

static const struct option OPTIONS[] = {
    REGISTRY_ARGUMENT(render_settings, registry),
    {.name = "output",
     .letter = 'o',
     .type = OPTION_STRING,
     .offset = offsetof(struct render_settings, output),
     .group = OUTPUT_GROUP,
     .value_name = "FILE",
     .default_words = "where no file is named: stdout, once",
     .help = "file of the http upstreams"},
    {.name = "stream-output",
     .type = OPTION_STRING,
     .offset = offsetof(struct render_settings, stream_output),
     .group = OUTPUT_GROUP,
     .value_name = "FILE",
     .help = "file of the upstreams for the stream block: udp, and those with nginx=stream"},
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
     .help = "mode of the files, octal or keep"},
    {.name = "owner",
     .type = OPTION_STRING,
     .offset = offsetof(struct render_settings, owner),
     .group = OUTPUT_GROUP,
     .value_name = "NAME|ID",
     .default_value = "keep",
     .default_words = "that of the file in place, else its own",
     .check = check_owner,
     .help = "user that the files belong to"},
    {.name = "group",
     .type = OPTION_STRING,
     .offset = offsetof(struct render_settings, group),
     .group = OUTPUT_GROUP,
     .value_name = "NAME|ID",
     .default_value = "keep",
     .default_words = "that of the file in place, else its own",
     .check = check_group,
     .help = "group that the files belong to"},
    {.name = "backup",
     .type = OPTION_BOOL,
     .offset = offsetof(struct render_settings, backup),
     .group = OUTPUT_GROUP,
     .help = "keep the file from before as FILE.bak"},
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
    {.name = "max-drop",
     .type = OPTION_UINT,
     .offset = offsetof(struct render_settings, max_drop),
     .group = PUBLISH_GROUP,
     .value_name = "PERCENT",
     .default_value = "100",
     .default_words = "100, which is off",
     .min = 1,
     .max = 100,
     .help = "an update that drops a larger share of the servers waits as well"},
    {.name = "nginx",
     .type = OPTION_STRING,
     .offset = offsetof(struct render_settings, nginx),
     .group = PUBLISH_GROUP,
     .value_name = "local[:CONF]|container:NAME",
     .check = check_nginx,
     .help = "check, reload and confirm with this nginx: of this host, or in a container"},
    {.name = "check",
     .type = OPTION_COMMAND,
     .offset = offsetof(struct render_settings, check),
     .group = PUBLISH_GROUP,
     .value_name = "CMD",
     .help =
         "must succeed before the files go live; {{.src}} is the staged file; for the shell, or "
         "[\"PROGRAM\",\"ARGUMENT\"...]"},
    {.name = "reload",
     .type = OPTION_COMMAND,
     .offset = offsetof(struct render_settings, reload),
     .group = PUBLISH_GROUP,
     .value_name = "CMD",
     .help = "runs after the files went live, again until it succeeds; as check"},
    {.name = "strict",
     .type = OPTION_BOOL,
     .offset = offsetof(struct render_settings, strict),
     .group = PUBLISH_GROUP,
     .help = "publish nothing while the check fails, rather than all but what it fails for"},
    {.name = "old-workers",
     .type = OPTION_UINT,
     .offset = offsetof(struct render_settings, old_workers),
     .group = PUBLISH_GROUP,
     .default_value = "32",
     .max = 1000000,
     .help = "a reload waits while more of nginx's former workers than these still shut down"},
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
    {.name = "diff",
     .type = OPTION_BOOL,
     .offset = offsetof(struct render_settings, diff),
     .group = PUBLISH_GROUP,
     .help = "print how the files would change, write nothing, exit with 1 if they would"},
    REGISTRY_OPTIONS(render_settings, registry),
    DOCKER_OPTIONS(render_settings, docker),
    COMMON_OPTIONS(render_settings, common),
};

static int refuse(const struct options_base *base, const char *name, struct err *e, const char *why)
{
    err_set(e, ERR_INVALID, -EINVAL, "%s", why);
    options_blame(base, name, 0, e);
    return -EINVAL;
}

static int check_together(const struct render_settings *s, struct err *e)
{
    const bool any_output = s->output || s->stream_output;
    if (s->output && s->stream_output && streq(s->output, s->stream_output)) {
        return refuse(&s->base, "stream-output", e,
                      "found the file of output, allowed: a file of its own");
    }
    if (s->diff && s->dry_run) {
        return refuse(&s->base, "diff", e, "found with dry-run, allowed: one of the two");
    }
    if (s->diff && !any_output) {
        return refuse(
            &s->base, "diff", e,
            "found without output and stream-output, allowed: with a file to compare with");
    }
    if (s->max_drop < 100 && s->hold == 0) {
        return refuse(&s->base, "max-drop", e,
                      "found with a hold of 0, which holds nothing, allowed: with a longer hold");
    }
    if (s->nginx && !any_output) {
        return refuse(&s->base, "nginx", e,
                      "found without output and stream-output, allowed: with a file that it reads");
    }
    return 0;
}

static int resolve_owner(struct render_settings *s, struct err *e)
{
    int r = owner_find_user(s->owner, &s->uid, e);
    if (r < 0) {
        options_blame(&s->base, "owner", 0, e);
        return r;
    }
    r = owner_find_group(s->group, &s->gid, e);
    if (r < 0) {
        options_blame(&s->base, "group", 0, e);
    }
    return r;
}

/* An empty argument is a shell's variable that was not set, not the wish for stdout. */
static int check_named(const struct render_settings *s, const char *option, const char *path,
                       struct err *e)
{
    if (path || options_origin(&s->base, option)->source != OPTION_FROM_COMMAND_LINE) {
        return 0;
    }
    int r = err_set(e, ERR_INVALID, -EINVAL, "empty; name a file, or leave the option out");
    options_blame(&s->base, option, 0, e);
    return r;
}

static int finish(struct options_base *base, struct err *e)
{
    struct render_settings *s = container_of(base, struct render_settings, base);
    int r = check_named(s, "output", s->output, e);
    if (r == 0) {
        r = check_named(s, "stream-output", s->stream_output, e);
    }
    if (r == 0) {
        r = check_together(s, e);
    }
    if (r == 0) {
        r = resolve_owner(s, e);
    }
    return r < 0 ? r : registry_settings_finish(base, &s->registry, e);
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
