/*
 * Happy path: one entry for each thing left out, in the order in which the file is written.
 * Failure: none; memory aborts. A table has as many services as a registry listing may have bytes, so the
 * list is bounded by the caps of the readers.
 * Not done: telling old from new; the renderer, which logs, does that.
 */
#include "render/report.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>

void reports_deinit(struct reports *r)
{
    free(r->items);
    arena_deinit(&r->text);
    *r = (struct reports)REPORTS_NULL;
}

void reports_reset(struct reports *r)
{
    r->n = 0;
    arena_deinit(&r->text);
    arena_init(&r->text);
}

void reports_add(struct reports *r, const struct service *svc, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 16;
        r->items = xreallocarray(r->items, r->cap, sizeof(*r->items));
    }
    r->items[r->n++] = (struct engine_report){.service = svc->s.name,
                                              .id = svc->s.id,
                                              .container = svc->s.container,
                                              .text = arena_strdup(&r->text, text)};
}
