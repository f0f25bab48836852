/*
 * Which names there are: GET /v1/catalog/services.
 *
 * Happy path: the answer's names that match the wanted globs are followed, one by one (consul_names.c);
 * names that it no longer has go. The catalog's index rises with every change of a service anywhere, so
 * most answers hold the same names as before: names that rest are asked again. News are heard at once, but
 * not more than a few times in a second.
 *
 * An index that went backwards is another life of Consul, or a snapshot that was restored. Names that are
 * held from before would not be woken by it: all are asked anew.
 *
 * Missing rights: Consul leaves out what the token may not read, with status 200. Its own service,
 * "consul", is in every catalog, so
 *   - an answer without any service is no empty catalog but a token without service:read, or a Consul
 *     that has just elected its leader and not yet entered itself: a failure, the last table stays;
 *   - an answer without "consul" while an earlier one had it: rights were taken away, or the same: a
 *     failure;
 *   - one that never has it, but others: a token that was made for these services. That is taken as it
 *     is; what such a token may not see does not exist here.
 */
#include "base/str.h"
#include "registry/consul_health.h"
#include "registry/consul_reader.h"

#include <errno.h>

#define PACE 200u /* however often services change */

struct answer {
    struct registry_reader *reader;
    size_t names; /* readable or not */
};

/* Who renders names in lower case looks for them so. */
static bool wanted(const struct registry_reader *r, const char *name)
{
    char lower[SERVICE_NAME_MAX + 1];
    (void)str_copy(lower, sizeof(lower), name);
    str_lower(lower);
    for (size_t i = 0; i < r->n_globs; i++) {
        if (str_glob(r->globs[i], name) || str_glob(r->globs[i], lower)) {
            return true;
        }
    }
    return r->n_globs == 0;
}

static void on_name(void *ctx, const char *name)
{
    struct answer *a = ctx;
    a->names++;
    if (wanted(a->reader, name)) {
        consul_names_add(a->reader, name)->catalog = a->reader->catalog_answers;
    }
}

static void on_skipped(void *ctx, const char *key, const struct err *why)
{
    struct answer *a = ctx;
    a->names++;
    consul_reader_skip(a->reader, &a->reader->catalog_skipped, key, why);
}

static int check_rights(const struct registry_reader *r, const struct answer *a, bool own,
                        struct err *e)
{
    if (!own && a->names == 0) {
        return err_set(e, ERR_AUTH, -EACCES,
                       "Consul shows no service at all, not even its own: the token lacks "
                       "service:read (and node:read), or Consul has only just started");
    }
    if (!own && r->own_seen) {
        return err_set(e, ERR_AUTH, -EACCES,
                       "Consul no longer shows its own service \"consul\": the token has lost "
                       "service:read for it, and maybe for others");
    }
    return 0;
}

static int read_answer(struct registry_reader *r, const struct consul_reply *reply, struct err *e)
{
    struct answer a = {.reader = r};
    bool own;
    if (reply->err.class != ERR_NONE) {
        *e = reply->err;
        return e->code;
    }
    r->catalog_answers++;
    skipped_begin(&r->catalog_skipped);
    int err = consul_decode_names(reply->body, reply->len, on_name, on_skipped, &a, &own, e);
    if (err < 0) {
        return err;
    }
    skipped_end(&r->catalog_skipped);
    err = check_rights(r, &a, own, e);
    if (err < 0) {
        return err;
    }
    r->own_seen |= own;
    return 0;
}

static void on_ended(struct consul_question *q, const struct consul_reply *reply)
{
    struct registry_reader *r = container_of(q, struct registry_reader, catalog);
    if (q->cut_short) {
        consul_reader_cut_short(r);
    }
    if (!reply || !consul_reader_asks(r)) {
        consul_reader_settle(r);
        return;
    }
    struct err why = ERR_INIT;
    if (read_answer(r, reply, &why) < 0) {
        err_wrap(&why, "list the services of Consul");
        consul_room_failed(r, q, reply, &why);
        consul_reader_fail(r, &why);
        return;
    }
    if (reply->index != r->catalog_index) {
        consul_reader_sweep_soon(r);
        if (!q->asked) {
            consul_question_pause(q, PACE);
        }
    }
    if (reply->index < r->catalog_index) {
        consul_names_due(r, false);
    }
    r->catalog_index = reply->index;
    consul_names_prune(r);
    if (q->asked) {
        consul_names_confirmed(r);
    }
    consul_reader_settle(r);
}

void consul_catalog_init(struct registry_reader *r)
{
    consul_question_init(&r->catalog, &r->client, "/v1/catalog/services", NULL);
    r->catalog.ended = on_ended;
}

void consul_catalog_schedule(struct registry_reader *r)
{
    struct consul_question *q = &r->catalog;
    consul_reader_ask_again(r, q);
    if (q->state == CONSUL_QUESTION_S_DUE) {
        consul_question_ask(q);
    } else if (consul_reader_may_hold(r, q)) {
        consul_question_hold(q, consul_reader_hold_time(r));
    }
}
