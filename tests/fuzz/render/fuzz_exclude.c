/*
 * A judge that refuses at random: after each blame the file is valid, says less than before and counts what
 * it leaves out; and it comes to an end.
 *
 * Input: first byte: policy (modulo 3), live file or not (bit 2), http or stream (bit 3), every candidate
 * goes live (bit 4), each blame is taken back once before it stays (bit 5). The rest of the first line: a blame for each byte: below 0xe0 of the line of that
 * number, else of the upstream (even) or the zone of one of the first blocks. Then records as in
 * services_input.h. A line "\x01" ends them; what follows is the live file, behind the header.
 */
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "fuzz/render/nginx_check.h"
#include "fuzz/render/services_input.h"
#include "render/nginx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bed {
    struct engine *g;
    enum nginx_context context;
    bool goes_live, takes_back;
    struct table t;
    struct engine_result res;
    char *last;             /* a copy of res.bytes */
    size_t blocks, servers; /* of the whole file */
    size_t blames, most;
};

static void render(struct bed *b)
{
    must(b->g->ops->render(b->g, &b->t, &b->res, NULL) == 0);
    size_t omitted = check_output(b->context, b->res.bytes, b->res.len, b->res.upstreams);
    free(b->last);
    b->last = xmemdup0(b->res.bytes, b->res.len);
    if (b->blames == 0) {
        must(omitted == 0 && b->res.excluded == 0 && b->res.excluded_servers == 0);
        b->blocks = b->res.upstreams;
        b->servers = b->res.servers;
        b->most = b->servers + 3 * b->blocks;
    }
    /* nothing is lost but what is counted */
    must(b->res.upstreams + omitted == b->blocks);
    must(b->res.servers + b->res.excluded_servers == b->servers);
    must(b->res.excluded >= omitted);
}

static bool contains(const struct engine_report *r, const struct table *t)
{
    const struct service *svc = table_find(t, r->service, r->id);
    return svc && strcmp(svc->s.container, r->container) == 0;
}

/* The last blame, in a file that was rendered anew or not; what was left out before it stays out. */
static void take_back(struct bed *b, const struct engine_blame *what, const char *before)
{
    struct engine_report said = {0};
    size_t excluded = b->res.excluded;
    if (b->blames % 2) {
        struct engine_result with;
        must(b->g->ops->render(b->g, &b->t, &with, NULL) == 0);
        if (b->goes_live) {
            b->g->ops->commit(b->g);
        }
    }
    must(b->g->ops->undo(b->g, &said) == 0 && *said.service && *said.text);
    must(b->g->ops->undo(b->g, &said) < 0);
    must(b->g->ops->exclude(b->g, what, &said) < 0);
    render(b);
    must(strcmp(before, b->last) == 0 && b->res.excluded == excluded);
    must(b->g->ops->exclude(b->g, what, &said) == 0);
}

/* True when something is left out because of it. */
static bool blame(struct bed *b, const struct engine_blame *what)
{
    struct engine_report said = {0};
    bool out = b->g->ops->exclude(b->g, what, &said) == 0;
    if (out) {
        b->blames++;
        must(b->blames <= b->most);
        must(*said.text && (!*said.id || contains(&said, &b->t)));
        must(b->g->ops->exclude(b->g, what, &said) < 0);
        /* what is live is refused as well as what is not */
        if (b->goes_live) {
            b->g->ops->commit(b->g);
        }
    }
    CLEANUP_FREE char *before = xstrdup(b->last);
    if (out && b->takes_back) {
        take_back(b, what, before);
    }
    render(b);
    must((strcmp(before, b->last) != 0) == out);
    return out;
}

/* The block's place in the last file: behind its head's "upstream ". */
static const char *head(const struct bed *b, size_t block)
{
    const char *p = b->last;
    for (size_t i = 0; (p = strstr(p, "\nupstream ")) != NULL; i++) {
        p += strlen("\nupstream ");
        if (i == block) {
            return p;
        }
    }
    return NULL;
}

static void blame_byte(struct bed *b, unsigned char byte)
{
    if (byte < 0xe0) {
        blame(b, &(struct engine_blame){.kind = ENGINE_BLAME_LINE, .line = byte});
        return;
    }
    const char *name = head(b, (byte & 0x1fu) / 2);
    if (!name) {
        return;
    }
    char zone[SERVICE_NAME_MAX + 16];
    bool upstream = byte % 2 == 0;
    int n = snprintf(zone, sizeof(zone), "%.*s%s", (int)strcspn(name, " "), name,
                     !upstream && b->context == NGINX_STREAM ? ":stream" : "");
    blame(b, &(struct engine_blame){.kind = upstream ? ENGINE_BLAME_UPSTREAM : ENGINE_BLAME_ZONE,
                                    .name = zone,
                                    .name_len = (size_t)n});
}

/* Refuses the first block's last server, or what is left, until there is no block. */
static void blame_all(struct bed *b)
{
    for (const char *name; (name = head(b, 0)) != NULL;) {
        struct engine_blame what = {.kind = ENGINE_BLAME_LINE, .line = 0};
        const char *end = strstr(name, "\n}");
        for (const char *p = b->last; p < end; p++) {
            what.line += *p == '\n';
        }
        what.line++; /* the line that ends there */
        bool out = blame(b, &what);
        must(out);
    }
    must(b->res.servers == 0 && b->res.upstreams == 0);
    must(b->blames >= b->blocks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    char *input = xmemdup0(data, size);
    char *at = input + 1, *end = input + size, *line;
    struct bed b = {.context = *input & 8 ? NGINX_STREAM : NGINX_HTTP,
                    .goes_live = *input & 16,
                    .takes_back = *input & 32,
                    .t = TABLE_NULL};
    const struct nginx_options o = {.context = b.context,
                                    .empty = (enum nginx_empty)((unsigned char)*input % 3)};
    must(nginx_engine_new(&b.g, &o, NULL) == 0);
    bool with_live = *input & 4;
    const char *blames = next_line(&at, end);
    for (unsigned i = 0; (line = next_line(&at, end)) && strcmp(line, "\x01") != 0; i++) {
        put_record(&b.t, i, line, &at, end);
    }
    if (with_live) {
        struct buf live = BUF_INIT(1u << 20);
        buf_puts(&live, NGINX_HEADER);
        buf_append(&live, at, (size_t)(end - at));
        b.g->ops->adopt(b.g, buf_str(&live), live.len);
        buf_deinit(&live);
    }
    render(&b);
    CLEANUP_FREE char *whole = xstrdup(b.last);
    for (; blames && *blames; blames++) {
        blame_byte(&b, (unsigned char)*blames);
    }
    blame_all(&b);
    /* all of it comes back; where candidates went live, servers of the past are gone */
    b.g->ops->readmit(b.g);
    if (!b.goes_live) {
        b.blames = 0;
        render(&b);
        must(strcmp(b.last, whole) == 0);
    }
    struct engine_result none;
    table_deinit(&b.t);
    must(b.g->ops->render(b.g, &b.t, &none, NULL) == 0);
    must(check_output(b.context, none.bytes, none.len, none.upstreams) == 0);

    engine_free(b.g);
    free(b.last);
    free(input);
    return 0;
}
