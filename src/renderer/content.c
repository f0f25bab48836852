/*
 * Happy path: every engine renders the same table; what it had to leave out is logged once. What was refused
 * is left out by the engine whose line or name it is.
 * Failure: one engine that cannot render fails them all, so that files that belong together stay of one
 * age. A name that is taken in http or in stream, nginx does not say where, may first be left out where it
 * is innocent: the next refusal takes that back.
 * Not done: deciding whether a refusal is worth another try; publish.c counts those.
 */
#include "renderer/content.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/must.h"
#include "render/blame.h"

#include <string.h>

/* What is logged, with nginx's reason and what happens now. */
#define LEFT_OUT     "nginx refused a part of the file"
#define LEFT_OUT_TOO "nginx refused a part of more than one file"
#define TAKEN_BACK   "nginx refused the file without that part as well"

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

static void end_choice(struct content *c)
{
    free(c->choice.name);
    c->choice.name = NULL;
}

void content_deinit(struct content *c)
{
    for (size_t i = 0; i < c->n; i++) {
        engine_free(c->parts[i].engine);
        report_log_deinit(&c->parts[i].reported);
    }
    end_choice(c);
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
static bool is_news(struct content_part *part, const char *msg, const struct engine_report *what,
                    const char *reason)
{
    uint64_t h = hash64(reason, strlen(reason));
    h = hash64_more(h, msg, strlen(msg) + 1);
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

static void say(struct content_part *part, const char *msg, const struct engine_report *what,
                const char *reason)
{
    if (is_news(part, msg, what, reason)) {
        log_warn(msg, "service", what->service, "id", what->id, "container", what->container,
                 "reason", reason, "now", what->text, NULL);
    }
}

static bool exclude(struct content *c, size_t i, const struct engine_blame *blame, const char *msg,
                    const char *reason)
{
    struct content_part *part = &c->parts[i];
    struct engine_report what = {0};
    if (part->engine->ops->exclude(part->engine, blame, &what) < 0) {
        return false;
    }
    say(part, msg, &what, reason);
    return true;
}

static void undo(struct content *c, size_t i, const char *reason)
{
    struct content_part *part = &c->parts[i];
    struct engine_report what = {0};
    if (part->engine->ops->undo(part->engine, &what) == 0) {
        say(part, TAKEN_BACK, &what, reason);
    }
}

/* ---- a name that may be of several parts ---- */

/* The name as it stands may be of any part: those whose engines know it say so. */
static bool begin_choice(struct content *c, const struct engine_blame *blame, const char *reason)
{
    for (size_t i = 0; i < c->n; i++) {
        if (exclude(c, i, blame, LEFT_OUT, reason)) {
            c->choice = (struct content_choice){
                .name = xmemdup0(blame->name, blame->name_len), .kind = blame->kind, .at = i};
            memcpy(c->choice.reason, reason, strlen(reason) + 1);
            return true;
        }
    }
    return false;
}

/* The words may name another place each time, such as a copy that a check makes. */
static bool is_choice(const struct content *c, const struct engine_blame *blame)
{
    return blame->line == 0 && blame->kind == c->choice.kind &&
           blame->name_len == strlen(c->choice.name) &&
           memcmp(blame->name, c->choice.name, blame->name_len) == 0;
}

/* It did not help to leave the name out where it is left out now. said_again: the same words came back. */
static bool change_choice(struct content *c, bool said_again, const char *reason)
{
    struct content_choice *choice = &c->choice;
    const struct engine_blame blame = {
        .kind = choice->kind, .name = choice->name, .name_len = strlen(choice->name)};
    size_t before = choice->at;
    for (size_t i = before + 1; i < c->n; i++) {
        if (exclude(c, i, &blame, LEFT_OUT, choice->reason)) {
            undo(c, before, reason);
            choice->at = i;
            return true;
        }
    }
    bool more = false;
    for (size_t i = 0; said_again && i < before; i++) {
        more |= exclude(c, i, &blame, LEFT_OUT_TOO, choice->reason);
    }
    end_choice(c);
    return more;
}

bool content_refuse(struct content *c, const char *said, const struct blame_file *files)
{
    struct engine_blame blame = {0};
    size_t at = 0, len = 0;
    char reason[CONTENT_REASON_MAX];
    bool ours = blame_parse(said, files, c->n, &at, &blame) == 0;
    const char *line = blame_reason(said, &len);
    len = len < sizeof(reason) ? len : sizeof(reason) - 1;
    memcpy(reason, line, len);
    reason[len] = '\0';
    if (c->choice.name) {
        bool said_again = ours && is_choice(c, &blame);
        if (!ours || said_again) {
            return change_choice(c, said_again, reason);
        }
        end_choice(c); /* nginx got beyond it */
    }
    if (!ours) {
        return false;
    }
    return blame.line > 0 ? exclude(c, at, &blame, LEFT_OUT, reason)
                          : begin_choice(c, &blame, reason);
}

void content_readmit(struct content *c)
{
    end_choice(c);
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

void content_accepted(struct content *c)
{
    end_choice(c);
}
