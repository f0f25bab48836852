/*
 * The containers that are known, and in which queue each stands.
 *
 * Happy path: an id is found or made in a hash; a container is in exactly one place, and the places that
 * are queues are lists through the containers themselves, so ten thousand cost about 2 MB.
 * Not done: what a place means is watch_inspect.c's business.
 */
#include "docker/watch_internal.h"

#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/must.h"

struct watched *watched_find(const struct docker_watch *w, const char *id)
{
    struct watched *e = NULL;
    HASH_FIND(hh, w->set, id, CONTAINER_ID_LEN, e);
    return e;
}

struct watched *watched_get(struct docker_watch *w, const char *id)
{
    must(docker_id_valid(id));
    struct watched *e = watched_find(w, id);
    if (!e) {
        e = xcalloc(1, sizeof(*e));
        memcpy(e->id, id, sizeof(e->id));
        HASH_ADD(hh, w->set, id, CONTAINER_ID_LEN, e);
        w->count[WATCHED_IDLE]++;
    }
    return e;
}

static bool is_queue(unsigned place)
{
    return place == WATCHED_URGENT || place == WATCHED_BULK || place == WATCHED_DELAYED;
}

static void leave(struct docker_watch *w, struct watched *e)
{
    if (is_queue(e->place)) {
        DL_DELETE(w->queue[e->place], e);
    }
    w->count[e->place]--;
}

void watched_move(struct docker_watch *w, struct watched *e, enum watched_place place, bool front)
{
    must(place < WATCHED_PLACES && (place == WATCHED_INFLIGHT) == (e->inspect != NULL));
    leave(w, e);
    e->place = (uint8_t)place;
    w->count[place]++;
    if (is_queue(place) && front) {
        DL_PREPEND(w->queue[place], e);
    } else if (is_queue(place)) {
        DL_APPEND(w->queue[place], e);
    }
}

void watched_drop(struct docker_watch *w, struct watched *e)
{
    leave(w, e);
    if (e->inspect) {
        e->inspect->of = NULL;
        http_cancel(&e->inspect->req);
    }
    HASH_DEL(w->set, e);
    free(e);
}

void watched_drop_all(struct docker_watch *w)
{
    struct watched *e, *next;
    HASH_ITER (hh, w->set, e, next) {
        watched_drop(w, e);
    }
}
