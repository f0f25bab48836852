#pragma once
/*
 * The view: a table reduced to upstreams and their servers, sorted, ready to be written.
 *
 * Only passing services of the context are in it (http: tcp, not `nginx=stream`; stream: udp, and tcp with
 * `nginx=stream`). Names are in lower case, because nginx compares upstream names without regard to case:
 * services whose names differ only in case are one upstream. Servers are sorted by address as a number; of
 * two services at one address the first by (name, id) counts.
 *
 * An upstream of the stream context has no protocol: the nginx server that uses it decides. So where a name
 * has tcp services, whether they pass or not, those make the servers: a udp service at the address of one
 * is that server, and a udp service elsewhere, where nothing would listen for tcp, is left out.
 *
 * Services of the servers are the view's own references: who is asked later whose a line is has them still.
 *
 * A name is in the view with no servers when it is expected, or when it has services but none that can
 * receive traffic.
 */
#include "base/arena.h"
#include "render/address.h"
#include "render/nginx_context.h"
#include "render/report.h"

/* Which names; all in lower case. Borrowed. */
struct view_filter {
    enum nginx_context context;
    const char *const *globs; /* none: every name */
    size_t n_globs;
    const char *const *expect; /* sorted bytewise, each once; always selected */
    size_t n_expect;
};

struct view_server {
    struct address address;
    const struct service *svc; /* a reference of the view's */
};

struct view_upstream {
    const char *name; /* valid as long as the table; the servers until the next view_build() */
    const struct view_server *servers;
    size_t n;
};

struct view {
    struct view_upstream *upstreams; /* sorted by name, bytewise */
    size_t n;
    /* the rest is private to view.c */
    struct view_server *servers;
    size_t n_servers;
    struct view_group *groups;
    size_t cap_upstreams, cap_servers, cap_groups;
    struct arena names;
};

#define VIEW_NULL                                                                                  \
    {                                                                                              \
        .names = ARENA_NULL                                                                        \
    }

void view_deinit(struct view *v); /* idempotent */

/* Replaces v's contents. What cannot be an upstream or a server is added to reports. */
void view_build(struct view *v, const struct view_filter *filter, const struct table *t,
                struct reports *reports);

/* [a-z0-9._-], 1..SERVICE_NAME_MAX bytes. */
bool view_name_ok(const char *name, size_t len);

bool view_selects(const struct view_filter *filter, const char *name);
