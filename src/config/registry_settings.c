/*
 * What the registry's options mean together.
 *
 * Secrets are read from their files at load time: a file that cannot be read is bad configuration. A file
 * outdoes the variable that holds the secret itself, as in the registries' own clients.
 */
#include "config/registry_settings.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

#define SECRET_MAX 4096u

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

/* The secret in the file that option `file_option` names becomes the value of option `secret`. */
static int read_secret(struct options_base *base, const char *path, const char *file_option,
                       const char *secret, const char *what, struct err *e)
{
    if (!path) {
        return 0;
    }
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(SECRET_MAX);
    int r = fs_read(path, &text, e);
    if (r == 0) {
        const char *line = buf_str(&text);
        size_t len = text.len;
        len -= len > 0 && line[len - 1] == '\n';
        len -= len > 0 && line[len - 1] == '\r';
        if (len > 0 && str_printable(line, len)) {
            options_override(base, secret, arena_memdup0(&base->arena, line, len), OPTION_FROM_FILE,
                             path);
            return 0;
        }
        r = err_set(e, ERR_INVALID, -EINVAL, "%s: allowed: one line with the %s", path, what);
    }
    options_blame(base, file_option, 0, e);
    return r;
}

static int both_or_none(const struct options_base *base, const char *cert, const char *cert_option,
                        const char *key, const char *key_option, struct err *e)
{
    if (!cert == !key) {
        return 0;
    }
    err_set(e, ERR_INVALID, -EINVAL, "found without %s, allowed: both or none",
            cert ? key_option : cert_option);
    options_blame(base, cert ? cert_option : key_option, 0, e);
    return -EINVAL;
}

int registry_settings_finish(struct options_base *base, struct registry_settings *s, struct err *e)
{
    int r = split_user(base, s, e);
    if (r == 0) {
        r = read_secret(base, s->etcd_password_file, "etcd-password-file", "etcd-password",
                        "password", e);
    }
    if (r == 0) {
        r = read_secret(base, s->consul_token_file, "consul-token-file", "consul-token", "token",
                        e);
    }
    if (r == 0) {
        r = both_or_none(base, s->etcd_cert, "etcd-cert", s->etcd_key, "etcd-key", e);
    }
    if (r == 0) {
        r = both_or_none(base, s->consul_cert, "consul-cert", s->consul_key, "consul-key", e);
    }
    if (r < 0) {
        return r;
    }
    if (!s->uri && s->etcd_endpoints && options_origin(base, "registry")->source == OPTION_UNSET) {
        options_override(base, "registry",
                         str_starts(s->etcd_endpoints, "https://") ? "etcds://" : "etcd://",
                         OPTION_FROM_TOOL, "ETCDCTL_ENDPOINTS");
    }
    return 0;
}
