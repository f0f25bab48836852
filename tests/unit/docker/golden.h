#pragma once
/*
 * Recorded bodies, and text dumps of what is made of them. See tests/golden/docker/README.md.
 */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "docker/decode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN_MAX (4u * 1024 * 1024)

static const char *const golden_engines[] = {"20.10.24", "26.1.5", "28.5.2", "podman-4.3.1"};

static const char *const golden_inspects[] = {
    "bridge-many",  "bridge-published", "bridge-unpublished", "compose-like", "dual-stack",
    "exited",       "healthy",          "host-network",       "no-ports",     "none-network",
    "paused",       "random-port",      "shared-network",     "two-networks", "unhealthy",
    "user-network",
};

/* Reads <engine>/<name> into out; false when there is no such recording. */
static inline bool golden_read(struct buf *out, const char *engine, const char *name)
{
    char path[512];
    struct err e = ERR_INIT;
    snprintf(path, sizeof(path), GOLDEN_DIR "/docker/%s/%s", engine, name);
    buf_init(out, GOLDEN_MAX);
    int r = fs_read(path, out, &e);
    if (r < 0 && r != -ENOENT) {
        fail_msg("%s: %s", path, e.msg);
    }
    return r == 0;
}

/* Compares line by line with <engine>/<name>, or writes that file when UPDATE_GOLDEN is set. */
static inline void golden_compare(const char *engine, const char *name, const struct buf *got)
{
    char path[512];
    struct err e = ERR_INIT;
    snprintf(path, sizeof(path), GOLDEN_DIR "/docker/%s/%s", engine, name);
    if (getenv("UPDATE_GOLDEN")) {
        assert_int_equal(fs_replace(path, buf_str(got), got->len, 0644, false, &e), 0);
        return;
    }
    struct buf want;
    if (!golden_read(&want, engine, name)) {
        fail_msg("%s is missing; write it with UPDATE_GOLDEN=1", path);
    }
    const char *a = buf_str(&want), *b = buf_str(got);
    for (unsigned line = 1; *a || *b; line++) {
        size_t la = strcspn(a, "\n"), lb = strcspn(b, "\n");
        if (la != lb || memcmp(a, b, la) != 0) {
            fail_msg("%s:%u:\n  want %.*s\n  got  %.*s", path, line, (int)la, a, (int)lb, b);
        }
        a += la + (a[la] != '\0');
        b += lb + (b[lb] != '\0');
    }
    buf_deinit(&want);
}

static inline void dump_container(struct buf *out, const struct container *c)
{
    const struct container_spec *s = &c->s;
    buf_printf(out, "  id=%s\n  name=%s image=%s hostname=%s mode=%s\n", s->id, s->name, s->image,
               s->hostname, s->network_mode);
    buf_printf(out,
               "  running=%d paused=%d restarting=%d health=%s exit=%d stop=%d/%us started=%s\n",
               s->running, s->paused, s->restarting, container_health_name(s->health), s->exit_code,
               s->stop_signal, s->stop_timeout_s, s->started_at);
    if (s->error[0]) {
        buf_printf(out, "  error=%s\n", s->error);
    }
    for (size_t i = 0; i < s->n_env; i++) {
        buf_printf(out, "  env %s=%s\n", s->env[i].key, s->env[i].value);
    }
    for (size_t i = 0; i < s->n_labels; i++) {
        buf_printf(out, "  label %s=%s\n", s->labels[i].key, s->labels[i].value);
    }
    for (size_t i = 0; i < s->n_ports; i++) {
        const struct container_port *p = &s->ports[i];
        buf_printf(out, "  port %u/%s", p->port, service_proto_name(p->proto));
        if (p->host_port) {
            buf_printf(out, " on [%s]:%u", p->host_ip, p->host_port);
        }
        if (p->unlisted) {
            buf_puts(out, " unlisted");
        }
        buf_putc(out, '\n');
    }
    for (size_t i = 0; i < s->n_networks; i++) {
        const struct container_network *n = &s->networks[i];
        buf_printf(out, "  network %s v4=%s v6=%s%s\n", n->name, n->ipv4, n->ipv6,
                   n->own_address ? " own-address" : "");
    }
}

/* Decodes and dumps; a failure is dumped as well. */
static inline void dump_inspect(struct buf *out, const char *text, size_t len,
                                const struct docker_networks *nets)
{
    struct container *c = NULL;
    struct err e = ERR_INIT;
    if (docker_decode_inspect(&c, text, len, nets, &e) < 0) {
        assert_null(c);
        buf_printf(out, "  refused: %s\n", e.msg);
        return;
    }
    dump_container(out, c);
    container_free(c);
}
