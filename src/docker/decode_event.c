/*
 * Event lines.
 *
 * Happy path: a line of the stream is parsed, its Type, Action and Actor become a struct docker_event.
 * The time in nanoseconds does not fit a double, so it is read from the text.
 * Failure: text that is no JSON object, or that lacks Type or Action, is refused; the caller then knows
 * only that something happened.
 * Not done: no judgement of what an event means; an unknown action is OTHER, not an error.
 */
#include "docker/decode.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/str.h"

struct action_words {
    const char *word, *podman;
};

static const struct action_words actions[] = {[DOCKER_ACTION_OTHER] = {"other", NULL},
#define X(sym, word, podman) [DOCKER_ACTION_##sym] = {word, podman},
                                              DOCKER_ACTIONS(X)
#undef X
};

const char *docker_action_name(enum docker_action action)
{
    size_t i = (size_t)action;
    return i < ARRAY_LEN(actions) ? actions[i].word : actions[DOCKER_ACTION_OTHER].word;
}

void docker_event_filter(struct buf *out)
{
    struct json_writer w;
    json_begin(&w, out);
    json_object(&w);
    json_key(&w, "type");
    json_array(&w);
    json_put_str(&w, "container");
    json_put_str(&w, "network");
    json_array_end(&w);
    json_key(&w, "event");
    json_array(&w);
    for (size_t i = DOCKER_ACTION_OTHER + 1; i < ARRAY_LEN(actions); i++) {
        json_put_str(&w, actions[i].word);
        if (actions[i].podman) {
            json_put_str(&w, actions[i].podman);
        }
    }
    json_array_end(&w);
    json_object_end(&w);
}

bool docker_id_valid(const char *id)
{
    return strlen(id) == CONTAINER_ID_LEN && strspn(id, "0123456789abcdef") == CONTAINER_ID_LEN;
}

/* "health_status: healthy" → HEALTH_STATUS, "healthy". */
static enum docker_action parse_action(const char *text, char *detail, size_t size)
{
    const char *colon = strstr(text, ": ");
    size_t len = colon ? (size_t)(colon - text) : strlen(text);
    for (size_t i = DOCKER_ACTION_OTHER + 1; i < ARRAY_LEN(actions); i++) {
        const struct action_words *a = &actions[i];
        if ((strlen(a->word) == len && memcmp(a->word, text, len) == 0) ||
            (a->podman && strlen(a->podman) == len && memcmp(a->podman, text, len) == 0)) {
            (void)str_copy(detail, size, colon ? colon + 2 : "");
            return (enum docker_action)i;
        }
    }
    return DOCKER_ACTION_OTHER;
}

static void copy_id(char ret[CONTAINER_ID_LEN + 1], const char *id)
{
    if (docker_id_valid(id)) {
        memcpy(ret, id, CONTAINER_ID_LEN + 1);
    }
}

static uint64_t digest_of(uint64_t time_nano, const char *type, const char *action,
                          const char *actor, const char *container)
{
    uint64_t h = hash64_more(0, &time_nano, sizeof(time_nano));
    h = hash64_more(h, type, strlen(type) + 1);
    h = hash64_more(h, action, strlen(action) + 1);
    h = hash64_more(h, actor, strlen(actor) + 1);
    return hash64_more(h, container, strlen(container) + 1);
}

static void fill_container(struct docker_event *ev, const char *actor, const json *attributes)
{
    copy_id(ev->container, actor);
    if (ev->action == DOCKER_ACTION_KILL) {
        (void)docker_signal_parse(json_str(attributes, "signal", ""), &ev->signal);
    }
}

static void fill_network(struct docker_event *ev, const char *actor, const json *attributes)
{
    copy_id(ev->container, json_str(attributes, "container", ""));
    copy_id(ev->network, actor);
    if (!str_copy(ev->network_name, sizeof(ev->network_name), json_str(attributes, "name", ""))) {
        ev->network_name[0] = '\0';
    }
    ev->own_address = docker_driver_has_own_address(json_str(attributes, "type", ""));
}

int docker_decode_event(struct docker_event *ret, const char *line, size_t len, struct err *e)
{
    CLEANUP_JSON json *root = NULL;
    int r = json_parse(&root, line, len, e);
    if (r < 0) {
        err_wrap(e, "event");
        return r;
    }
    const char *type, *action;
    r = json_need_str(root, "event", "Type", &type, e);
    if (r == 0) {
        r = json_need_str(root, "event", "Action", &action, e);
    }
    if (r < 0) {
        return r;
    }

    struct docker_event ev = {.type = streq(type, "container") ? DOCKER_EVENT_CONTAINER
                                      : streq(type, "network") ? DOCKER_EVENT_NETWORK
                                                               : DOCKER_EVENT_OTHER};
    if (ev.type != DOCKER_EVENT_OTHER) {
        ev.action = parse_action(action, ev.detail, sizeof(ev.detail));
    }
    if (ev.action != DOCKER_ACTION_OTHER) {
        const json *actor = json_get(root, "Actor");
        const json *attributes = json_get(actor, "Attributes");
        const char *id = json_str(actor, "ID", "");
        if (ev.type == DOCKER_EVENT_CONTAINER) {
            fill_container(&ev, id, attributes);
            if (!ev.container[0]) {
                return err_set(e, ERR_INVALID, -EINVAL,
                               "event.Actor.ID: not a container id: \"%.80s\"", id);
            }
        } else {
            fill_network(&ev, id, attributes);
        }
        int64_t seconds = json_int(root, "time", 0);
        ev.time = seconds > 0 ? (uint64_t)seconds : 0;
        if (!json_raw_u64(line, len, "timeNano", &ev.time_nano)) {
            ev.time_nano = 0;
        }
        ev.digest = digest_of(ev.time_nano, type, action, id, ev.container);
    }
    *ret = ev;
    return 0;
}
