/*
 * What the shared rows of the option tables point at, and what the registry's options mean together.
 * The password is read from its file at load time: a file that cannot be read is bad configuration, and
 * HUP takes a changed password over.
 */
#include "config/common_settings.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "config/agent_settings.h"
#include "config/mapping_settings.h"
#include "config/render_settings.h"
#include "config/sections.h"

#include <errno.h>
#include <string.h>

#define PASSWORD_MAX 4096u

const char *const COMMON_LOG_LEVELS[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug", NULL};
const char *const COMMON_LOG_FORMATS[] = {[LOG_TEXT] = "text", [LOG_JSON] = "json", NULL};

const char *const MAPPING_NAME_SOURCES[] = {[SETTING_NAME_IMAGE] = "image",
                                            [SETTING_NAME_COMPOSE] = "compose",
                                            [SETTING_NAME_CONTAINER] = "container",
                                            NULL};
const char *const MAPPING_HEALTH_MODES[] = {[SETTING_HEALTH_GATE] = "gate",
                                            [SETTING_HEALTH_MARK] = "mark",
                                            [SETTING_HEALTH_IGNORE] = "ignore",
                                            NULL};
const char *const MAPPING_DEREGISTER_MODES[] = {
    [SETTING_DEREGISTER_ALWAYS] = "always", [SETTING_DEREGISTER_ON_SUCCESS] = "on-success", NULL};

const struct options_command *const SECTIONS[] = {&agent_command, &render_command, NULL};

static int split_user(struct options_base *base, struct registry_settings *s, struct err *e)
{
    const struct option_origin *origin = options_origin(base, "etcd-user");
    const char *colon = s->etcd_user ? strchr(s->etcd_user, ':') : NULL;
    if (!colon) {
        return 0;
    }
    if (origin->source != OPTION_FROM_TOOL) {
        err_set(
            e, ERR_INVALID, -EINVAL,
            "found a name with a password, allowed: a name; the password goes into a file named "
            "by etcd-password-file");
        options_blame(base, "etcd-user", 0, e);
        return -EINVAL;
    }
    /* as etcdctl: with a password of its own, the whole is the name */
    if (!s->etcd_password) {
        options_override(base, "etcd-password", colon + 1, OPTION_FROM_TOOL, origin->text);
        options_override(base, "etcd-user",
                         arena_memdup0(&base->arena, s->etcd_user, (size_t)(colon - s->etcd_user)),
                         OPTION_FROM_TOOL, origin->text);
    }
    return 0;
}

static int read_password(struct options_base *base, struct registry_settings *s, struct err *e)
{
    if (!s->etcd_password_file) {
        return 0;
    }
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(PASSWORD_MAX);
    int r = fs_read(s->etcd_password_file, &text, e);
    if (r == 0) {
        const char *password = buf_str(&text);
        size_t len = text.len;
        len -= len > 0 && password[len - 1] == '\n';
        len -= len > 0 && password[len - 1] == '\r';
        if (len > 0 && str_printable(password, len)) {
            password = arena_memdup0(&base->arena, password, len);
            options_override(base, "etcd-password", password, OPTION_FROM_FILE,
                             s->etcd_password_file);
            return 0;
        }
        r = err_set(e, ERR_INVALID, -EINVAL, "%s: allowed: one line with the password",
                    s->etcd_password_file);
    }
    options_blame(base, "etcd-password-file", 0, e);
    return r;
}

int registry_settings_finish(struct options_base *base, struct registry_settings *s, struct err *e)
{
    int r = split_user(base, s, e);
    if (r == 0) {
        r = read_password(base, s, e);
    }
    if (r < 0) {
        return r;
    }
    if (!s->etcd_cert != !s->etcd_key) {
        const char *given = s->etcd_cert ? "etcd-cert" : "etcd-key";
        err_set(e, ERR_INVALID, -EINVAL, "found without %s, allowed: both or none",
                s->etcd_cert ? "etcd-key" : "etcd-cert");
        options_blame(base, given, 0, e);
        return -EINVAL;
    }
    if (!s->uri && s->etcd_endpoints && options_origin(base, "registry")->source == OPTION_UNSET) {
        options_override(base, "registry",
                         str_starts(s->etcd_endpoints, "https://") ? "etcds://" : "etcd://",
                         OPTION_FROM_TOOL, "ETCDCTL_ENDPOINTS");
    }
    return 0;
}
