/*
 * What the engine says about itself: API version, host name, networks, errors.
 *
 * Happy path: a body, or a header, becomes the few facts that are used.
 * Failure: a body that is no JSON is refused. What is missing inside one is not: an engine that does not
 * tell its name or its networks' drivers can still be watched.
 * Not done: nothing is asked; see api.c and watch.c.
 */
#include "docker/decode.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/must.h"
#include "base/str.h"

#define API_MAJOR     1u
#define API_MINOR_MIN 24u /* the oldest that current engines take */
#define API_MINOR_MAX 52u /* the newest whose bodies are known here */

/* Far above what a host can route. */
#define NETWORKS_LIMIT 4096u

int docker_api_prefix(char ret[DOCKER_PREFIX_MAX], const char *api_version, struct err *e)
{
    if (str_empty(api_version)) {
        ret[0] = '\0';
        return 0;
    }
    char major_text[8];
    uint64_t major, minor;
    const char *dot = strchr(api_version, '.');
    size_t n = dot ? (size_t)(dot - api_version) : 0;
    if (n == 0 || n >= sizeof(major_text)) {
        return err_set(e, ERR_INVALID, -EINVAL, "not an API version: \"%.40s\"", api_version);
    }
    memcpy(major_text, api_version, n);
    major_text[n] = '\0';
    if (!str_to_u64(major_text, 0, 999, &major) || !str_to_u64(dot + 1, 0, 9999, &minor)) {
        return err_set(e, ERR_INVALID, -EINVAL, "not an API version: \"%.40s\"", api_version);
    }
    if (major < API_MAJOR || (major == API_MAJOR && minor < API_MINOR_MIN)) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "the engine speaks API %.40s; %u.%u or later is needed (Docker 1.12)",
                       api_version, API_MAJOR, API_MINOR_MIN);
    }
    if (major > API_MAJOR || minor > API_MINOR_MAX) {
        minor = API_MINOR_MAX;
    }
    int len = snprintf(ret, DOCKER_PREFIX_MAX, "/v%u.%u", API_MAJOR, (unsigned)minor);
    must(len > 0 && len < DOCKER_PREFIX_MAX);
    return 0;
}

/* A text member as it is; "" when it is absent, too long or holds a control character. */
static void copy_member(const json *root, const char *key, char ret[DOCKER_NAME_MAX])
{
    if (!str_copy(ret, DOCKER_NAME_MAX, json_str(root, key, "")) ||
        !str_printable(ret, strlen(ret))) {
        ret[0] = '\0';
    }
}

int docker_decode_info(struct docker_info *ret, const char *text, size_t len, struct err *e)
{
    CLEANUP_JSON json *root = NULL;
    int r = json_parse(&root, text, len, e);
    if (r < 0) {
        err_wrap(e, "info");
        return r;
    }
    copy_member(root, "Name", ret->name);
    copy_member(root, "ID", ret->id);
    return 0;
}

void docker_decode_message(char *ret, size_t size, const char *text, size_t len)
{
    CLEANUP_JSON json *root = NULL;
    if (json_parse(&root, text, len, NULL) == 0 && json_is_object(root)) {
        (void)str_copy(ret, size, json_str(root, "message", ""));
    } else {
        snprintf(ret, size, "%.*s", (int)(len < size ? len : size), text);
    }
    ret[strcspn(ret, "\r\n")] = '\0';
}

/* ---- networks ---- */

void docker_networks_deinit(struct docker_networks *nets)
{
    free(nets->items);
    *nets = (struct docker_networks)DOCKER_NETWORKS_NULL;
}

void docker_networks_add(struct docker_networks *nets, const char *id, const char *name)
{
    struct docker_network net;
    if (nets->n >= NETWORKS_LIMIT || docker_networks_have(nets, id, name) ||
        !str_copy(net.id, sizeof(net.id), id) || !str_copy(net.name, sizeof(net.name), name)) {
        return;
    }
    nets->items = xreallocarray(nets->items, nets->n + 1, sizeof(*nets->items));
    nets->items[nets->n++] = net;
}

/* podman has a network's name where Docker has its id, so a name decides only where there is no id. */
bool docker_networks_have(const struct docker_networks *nets, const char *id, const char *name)
{
    bool by_id = docker_id_valid(id);
    for (size_t i = 0; i < nets->n; i++) {
        if (streq(by_id ? nets->items[i].id : nets->items[i].name, by_id ? id : name)) {
            return true;
        }
    }
    return false;
}

bool docker_driver_has_own_address(const char *driver)
{
    return streq(driver, "macvlan") || streq(driver, "ipvlan");
}

int docker_decode_networks(struct docker_networks *nets, const char *text, size_t len,
                           struct err *e)
{
    CLEANUP_JSON json *root = NULL;
    int r = json_parse(&root, text, len, e);
    if (r == 0 && !json_is_array(root)) {
        r = err_set(e, ERR_INVALID, -EINVAL, "not a list");
    }
    if (r < 0) {
        err_wrap(e, "networks");
        return r;
    }
    for (const json *it = json_first(root); it; it = json_next(it)) {
        if (docker_driver_has_own_address(json_str(it, "Driver", ""))) {
            docker_networks_add(nets, json_str(it, "Id", ""), json_str(it, "Name", ""));
        }
    }
    return 0;
}
