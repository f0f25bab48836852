/*
 * Happy path: every engine renders the same table; what it had to leave out is logged once.
 * Failure: one engine that cannot render fails them all, so that files that belong together stay of one
 * age.
 * Not done: deciding whether a refusal is worth another try; publish.c counts those.
 */
#include "renderer/content.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/must.h"
#include "render/blame.h"

#include <string.h>

#define REASON_MAX 512

int content_init(struct content *c, const struct nginx_options *options, size_t n, struct err *e)
{
    *c = (struct content){.parts = xcalloc(n, sizeof(*c->parts)), .n = n};
    for (size_t i = 0; i < n; i++) {
        c->parts[i].reported = (struct report_log)REPORT_LOG_NULL;
        int r = nginx_engine_new(&c->parts[i].engine, &options[i], e);
        if (r < 0) {
            content_deinit(c);
            return r;
        }
    }
    return 0;
}

void content_deinit(struct content *c)
{
    for (size_t i = 0; i < c->n; i++) {
        engine_free(c->parts[i].engine);
        report_log_deinit(&c->parts[i].reported);
    }
    free(c->parts);
    *c = (struct content)CONTENT_NULL;
}

size_t content_adopt(struct content *c, size_t i, const char *text, size_t len)
{
    must(i < c->n);
    struct engine *g = c->parts[i].engine;
    return g->ops->adopt(g, text, len);
}

int content_render(struct content *c, const struct table *t, struct outputs_bytes *bytes,
                   struct err *e)
{
    for (size_t i = 0; i < c->n; i++) {
        struct content_part *part = &c->parts[i];
        struct engine_result res;
        int r = part->engine->ops->render(part->engine, t, &res, e);
        if (r < 0) {
            return r;
        }
        report_log_all(&part->reported, res.reports, res.n_reports);
        part->result = res;
        bytes[i] = (struct outputs_bytes){.p = res.bytes, .len = res.len};
    }
    return 0;
}

struct content_counts content_counts(const struct content *c)
{
    struct content_counts n = {0};
    for (size_t i = 0; i < c->n; i++) {
        const struct engine_result *res = &c->parts[i].result;
        n.upstreams += res->upstreams;
        n.servers += res->servers;
        n.empty += res->empty;
        n.live_servers += res->live_servers;
        n.excluded += res->excluded;
        n.excluded_servers += res->excluded_servers;
        n.reports += c->parts[i].reported.n;
    }
    return n;
}

/* True the first time; what is tried again and refused again is not news. */
static bool is_news(struct content_part *part, const struct engine_report *what, const char *reason)
{
    uint64_t h = hash64(reason, strlen(reason));
    h = hash64_more(h, what->service, strlen(what->service) + 1);
    h = hash64_more(h, what->id, strlen(what->id) + 1);
    h = hash64_more(h, what->text, strlen(what->text) + 1);
    size_t n = part->n_refusals < CONTENT_REFUSALS ? part->n_refusals : CONTENT_REFUSALS;
    for (size_t i = 0; i < n; i++) {
        if (part->refusals[i] == h) {
            return false;
        }
    }
    part->refusals[part->n_refusals++ % CONTENT_REFUSALS] = h;
    return true;
}

/* The name as it stands may be of any part: the one whose engine knows it says so. */
static bool exclude(struct content *c, size_t i, const struct engine_blame *blame,
                    const char *reason)
{
    struct content_part *part = &c->parts[i];
    struct engine_report what = {0};
    if (part->engine->ops->exclude(part->engine, blame, &what) < 0) {
        return false;
    }
    if (is_news(part, &what, reason)) {
        log_warn("nginx refused a part of the file", "service", what.service, "id", what.id,
                 "container", what.container, "reason", reason, "now", what.text, NULL);
    }
    return true;
}

bool content_refuse(struct content *c, const char *said, const struct blame_file *files)
{
    struct engine_blame blame = {0};
    size_t at = 0, len = 0;
    char reason[REASON_MAX];
    if (blame_parse(said, files, c->n, &at, &blame) < 0) {
        return false;
    }
    const char *line = blame_reason(said, &len);
    len = len < sizeof(reason) ? len : sizeof(reason) - 1;
    memcpy(reason, line, len);
    reason[len] = '\0';
    if (blame.line > 0) {
        return exclude(c, at, &blame, reason);
    }
    for (size_t i = 0; i < c->n; i++) {
        if (exclude(c, i, &blame, reason)) {
            return true;
        }
    }
    return false;
}

void content_readmit(struct content *c)
{
    for (size_t i = 0; i < c->n; i++) {
        c->parts[i].engine->ops->readmit(c->parts[i].engine);
    }
}

void content_commit(struct content *c)
{
    bool clean = true;
    for (size_t i = 0; i < c->n; i++) {
        c->parts[i].engine->ops->commit(c->parts[i].engine);
        clean &= c->parts[i].result.excluded == 0;
    }
    for (size_t i = 0; clean && i < c->n; i++) {
        c->parts[i].n_refusals = 0; /* what comes back is news again */
    }
}
