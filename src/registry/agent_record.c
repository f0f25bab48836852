/*
 * The agent's own record as JSON. Reading never fails: a record that makes no sense is that of
 * somebody else, without lease and instance, and is taken over like one.
 */
#include "registry/agent_record.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "base/wallclock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void agent_record_begin(struct agent_record *r, const uint64_t random[2], msec_t started)
{
    char text[CLOCK_TEXT_MAX];
    snprintf(r->instance, sizeof(r->instance), "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    clock_format(started, text);
    str_copy(r->started, sizeof(r->started), text);
}

void agent_record_encode(const struct agent_record *r, const char *node, struct buf *out)
{
    char lease[24];
    struct json_writer w;
    snprintf(lease, sizeof(lease), "%" PRId64, r->lease);
    json_begin(&w, out);
    json_object(&w);
    json_field_str(&w, "node", node);
    json_field_str(&w, "instance", r->instance);
    json_field_str(&w, *r->session ? "session" : "lease", *r->session ? r->session : lease);
    json_field_int(&w, "ttl", r->ttl_s);
    json_field_str(&w, "version", TIDEWAITER_VERSION);
    json_field_str(&w, "started", r->started);
    json_object_end(&w);
}

static void copy_text(char *dst, size_t size, const json *j, const char *name)
{
    const char *text = json_str(j, name, "");
    if (!str_printable(text, strlen(text)) || !str_copy(dst, size, text)) {
        dst[0] = '\0';
    }
}

void agent_record_decode(struct agent_record *ret, const char *value, size_t len)
{
    struct err ignored = ERR_INIT;
    CLEANUP_JSON json *j = NULL;
    *ret = (struct agent_record){0};
    if (json_parse(&j, value, len, &ignored) < 0) {
        return;
    }
    copy_text(ret->instance, sizeof(ret->instance), j, "instance");
    copy_text(ret->started, sizeof(ret->started), j, "started");
    copy_text(ret->session, sizeof(ret->session), j, "session");
    json_int64_text(j, "lease", &ret->lease);
    json_int64_text(j, "ttl", &ret->ttl_s);
}

bool agent_record_of_other(const struct agent_record *r, const char *instance)
{
    return *r->instance && !streq(r->instance, instance);
}

void agent_record_deposed(const struct agent_record *by, const char *node, struct err *ret_why)
{
    err_set(ret_why, ERR_CONFLICT, -EEXIST,
            "another agent runs with node name %s%s%s; this one stops; give each host its own "
            "--node",
            node, *by->started ? " since " : "", by->started);
}
