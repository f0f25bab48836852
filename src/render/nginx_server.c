/*
 * Happy path: a service's attributes are walked once; each known key is parsed into a number, a checked
 * word or a directive.
 * Failure: a value that nginx would refuse is reported and left out; the server keeps its other parameters
 * and gets its traffic. The same goes for the directives of the block.
 * Not done: combinations of servers and methods; nginx.c decides those with the whole block in view.
 */
#include "render/nginx_server.h"

#include "base/must.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

#define LINE_MAX_LEN 256 /* more than all parameters at their longest */

static void reject(struct reports *r, enum nginx_context context, const struct service *svc,
                   const struct service_attr *a)
{
    reports_add(r, svc, "nginx does not take %s=\"%.*s\"%s: left out", a->key, REPORT_VALUE_MAX,
                a->value, context == NGINX_STREAM ? " in its stream block" : "");
}

static void contest(struct reports *r, const struct service *svc, const struct service_attr *a,
                    const struct service *winner)
{
    reports_add(r, svc, "%s=\"%.*s\" differs from that of %s, which counts", a->key,
                REPORT_VALUE_MAX, a->value, winner->s.id);
}

static void read_number(int64_t *p, uint64_t max, enum nginx_context context,
                        const struct service *svc, const struct service_attr *a, struct reports *r)
{
    uint64_t v = 0;
    if (str_to_u64(a->value, 0, max, &v)) {
        *p = (int64_t)v;
    } else {
        reject(r, context, svc, a);
    }
}

static void read_balance(struct nginx_directives *d, const struct service *svc,
                         const struct service_attr *a, struct reports *r)
{
    struct nginx_balance b;
    if (!nginx_balance_parse(d->context, a->value, &b)) {
        reject(r, d->context, svc, a);
    } else if (!d->balance_from) {
        d->balance = b;
        d->balance_from = svc;
    } else if (!d->balance_contested && !nginx_balance_equal(&d->balance, &b)) {
        contest(r, svc, a, d->balance_from);
        d->balance_contested = true;
    }
}

static void read_keepalive(struct nginx_directives *d, const struct service *svc,
                           const struct service_attr *a, struct reports *r)
{
    uint64_t v = 0;
    if (d->context == NGINX_STREAM || !str_to_u64(a->value, 1, NGINX_KEEPALIVE_MAX, &v)) {
        reject(r, d->context, svc, a);
    } else if (!d->keepalive_from) {
        d->keepalive = v;
        d->keepalive_from = svc;
    } else if (!d->keepalive_contested && d->keepalive != v) {
        contest(r, svc, a, d->keepalive_from);
        d->keepalive_contested = true;
    }
}

static void read_zone(struct nginx_directives *d, const struct service *svc,
                      const struct service_attr *a, struct reports *r)
{
    uint64_t k = 0;
    if (!nginx_zone_parse(a->value, &k)) {
        reject(r, d->context, svc, a);
    } else if (!d->zone_from) {
        d->zone_k = k;
        d->zone_from = svc;
    } else if (!d->zone_contested && d->zone_k != k) {
        contest(r, svc, a, d->zone_from);
        d->zone_contested = true;
    }
}

static void read_attr(struct nginx_params *p, struct nginx_directives *d, const struct service *svc,
                      const struct service_attr *a, struct reports *r)
{
    if (*a->value == '\0') {
        return; /* SERVICE_80_BACKUP= takes SERVICE_BACKUP back: as if nobody had said it */
    }
    if (streq(a->key, "weight")) {
        if (svc->s.weight == SERVICE_WEIGHT_UNSET) {
            read_number(&p->weight, NGINX_WEIGHT_MAX, d->context, svc, a, r);
        }
    } else if (streq(a->key, "max_conns")) {
        read_number(&p->max_conns, NGINX_COUNT_MAX, d->context, svc, a, r);
    } else if (streq(a->key, "max_fails")) {
        read_number(&p->max_fails, NGINX_COUNT_MAX, d->context, svc, a, r);
    } else if (streq(a->key, "fail_timeout")) {
        if (nginx_time_ok(a->value)) {
            p->fail_timeout = a->value;
        } else {
            reject(r, d->context, svc, a);
        }
    } else if (streq(a->key, "backup")) {
        if (!str_to_bool(a->value, &p->backup)) {
            reject(r, d->context, svc, a);
        }
    } else if (streq(a->key, "nginx_balance")) {
        read_balance(d, svc, a, r);
    } else if (streq(a->key, "nginx_keepalive")) {
        read_keepalive(d, svc, a, r);
    } else if (streq(a->key, "nginx_zone")) {
        read_zone(d, svc, a, r);
    }
}

void nginx_params_read(struct nginx_params *p, struct nginx_directives *d,
                       const struct service *svc, struct reports *reports)
{
    *p = (struct nginx_params){.weight = -1, .max_conns = -1, .max_fails = -1};
    if (svc->s.weight > (int)NGINX_WEIGHT_MAX) {
        reports_add(reports, svc, "weight %d is above %u: left out", svc->s.weight,
                    NGINX_WEIGHT_MAX);
    } else if (svc->s.weight != SERVICE_WEIGHT_UNSET) {
        p->weight = svc->s.weight;
    }
    for (size_t i = 0; i < svc->s.n_attrs; i++) {
        read_attr(p, d, svc, &svc->s.attrs[i], reports);
    }
}

static char *put_text(char *at, const char *text)
{
    size_t len = strlen(text);
    memcpy(at, text, len);
    return at + len;
}

static char *put_number(char *at, const char *key, int64_t v)
{
    if (v < 0) {
        return at;
    }
    at = put_text(at, key);
    return at + address_put_u64(at, (uint64_t)v);
}

void nginx_server_put(struct buf *out, const struct address *a, const struct nginx_params *p,
                      bool backup)
{
    /* one append for a line: this runs for every server of every file */
    char line[LINE_MAX_LEN];
    char *at = put_text(line, "    server ");
    at += address_format(a, at);
    at = put_number(at, " weight=", p->weight == 0 ? -1 : p->weight);
    at = put_number(at, " max_conns=", p->max_conns);
    at = put_number(at, " max_fails=", p->max_fails);
    if (p->fail_timeout) {
        at = put_text(at, " fail_timeout=");
        at = put_text(at, p->fail_timeout);
    }
    if (backup) {
        at = put_text(at, " backup");
    }
    if (p->weight == 0) {
        at = put_text(at, " down"); /* nginx has no weight=0 */
    }
    at = put_text(at, ";\n");
    must((size_t)(at - line) <= sizeof(line));
    buf_append(out, line, (size_t)(at - line));
}

void nginx_directives_put(struct buf *out, const struct nginx_directives *d, const char *name,
                          size_t n)
{
    if (d->zone_from) {
        /* nginx refuses to start with a zone that cannot hold its servers: about 1 KB for each */
        uint64_t need = n > 8 ? NGINX_ZONE_MIN_K + 2 * (uint64_t)n : NGINX_ZONE_MIN_K;
        buf_printf(out, "    zone %s%s %lluk;\n", name, nginx_zone_suffix(d->context),
                   (unsigned long long)(d->zone_k > need ? d->zone_k : need));
    }
    if (d->balance.method != NGINX_ROUND_ROBIN) {
        char directive[NGINX_DIRECTIVE_MAX];
        nginx_balance_format(&d->balance, directive);
        buf_printf(out, "    %s;\n", directive);
    }
    /* after the method: before it, nginx says that the method is redefined */
    if (d->keepalive_from) {
        buf_printf(out, "    keepalive %llu;\n", (unsigned long long)d->keepalive);
    }
}
