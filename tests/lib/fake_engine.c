/*
 * The scripted engine. It answers every request at once; faults are made by the fields of struct engine
 * and by the functions of fake_http.h on engine->http.
 */
#include "lib/fake_engine.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/must.h"
#include "base/str.h"

static void write_inspect(const struct engine_container *c, struct buf *out)
{
    buf_printf(out,
               "{\"Id\":\"%s\",\"Name\":\"/%s\",\"State\":{\"Status\":\"%s\",\"Running\":%s,"
               "\"Paused\":%s,\"Restarting\":false,\"Dead\":false,\"ExitCode\":%d,\"Error\":\"\","
               "\"StartedAt\":\"2026-01-01T00:00:%02d.000000000Z\"},",
               c->id, c->name, c->running ? "running" : "exited", c->running ? "true" : "false",
               c->paused ? "true" : "false", c->exit_code, c->starts % 60);
    buf_printf(out, "\"Config\":{\"Image\":\"team/web:1\",\"Hostname\":\"%.12s\",\"Env\":[],",
               c->id);
    if (c->stop_timeout >= 0) {
        buf_printf(out, "\"StopTimeout\":%d,", c->stop_timeout);
    }
    buf_printf(out,
               "\"ExposedPorts\":{\"80/tcp\":{}},\"Labels\":{%s}},"
               "\"HostConfig\":{\"NetworkMode\":\"%s\"},\"NetworkSettings\":{\"Ports\":{",
               c->labels, c->network_mode);
    if (c->running && c->port) {
        buf_printf(out,
                   "\"80/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"%d\"},"
                   "{\"HostIp\":\"::\",\"HostPort\":\"%d\"}]",
                   c->port, c->port);
    }
    buf_puts(out, "},\"Networks\":{");
    if (!str_starts(c->network_mode, "container:")) {
        buf_printf(out, "\"bridge\":{\"IPAddress\":\"%s\",\"GlobalIPv6Address\":\"\"}",
                   c->running ? "172.17.0.2" : "");
    }
    buf_puts(out, "}}}");
}

static void reply_list(struct engine *e, struct fake_exchange *x)
{
    bool empty = e->list_empty || e->amnesia;
    e->forgetful = e->amnesia > 0;
    e->list_empty -= e->list_empty > 0;
    e->amnesia -= e->amnesia > 0;
    struct buf body = BUF_INIT(1u << 20);
    buf_putc(&body, '[');
    for (size_t i = 0; i < e->n; i++) {
        const struct engine_container *c = &e->containers[i];
        if (empty || !c->exists || !c->running) {
            continue;
        }
        buf_printf(&body,
                   "%s{\"Id\":\"%s\",\"Names\":[\"/%s\"],\"Image\":\"team/web:1\","
                   "\"State\":\"%s\",\"Status\":\"Up\",\"Labels\":{},\"Ports\":[]}",
                   body.len > 1 ? "," : "", c->id, c->name, c->paused ? "paused" : "running");
    }
    buf_putc(&body, ']');
    e->lists++;
    fake_reply(x, 200, buf_str(&body));
    buf_deinit(&body);
}

static void reply_inspect(struct engine *e, struct fake_exchange *x, const char *id)
{
    e->inspects++;
    for (size_t i = 0; i < e->n; i++) {
        const struct engine_container *c = &e->containers[i];
        if (c->exists && !e->forgetful && strncmp(c->id, id, sizeof(c->id) - 1) == 0) {
            struct buf body = BUF_INIT(1u << 20);
            write_inspect(c, &body);
            fake_reply(x, 200, buf_str(&body));
            buf_deinit(&body);
            return;
        }
    }
    fake_reply(x, 404, "{\"message\":\"No such container\"}\n");
}

static void on_request(struct fake_exchange *x, void *ctx)
{
    struct engine *e = ctx;
    const char *path = fake_path(x);
    if (str_starts(path, "/v1.")) {
        path = strchr(path + 1, '/');
    }
    if (str_starts(path, "/_ping")) {
        fake_reply_headers(x, 200, "Api-Version: 1.41\r\n", "OK");
    } else if (str_starts(path, "/info")) {
        fake_reply(
            x, 200,
            "{\"ID\":\"AKA3:PXTN\",\"Name\":\"engine-host\",\"ServerVersion\":\"20.10.24\"}");
    } else if (str_starts(path, "/version")) {
        fake_reply(x, 200, "{\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\"}");
    } else if (str_starts(path, "/networks")) {
        fake_reply(x, 200, "[]");
    } else if (str_starts(path, "/events")) {
        fake_stream_begin(x, 200, NULL);
        e->stream = x;
    } else if (str_starts(path, "/containers/json")) {
        reply_list(e, x);
    } else if (str_starts(path, "/containers/")) {
        reply_inspect(e, x, path + strlen("/containers/"));
    } else {
        fake_reply(x, 404, "{\"message\":\"page not found\"}\n");
    }
}

void engine_init(struct engine *e, struct io *io)
{
    *e = (struct engine){.nano = 1795180896325039412LL};
    e->http = fake_http_new(io, NULL, on_request, e);
}

void engine_deinit(struct engine *e)
{
    fake_http_free(e->http);
    *e = (struct engine){0};
}

struct engine_container *engine_add(struct engine *e, const char *name, int port,
                                    const char *labels)
{
    must(e->n < ENGINE_CONTAINERS_MAX);
    struct engine_container *c = &e->containers[e->n++];
    *c = (struct engine_container){
        .exists = true, .running = true, .port = port, .stop_timeout = -1, .labels = labels};
    snprintf(c->id, sizeof(c->id), "%064zx", e->n);
    str_copy(c->name, sizeof(c->name), name);
    str_copy(c->network_mode, sizeof(c->network_mode), "default");
    return c;
}

static void push(struct engine *e, const struct engine_container *c, const char *action,
                 const char *attributes)
{
    if (!e->stream || fake_gone(e->stream)) {
        return;
    }
    struct buf line = BUF_INIT(1u << 16);
    e->nano += 1000000;
    buf_printf(
        &line,
        "{\"status\":\"%s\",\"id\":\"%s\",\"from\":\"team/web:1\",\"Type\":\"container\","
        "\"Action\":\"%s\",\"Actor\":{\"ID\":\"%s\",\"Attributes\":{\"image\":\"team/web:1\","
        "\"name\":\"%s\"%s}},\"scope\":\"local\",\"time\":%lld,\"timeNano\":%lld}\n",
        action, c->id, action, c->id, c->name, attributes, e->nano / 1000000000, e->nano);
    fake_stream_puts(e->stream, buf_str(&line));
    buf_deinit(&line);
}

void engine_start(struct engine *e, struct engine_container *c)
{
    c->running = true;
    c->starts++;
    push(e, c, "start", "");
}

void engine_die(struct engine *e, struct engine_container *c)
{
    c->running = false;
    push(e, c, "die", ",\"exitCode\":\"0\"");
}

void engine_kill(struct engine *e, struct engine_container *c, int signal)
{
    char attribute[32];
    snprintf(attribute, sizeof(attribute), ",\"signal\":\"%d\"", signal);
    push(e, c, "kill", attribute);
}

void engine_destroy(struct engine *e, struct engine_container *c)
{
    c->running = false;
    c->exists = false;
    push(e, c, "destroy", "");
}

void engine_pause(struct engine *e, struct engine_container *c, bool paused)
{
    c->paused = paused;
    push(e, c, paused ? "pause" : "unpause", "");
}

void engine_rename(struct engine *e, struct engine_container *c, const char *name)
{
    str_copy(c->name, sizeof(c->name), name);
    push(e, c, "rename", "");
}

void engine_cut_stream(struct engine *e)
{
    must(e->stream);
    fake_reset(e->stream);
    e->stream = NULL;
}
