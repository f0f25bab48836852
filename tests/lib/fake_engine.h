#pragma once
/*
 * A scripted Docker engine for tests of the agent: a set of containers, an event stream, listings and
 * inspects, in the form of API 1.41. Every change of a container pushes the events that Docker would.
 */
#include "lib/fake_http.h"

#include <stdbool.h>
#include <stddef.h>

#define ENGINE_CONTAINERS_MAX 64

struct engine_container {
    char id[65];
    char name[32];
    bool exists, running, paused;
    int port;              /* host port of 80/tcp; 0: not published */
    int stop_timeout;      /* seconds; -1: not set */
    int exit_code;         /* of a stopped one */
    int starts;            /* part of StartedAt */
    const char *labels;    /* JSON members of Config.Labels, "" for none */
    char network_mode[80]; /* "default" unless set */
};

struct engine {
    struct fake_http *http;
    struct fake_exchange *stream; /* the open event stream, or NULL */
    struct engine_container containers[ENGINE_CONTAINERS_MAX];
    size_t n;
    unsigned lists;      /* listings answered */
    unsigned list_empty; /* that many further listings say that nothing runs */
    unsigned amnesia;    /* the same, and until the next right listing inspects say 404 */
    bool forgetful;
    unsigned inspects;
    long long nano; /* of the next event */
};

void engine_init(struct engine *e, struct io *io);
void engine_deinit(struct engine *e);

/* Adds a running container without an event, as if it was there before. */
struct engine_container *engine_add(struct engine *e, const char *name, int port,
                                    const char *labels);

/* Changes with their events. */
void engine_start(struct engine *e, struct engine_container *c);
void engine_die(struct engine *e, struct engine_container *c);
void engine_kill(struct engine *e, struct engine_container *c, int signal);
void engine_destroy(struct engine *e, struct engine_container *c);
void engine_pause(struct engine *e, struct engine_container *c, bool paused);
void engine_rename(struct engine *e, struct engine_container *c, const char *name);

/* Ends the event stream as a dying engine does; the agent connects again. */
void engine_cut_stream(struct engine *e);
