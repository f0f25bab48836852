#pragma once
/*
 * nginx's processes as /proc shows them: who is the master, what it is at, and its workers.
 */
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum nginx_role {
    NGINX_ROLE_OTHER, /* cache manager and loader, one that has no title yet, no nginx at all */
    NGINX_ROLE_MASTER,
    NGINX_ROLE_WORKER,
    NGINX_ROLE_LEAVING, /* a worker that is shutting down */
};

/* One life of a process: pid and start together never come again. */
struct nginx_proc {
    pid_t pid, parent;
    uint64_t start; /* ticks since boot */
    enum nginx_role role;
};

#define NGINX_TITLE_MAX 4096u

/*
 * False: there is none (a zombie is none), or /proc does not show it. title: NULL, or where its command
 * line is written to, up to the first zero byte.
 */
bool nginx_proc_read(pid_t pid, struct nginx_proc *ret, char title[NGINX_TITLE_MAX]);

/* There is a process of that number, but /proc does not show it. */
bool nginx_proc_hidden(pid_t pid);

/* /proc counts processes as this process does. False where it is that of another process namespace: its
 * numbers are then those of strangers here. */
bool nginx_proc_counts_as_we_do(void);

/* It counts its processes as this program does: it is not in a container of its own. */
bool nginx_proc_same_count(pid_t pid);

/*
 * Everybody may give a process of his own any title. True: this one is root's or this user's, by every
 * user id that it has (a set-uid program has its caller's, too). False: ret_uid is somebody else's.
 */
bool nginx_proc_is_ours(pid_t pid, uid_t *ret_uid);

/*
 * What the process is at with HUP. nginx's master blocks its signals except where it waits for them, so
 * one that waits with nothing pending has dealt with every HUP that was sent before.
 */
enum nginx_mood { NGINX_MOOD_GONE, NGINX_MOOD_UNTOLD, NGINX_MOOD_BUSY, NGINX_MOOD_WAITING };
enum nginx_mood nginx_proc_mood(const struct nginx_proc *master);

/* Sends it a signal, and nobody who has got its number since; -errno. */
int nginx_proc_signal(const struct nginx_proc *p, int signal) WARN_UNUSED;

/* The children of pid, at most max of them; returns how many. */
size_t nginx_proc_children(pid_t pid, struct nginx_proc *ret, size_t max);

/*
 * Every process with a master's title that /proc shows, at most max; returns how many. A new worker has
 * its master's title until it gets its own, and is none: unlike a master that another has started for an
 * upgrade, it has no children.
 */
size_t nginx_proc_masters(struct nginx_proc *ret, size_t max);

/* Now, as nginx_proc.start counts. */
uint64_t nginx_proc_now(void);
