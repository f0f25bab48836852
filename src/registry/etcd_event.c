/*
 * Decoder of watch lines. Happy path: created, then events and progress marks. Failure: etcd tells the
 * end of a watch in three ways: an error line (its last one), a `canceled` line after which the
 * response stays open and silent, and a `created` line that is canceled at once.
 */
#include "registry/etcd_event.h"

#include "base/json.h"
#include "base/str.h"
#include "registry/etcd_error.h"

#include <errno.h>
#include <string.h>

static int canceled(struct etcd_watch_line *ret, const json *result)
{
    int64_t compacted = 0;
    const char *reason = json_str(result, "cancel_reason", "");
    ret->kind = ETCD_LINE_CANCELED;
    if (json_int64_text(result, "compact_revision", &compacted) && compacted > 0) {
        err_set(&ret->why, ERR_STALE_WATCH, -ESTALE, "etcd was compacted up to revision %lld",
                (long long)compacted);
    } else if (strstr(reason, "PermissionDenied") || strstr(reason, "permission denied") ||
               strstr(reason, "auth token") || strstr(reason, "user name is empty")) {
        err_set(&ret->why, ERR_AUTH, -EACCES, "etcd refuses the watch: %s", reason);
    } else {
        err_set(&ret->why, ERR_TRANSIENT, -ECONNABORTED, "etcd ended the watch: %s",
                *reason ? reason : "no reason given");
    }
    return 0;
}

static int events(struct etcd_watch_line *ret, const json *list, struct err *e)
{
    ret->kind = ETCD_LINE_EVENTS;
    ret->events = arena_alloc(&ret->arena, json_size(list) * sizeof(*ret->events));
    for (const json *it = json_first(list); it; it = json_next(it)) {
        struct etcd_event *event = &ret->events[ret->n];
        event->deleted = streq(json_str(it, "type", "PUT"), "DELETE");
        int r = etcd_decode_kv(&event->kv, &ret->arena, json_get(it, "kv"), e);
        if (r < 0) {
            return r;
        }
        ret->n++;
    }
    return 0;
}

int etcd_watch_line(struct etcd_watch_line *ret, const char *line, size_t len, struct err *e)
{
    CLEANUP_JSON json *j = NULL;
    struct err why = ERR_INIT;
    if (json_parse(&j, line, len, &why) < 0) {
        return err_set(e, ERR_BUG, -EPROTO, "watch: not a line of etcd: %s", why.msg);
    }
    if (json_get(j, "error")) {
        return etcd_error_from_answer(e, 0, line, len, NULL);
    }
    const json *result = json_get(j, "result");
    if (!json_is_object(result)) {
        return err_set(e, ERR_BUG, -EPROTO, "watch: a line without result");
    }
    struct etcd_watch_line out = {.why = ERR_INIT};
    etcd_decode_header(&out.header, result);
    out.fragment = json_bool(result, "fragment", false);
    const json *list = json_get(result, "events");
    int r = 0;
    if (json_bool(result, "canceled", false)) {
        r = canceled(&out, result);
    } else if (json_bool(result, "created", false)) {
        out.kind = ETCD_LINE_CREATED;
    } else if (json_size(list) > 0) {
        r = events(&out, list, e);
    } else {
        out.kind = ETCD_LINE_PROGRESS;
    }
    if (r < 0) {
        arena_deinit(&out.arena);
        return r;
    }
    *ret = out;
    return 0;
}
