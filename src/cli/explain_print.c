/*
 * Verdicts as text and as JSON. Names, tags and attributes were validated by the mapping; what a
 * container could still bring in (its image, warnings about its labels) is stripped of control
 * characters, so that nothing it says can move the cursor.
 */
#include "cli/explain_print.h"

#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/str.h"
#include "registry/record.h"

#define ADDRESS_MAX (SERVICE_HOST_MAX + 16)

struct ink {
    const char *bold, *dim, *off;
};

static struct ink ink_for(FILE *out)
{
    if (isatty(fileno(out))) {
        return (struct ink){"\033[1m", "\033[2m", "\033[0m"};
    }
    return (struct ink){"", "", ""};
}

static void put_clean(FILE *out, const char *s)
{
    for (; *s; s++) {
        fputc((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s, out);
    }
}

static const char *state_word(const struct container *c)
{
    if (c->s.restarting) {
        return "restarting";
    }
    if (!c->s.running) {
        return "stopped";
    }
    return c->s.paused ? "paused" : "running";
}

static void print_address(FILE *out, const char *host, uint16_t port)
{
    struct buf b = BUF_INIT(ADDRESS_MAX);
    record_addr_format(&b, host, port);
    put_clean(out, buf_str(&b));
    buf_deinit(&b);
}

static void print_verdict(FILE *out, const struct mapping_verdict *v, const struct ink *ink)
{
    char port[32] = "container";
    if (v->port) {
        snprintf(port, sizeof(port), "%u/%s", v->port, service_proto_name(v->proto));
    }
    fprintf(out, "  %-10s ", port);
    if (v->service) {
        const struct service_spec *s = &v->service->s;
        fprintf(out, "%s%s%s at ", ink->bold, s->name, ink->off);
        print_address(out, s->host, s->port);
        fprintf(out, "  id %s", s->id);
        if (s->status != SERVICE_PASSING) {
            fprintf(out, "  status %s", service_status_name(s->status));
        }
        for (size_t i = 0; i < s->n_tags; i++) {
            fputs(i ? "," : "  tags ", out);
            put_clean(out, s->tags[i]);
        }
    } else {
        fputs("not registered", out);
    }
    fprintf(out, "\n  %-10s %s", "", ink->dim);
    put_clean(out, v->reason);
    fprintf(out, "%s\n", ink->off);
}

void explain_text(FILE *out, const struct mapping_options *o, const struct container *c,
                  const struct container *peer)
{
    struct ink ink = ink_for(out);
    struct mapping_result r;
    mapping_map(o, c, peer, &r);
    fprintf(out, "%s%s%s  %s, image ", ink.bold, c->s.name, ink.off, state_word(c));
    put_clean(out, c->s.image);
    fputs(", network ", out);
    put_clean(out, c->s.network_mode);
    if (c->s.health != CONTAINER_HEALTH_NONE) {
        fprintf(out, ", %s", container_health_name(c->s.health));
    }
    fputc('\n', out);
    for (size_t i = 0; i < r.n_verdicts; i++) {
        print_verdict(out, &r.verdicts[i], &ink);
    }
    for (size_t i = 0; i < r.n_warnings; i++) {
        fputs("  warning    ", out);
        put_clean(out, r.warnings[i]);
        fputc('\n', out);
    }
    mapping_result_deinit(&r);
}

void explain_json(struct json_writer *w, const struct mapping_options *o, const struct container *c,
                  const struct container *peer)
{
    struct mapping_result r;
    mapping_map(o, c, peer, &r);
    json_object(w);
    json_field_str(w, "container", c->s.name);
    json_field_str(w, "id", c->s.id);
    json_field_str(w, "image", c->s.image);
    json_field_str(w, "state", state_word(c));
    json_key(w, "ports");
    json_array(w);
    for (size_t i = 0; i < r.n_verdicts; i++) {
        const struct mapping_verdict *v = &r.verdicts[i];
        json_object(w);
        if (v->port) {
            json_field_int(w, "port", v->port);
            json_field_str(w, "proto", service_proto_name(v->proto));
        }
        json_field_bool(w, "registered", v->service != NULL);
        json_field_str(w, "reason", v->reason);
        if (v->service) {
            json_key(w, "service");
            record_write(w, v->service);
        }
        json_object_end(w);
    }
    json_array_end(w);
    json_key(w, "warnings");
    json_array(w);
    for (size_t i = 0; i < r.n_warnings; i++) {
        json_put_str(w, r.warnings[i]);
    }
    json_array_end(w);
    json_object_end(w);
    mapping_result_deinit(&r);
}
