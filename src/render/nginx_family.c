/*
 * nginx's processes by their titles.
 *
 * Happy path: one master, whose children are workers; after a reload they are other ones.
 * Failure: a list without a master has no family. Titles that nginx does not have are somebody else's
 * processes, also those of its cache manager and loader, which come and go by themselves. A worker that
 * died is followed by a new one without any reload: what proves a reload is a worker of before that
 * shuts down, or more workers than there were.
 * Not done: where neither was seen between two looks, it cannot be told.
 */
#include "render/nginx_family.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

#define MASTER "nginx: master process "
#define WORKER "nginx: worker process"
#define OLD    "nginx: worker process is shutting down"

static const struct nginx_process *find_master(const struct nginx_process *list, size_t n,
                                               pid_t first)
{
    const struct nginx_process *found = NULL;
    for (size_t i = 0; i < n; i++) {
        if (str_starts(list[i].title, MASTER) && (!found || list[i].pid == first)) {
            found = &list[i];
        }
    }
    return found;
}

bool nginx_family_find(struct nginx_family *ret, const struct nginx_process *list, size_t n,
                       pid_t first)
{
    const struct nginx_process *master = find_master(list, n, first);
    if (!master) {
        return false;
    }
    struct nginx_family f = {
        .master = master->pid,
        .command = xstrdup(master->title + strlen(MASTER)),
        .workers = xcalloc(n, sizeof(*f.workers)),
        .rest = xcalloc(n, sizeof(*f.rest)),
    };
    for (size_t i = 0; i < n; i++) {
        if (list[i].parent != master->pid) {
            continue;
        }
        if (streq(list[i].title, WORKER)) {
            f.workers[f.n_workers++] = list[i].pid;
        } else {
            f.rest[f.n_rest++] = list[i].pid;
            f.n_old += str_starts(list[i].title, OLD);
        }
    }
    *ret = f;
    return true;
}

void nginx_family_deinit(struct nginx_family *f)
{
    free(f->command);
    free(f->workers);
    free(f->rest);
    *f = (struct nginx_family)NGINX_FAMILY_NULL;
}

/* ---- what becomes of it ---- */

static bool has(const pid_t *list, size_t n, pid_t pid)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == pid) {
            return true;
        }
    }
    return false;
}

static bool one_leaves(const struct nginx_family *before, const struct nginx_family *now)
{
    for (size_t i = 0; i < before->n_workers; i++) {
        if (has(now->rest, now->n_rest, before->workers[i])) {
            return true; /* a title that it has got for good */
        }
    }
    return false;
}

void nginx_progress_begin(struct nginx_progress *p, const struct nginx_family *before)
{
    nginx_progress_deinit(p);
    p->serving = before->n_workers;
}

void nginx_progress_deinit(struct nginx_progress *p)
{
    nginx_family_deinit(&p->last);
    *p = (struct nginx_progress){0};
}

enum nginx_change nginx_progress_look(struct nginx_progress *p, const struct nginx_family *before,
                                      struct nginx_family *now)
{
    bool restarted = now->master != before->master;
    bool none = now->n_workers == 0 && now->n_old == 0;
    bool bare =
        none && p->last.master == now->master && p->last.n_workers == 0 && p->last.n_old == 0;
    size_t fresh = 0, stale = 0;
    p->lasting = false;
    for (size_t i = 0; i < now->n_workers; i++) {
        pid_t w = now->workers[i];
        if (!restarted &&
            (has(before->workers, before->n_workers, w) || has(before->rest, before->n_rest, w))) {
            stale++;
        } else {
            fresh++;
            p->lasting |= has(p->last.workers, p->last.n_workers, w);
        }
    }
    if (fresh == 0 && stale > p->serving) {
        p->serving = stale; /* it has only now got its title */
    }
    p->generation |= restarted || one_leaves(before, now) || fresh + stale > p->serving;
    nginx_family_deinit(&p->last);
    p->last = *now;
    *now = (struct nginx_family)NGINX_FAMILY_NULL;
    if (fresh == 0) {
        return bare ? NGINX_BARE : NGINX_SAME;
    }
    if (stale > 0 || !p->lasting) {
        return NGINX_CHANGING;
    }
    return p->generation ? NGINX_CHANGED : NGINX_REPLACED;
}

/* ---- its command ---- */

static size_t count(const char *const *words)
{
    size_t n = 0;
    while (words[n]) {
        n++;
    }
    return n;
}

/* Options that say which configuration it is, each with a value. */
static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0' && strchr("cegp", word[1]);
}

/* What -g was given has blanks of its own, and ends where a directive has ended and an option follows. */
static char *end_of_directives(char *value)
{
    for (char *p = strchr(value, ';'); p; p = strchr(p + 1, ';')) {
        if (p[1] == '\0' || (p[1] == ' ' && is_option(p + 2))) {
            return p + 1;
        }
    }
    return value + strlen(value);
}

/* Ends what begins at p where end says, and returns where the next begins. */
static char *cut(char *end)
{
    if (*end == '\0') {
        return end;
    }
    *end = '\0';
    return end + 1;
}

static size_t take_options(char *p, const char **argv)
{
    size_t n = 0;
    while (*p) {
        char *word = p;
        bool directives = word[0] == '-' && word[1] == 'g';
        if (!is_option(word)) {
            p = cut(p + strcspn(p, " "));
            continue;
        }
        if (word[2] == ' ') { /* "-c FILE", not "-cFILE" */
            p = cut(p + 2);
            argv[n++] = word;
            word = p;
        }
        p = cut(directives ? end_of_directives(p) : p + strcspn(p, " "));
        argv[n++] = word;
    }
    return n;
}

const char **nginx_family_argv(const char *command, const char *const *extra)
{
    size_t len = command ? strlen(command) : 0, n = 0;
    size_t most = 1 + count(extra) + len + 1; /* more than the text can have words */
    const char **argv = xmalloc(most * sizeof(*argv) + len + 1);
    char *text = (char *)(argv + most);
    memcpy(text, command ? command : "", len);
    text[len] = '\0';
    char *options = cut(text + strcspn(text, " "));
    bool found = text[0] == '/' || (text[0] != '\0' && !strchr(text, '/'));
    argv[n++] = found ? text : "nginx";
    for (size_t i = 0; extra[i]; i++) {
        argv[n++] = extra[i];
    }
    n += take_options(options, argv + n);
    argv[n] = NULL;
    return argv;
}
