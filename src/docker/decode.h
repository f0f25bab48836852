#pragma once
/*
 * Bodies of the Engine API → what the rest of this folder and the model know. Pure.
 *
 * Takes every form from API 1.24 to 1.52 and podman's: only Type, Action and Actor of an event, and only
 * NetworkSettings.Networks for addresses, which all of them have; what 1.52 dropped is never looked at.
 * Ids must be 64 hex digits, because they become paths, keys and file contents.
 */
#include "base/buf.h"
#include "model/container.h"
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOCKER_EVENT_MAX    (1024u * 1024)
#define DOCKER_INSPECT_MAX  (4u * 1024 * 1024)
#define DOCKER_LIST_MAX     (64u * 1024 * 1024)
#define DOCKER_ITEM_MAX     (2u * 1024 * 1024) /* one container in a list */
#define DOCKER_NETWORKS_MAX (4u * 1024 * 1024)
#define DOCKER_INFO_MAX     (1024u * 1024)

#define DOCKER_NAME_MAX 256 /* of an engine or a network, with terminator */

/* 64 lower-case hex digits. */
bool docker_id_valid(const char *id);

/* ---- events ---- */

enum docker_event_type { DOCKER_EVENT_OTHER, DOCKER_EVENT_CONTAINER, DOCKER_EVENT_NETWORK };

/* symbol, Docker's word, podman's word where it differs. The event filter asks for exactly these. */
#define DOCKER_ACTIONS(X)                                                                          \
    X(START, "start", NULL)                                                                        \
    X(DIE, "die", "died")                                                                          \
    X(STOP, "stop", NULL)                                                                          \
    X(RESTART, "restart", NULL)                                                                    \
    X(KILL, "kill", NULL)                                                                          \
    X(PAUSE, "pause", NULL)                                                                        \
    X(UNPAUSE, "unpause", NULL)                                                                    \
    X(HEALTH, "health_status", NULL)                                                               \
    X(RENAME, "rename", NULL)                                                                      \
    X(UPDATE, "update", NULL)                                                                      \
    X(DESTROY, "destroy", "remove")                                                                \
    X(CONNECT, "connect", NULL)                                                                    \
    X(DISCONNECT, "disconnect", NULL)

enum docker_action {
    DOCKER_ACTION_OTHER, /* nothing that could change what a container is */
#define X(sym, word, podman) DOCKER_ACTION_##sym,
    DOCKER_ACTIONS(X)
#undef X
};

struct docker_event {
    enum docker_event_type type;
    enum docker_action action;
    char container[CONTAINER_ID_LEN + 1]; /* the container it is about; "" when it does not say */
    char network[CONTAINER_ID_LEN + 1];   /* NETWORK: its id; "" when it does not say */
    char network_name[DOCKER_NAME_MAX]; /* NETWORK: its name; "" when it does not say or too long */
    bool
        own_address; /* NETWORK: its driver gives addresses that are reachable from outside the host */
    char detail[64];    /* behind the action's colon: "healthy", a command; cut */
    int signal;         /* KILL; 0: not known. A label `signal` replaces it (see watch_stream.c) */
    uint64_t time;      /* seconds since the epoch */
    uint64_t time_nano; /* the same in nanoseconds, exact; 0: not known */
    uint64_t digest;    /* equal for the same event when it is sent again */
};

/*
 * One line of the event stream. Events of other types and actions are not an error: they have
 * DOCKER_EVENT_OTHER or DOCKER_ACTION_OTHER, and nothing else is filled. -EINVAL for what is no event.
 */
int docker_decode_event(struct docker_event *ret, const char *line, size_t len,
                        struct err *e) WARN_UNUSED;

/* "start", "die", ... "other"; never NULL. */
const char *docker_action_name(enum docker_action action);

/* The filter that asks for these types and actions, as JSON text. */
void docker_event_filter(struct buf *out);

/* ---- containers ---- */

/* Networks whose addresses are reachable themselves (macvlan, ipvlan), by id and name. */
struct docker_networks {
    struct docker_network {
        char id[CONTAINER_ID_LEN + 1];
        char name[DOCKER_NAME_MAX];
    } * items;
    size_t n;
};

#define DOCKER_NETWORKS_NULL                                                                       \
    {                                                                                              \
        0                                                                                          \
    }

void docker_networks_deinit(struct docker_networks *nets); /* idempotent */
/* Adds one; without effect when it is there, or when there are more than anybody can have. */
void docker_networks_add(struct docker_networks *nets, const char *id, const char *name);
bool docker_networks_have(const struct docker_networks *nets, const char *id, const char *name);

/* macvlan and ipvlan. */
bool docker_driver_has_own_address(const char *driver);

/* Body of GET /networks; adds what has such a driver. */
int docker_decode_networks(struct docker_networks *nets, const char *text, size_t len,
                           struct err *e) WARN_UNUSED;

/* Body of an inspect. nets may be NULL. -EINVAL (ERR_INVALID) names what is wrong. */
int docker_decode_inspect(struct container **ret, const char *text, size_t len,
                          const struct docker_networks *nets, struct err *e) WARN_UNUSED;

/* "SIGTERM", "term", "15", "SIGRTMIN+3", "RTMAX-1" → number; false when it is none. */
bool docker_signal_parse(const char *text, int *ret);

/* ---- the list ---- */

enum docker_list_state {
    DOCKER_LIST_OTHER,
    DOCKER_LIST_RUNNING,
    DOCKER_LIST_PAUSED,
    DOCKER_LIST_RESTARTING
};

struct docker_list_item {
    char id[CONTAINER_ID_LEN + 1];
    enum docker_list_state state;
    /*
     * Equal for two lists between which nothing changed that a list shows: names, image, labels, state,
     * health, ports, networks with their addresses. Neither order nor age counts; never 0.
     */
    uint64_t digest;
};

/* Non-zero stops and is returned. */
typedef int (*docker_list_fn)(void *ctx, const struct docker_list_item *item);

/*
 * Reads GET /containers/json as it arrives, one container at a time, so that ten thousand containers
 * need no more memory than one.
 */
struct docker_list {
    struct buf item; /* text of the element that is being read */
    unsigned state;  /* enum list_state of decode_list.c */
    unsigned depth;  /* of brackets inside the element */
    bool in_string, escaped;
    size_t seen; /* bytes so far */
};

void docker_list_init(struct docker_list *l);
void docker_list_deinit(struct docker_list *l); /* idempotent */

/* -EINVAL, -EMSGSIZE (e filled), or fn's value. */
int docker_list_feed(struct docker_list *l, const char *p, size_t len, docker_list_fn fn, void *ctx,
                     struct err *e) WARN_UNUSED;
/* -EINVAL when the list has not ended. */
int docker_list_finish(const struct docker_list *l, struct err *e) WARN_UNUSED;

/* ---- the engine ---- */

/* "" what the engine does not say. */
struct docker_info {
    char name[DOCKER_NAME_MAX]; /* of the host */
    char id[DOCKER_NAME_MAX];   /* of the engine: unique, survives restarts */
};

/* Body of /info. */
int docker_decode_info(struct docker_info *ret, const char *text, size_t len,
                       struct err *e) WARN_UNUSED;

/* An error body ({"message": ...} or plain text) as one line for people; "" when empty. */
void docker_decode_message(char *ret, size_t size, const char *text, size_t len);

/*
 * The API version to use, from the Api-Version header ("1.41"; NULL when there is none): prefix is
 * "/v1.NN" with the lower of the engine's and ours, or "" (the engine's newest) when it does not say.
 * -EINVAL when the engine is older than 1.24.
 */
#define DOCKER_PREFIX_MAX 16
int docker_api_prefix(char ret[DOCKER_PREFIX_MAX], const char *api_version,
                      struct err *e) WARN_UNUSED;
