/*
 * Happy path: the address in a server's line finds the service among those that the block was made from; a
 * directive's first word finds who asked for it.
 * Failure: none. A block of servers of the past, or a placeholder, is nobody's.
 * Not done: nginx's own reason, which whoever logs this has.
 */
#include "render/nginx_accuse.h"

#include "base/must.h"
#include "base/str.h"
#include "render/nginx_server.h"
#include "render/report.h"
#include "render/view.h"

#include <string.h>

#define SERVER "server "

static const struct service *of_server(const struct view_upstream *u, const struct nginx_place *p)
{
    const char *text = p->text + strlen(SERVER);
    size_t len = p->text_len - strlen(SERVER);
    const char *blank = memchr(text, ' ', len);
    struct address address;
    bool ok = address_parse_pair(text, blank ? (size_t)(blank - text) : len, &address);
    must(ok);
    for (size_t i = 0; i < u->n; i++) {
        if (address_compare(&u->servers[i].address, &address) == 0) {
            return u->servers[i].svc;
        }
    }
    return NULL;
}

/* Reads again who asked for what; what is wrong about it was reported by the render. */
static const struct service *of_directive(const struct nginx_file *f, const struct view_upstream *u,
                                          const struct nginx_place *p)
{
    struct nginx_directives d = {.context = f->context, .balance.method = NGINX_ROUND_ROBIN};
    struct nginx_params params;
    struct reports ignored = REPORTS_NULL;
    for (size_t i = 0; i < u->n; i++) {
        nginx_params_read(&params, &d, u->servers[i].svc, &ignored);
    }
    reports_deinit(&ignored);
    return p->text_len > 5 && memcmp(p->text, "zone ", 5) == 0          ? d.zone_from
           : p->text_len > 10 && memcmp(p->text, "keepalive ", 10) == 0 ? d.keepalive_from
                                                                        : d.balance_from;
}

static const struct service *whose(const struct nginx_file *f, const struct nginx_place *p)
{
    const struct view_upstream *u = p->block->from;
    if (!u) {
        return NULL;
    }
    const struct service *svc = p->kind == NGINX_PLACE_SERVER      ? of_server(u, p)
                                : p->kind == NGINX_PLACE_DIRECTIVE ? of_directive(f, u, p)
                                                                   : u->servers[0].svc;
    must(svc);
    return svc;
}

void nginx_accuse(const struct nginx_file *f, const struct nginx_place *p,
                  enum nginx_exclude_step step, struct arena *a, struct engine_report *ret)
{
    const struct service *svc = whose(f, p);
    const char *name = arena_memdup0(a, f->bytes.data + p->block->name, p->block->name_len);
    const char *line = arena_memdup0(a, p->text, p->text_len);
    const char *text = NULL;
    switch (p->kind) {
    case NGINX_PLACE_SERVER:
        text = arena_printf(a, "nginx refused \"%s\" of upstream %s: this server is left out", line,
                            name);
        break;
    case NGINX_PLACE_DIRECTIVE:
        text = arena_printf(a,
                            "nginx refused \"%s\" of upstream %s: its directives are left out, its "
                            "servers stay",
                            line, name);
        break;
    case NGINX_PLACE_BLOCK:
        text = step == NGINX_EXCLUDE_BLOCK
                   ? arena_printf(a, "nginx refused upstream %s: it is left out", name)
                   : arena_printf(a,
                                  "nginx refused upstream %s: its servers are left out, requests "
                                  "to it get an error",
                                  name);
        break;
    case NGINX_PLACE_TAKEN:
        text = arena_printf(
            a, "upstream %s clashes with nginx's other configuration: it is left out", name);
        break;
    }
    *ret = (struct engine_report){.service = svc ? svc->s.name : name,
                                  .id = svc ? svc->s.id : "",
                                  .container = svc ? svc->s.container : "",
                                  .text = text};
}
