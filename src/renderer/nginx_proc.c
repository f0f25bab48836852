/*
 * Happy path: a process is its number and start time (/proc/PID/stat) and its title (/proc/PID/cmdline,
 * which nginx writes its role into). Children come from /proc/PID/task/PID/children where the kernel has
 * that; it may leave one out while others end.
 * Failure: whatever cannot be read is a process that is not there. Without that file of children all of
 * /proc is looked through.
 * Not done: no waiting, and no rights beyond reading: hidepid hides what it hides. A program of root's
 * that takes all of root's user ids and a title from its caller is believed.
 */
#include "renderer/nginx_proc.h"

#include "base/alloc.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define STAT_MAX     1024u
#define STATUS_MAX   8192u
#define CHILDREN_MAX 65536u
#define UIDS         4u

/* Reads at most size - 1 bytes and terminates them; 0: nothing there. */
static size_t read_proc(pid_t pid, const char *name, char *to, size_t size)
{
    char path[64];
    size_t len = 0;
    snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && len < size - 1) {
        ssize_t n = read(fd, to + len, size - 1 - len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
    }
    to[len] = '\0';
    return len;
}

struct stat_line {
    char state;
    pid_t parent;
    uint64_t start;
};

/* "123 (a name) S 1 ..." with the start as field 22; the name may hold anything. */
static bool read_stat(pid_t pid, struct stat_line *ret)
{
    char text[STAT_MAX];
    long parent;
    unsigned long long start;
    if (read_proc(pid, "stat", text, sizeof(text)) == 0) {
        return false;
    }
    const char *p = strrchr(text, ')');
    if (!p || sscanf(p,
                     ") %c %ld %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                     "%*s %llu",
                     &ret->state, &parent, &start) != 3) {
        return false;
    }
    ret->parent = (pid_t)parent;
    ret->start = start;
    return true;
}

static enum nginx_role role_of(const char *title)
{
    static const char worker[] = "nginx: worker process";
    if (str_starts(title, "nginx: master process")) {
        return NGINX_ROLE_MASTER;
    }
    if (!str_starts(title, worker)) {
        return NGINX_ROLE_OTHER;
    }
    const char *more = title + sizeof(worker) - 1;
    more += strspn(more, " "); /* other systems' titles are filled up with them */
    if (*more == '\0') {
        return NGINX_ROLE_WORKER;
    }
    return str_starts(more, "is shutting down") ? NGINX_ROLE_LEAVING : NGINX_ROLE_OTHER;
}

bool nginx_proc_read(pid_t pid, struct nginx_proc *ret, char title[NGINX_TITLE_MAX])
{
    char own[64];
    struct stat_line line;
    char *to = title ? title : own;
    if (!read_stat(pid, &line) || line.state == 'Z' || line.state == 'X') {
        return false;
    }
    (void)read_proc(pid, "cmdline", to, title ? NGINX_TITLE_MAX : sizeof(own));
    *ret = (struct nginx_proc){
        .pid = pid, .parent = line.parent, .start = line.start, .role = role_of(to)};
    return true;
}

bool nginx_proc_hidden(pid_t pid)
{
    struct stat_line line;
    return !read_stat(pid, &line) && (kill(pid, 0) == 0 || errno == EPERM);
}

/* The text behind "<name>:<blanks>" in /proc/PID/status; NULL: no such line. */
static const char *status_field(const char *status, const char *name)
{
    char key[32];
    snprintf(key, sizeof(key), "\n%s:", name);
    const char *p = strstr(status, key);
    if (!p) {
        return NULL;
    }
    p += strlen(key);
    return p + strspn(p, " \t");
}

bool nginx_proc_counts_as_we_do(void)
{
    char self[32];
    uint64_t pid = 0;
    ssize_t n = readlink("/proc/self", self, sizeof(self) - 1);
    self[n > 0 ? n : 0] = '\0';
    return str_to_u64(self, 1, INT32_MAX, &pid) && (pid_t)pid == getpid();
}

bool nginx_proc_same_count(pid_t pid)
{
    char status[STATUS_MAX];
    (void)read_proc(pid, "status", status, sizeof(status));
    const char *numbers = status_field(status, "NSpid");
    /* one number for each namespace from that of /proc down; old kernels do not say */
    return !numbers || strcspn(numbers, "\t \n") == strcspn(numbers, "\n");
}

bool nginx_proc_is_ours(pid_t pid, uid_t *ret_uid)
{
    char status[STATUS_MAX];
    (void)read_proc(pid, "status", status, sizeof(status));
    const char *at = status_field(status, "Uid");
    *ret_uid = (uid_t)-1;
    for (unsigned i = 0; i < UIDS; i++) { /* real, effective, saved, of the file system */
        char *end;
        unsigned long uid = at ? strtoul(at, &end, 10) : 0;
        if (!at || end == at) {
            return false;
        }
        if (uid != 0 && uid != geteuid()) {
            *ret_uid = (uid_t)uid;
            return false;
        }
        at = end;
    }
    return true;
}

static bool has_hup(const char *status, const char *mask)
{
    const char *hex = status_field(status, mask);
    return hex && strtoull(hex, NULL, 16) & 1u << (SIGHUP - 1);
}

enum nginx_mood nginx_proc_mood(const struct nginx_proc *master)
{
    char status[STATUS_MAX];
    struct nginx_proc now;
    /* the start last: what was read in between was then of the same process */
    (void)read_proc(master->pid, "status", status, sizeof(status));
    if (!nginx_proc_read(master->pid, &now, NULL) || now.start != master->start) {
        return NGINX_MOOD_GONE;
    }
    if (has_hup(status, "ShdPnd") || has_hup(status, "SigPnd")) {
        return NGINX_MOOD_UNTOLD;
    }
    const char *state = status_field(status, "State");
    bool busy = has_hup(status, "SigBlk") || !state || *state == 'R';
    return busy ? NGINX_MOOD_BUSY : NGINX_MOOD_WAITING;
}

int nginx_proc_signal(const struct nginx_proc *p, int signal)
{
    struct nginx_proc now;
    CLEANUP_CLOSE int fd = (int)syscall(SYS_pidfd_open, p->pid, 0); /* -1 on old kernels */
    if (!nginx_proc_read(p->pid, &now, NULL) || now.start != p->start) {
        return -ESRCH;
    }
    long r = fd >= 0 ? syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0) : kill(p->pid, signal);
    return r < 0 ? -errno : 0;
}

/* ---- lists ---- */

/* All of /proc that has the role (OTHER: any) and, unless 0, the parent. */
static size_t scan(pid_t parent, enum nginx_role role, struct nginx_proc *ret, size_t max)
{
    size_t n = 0;
    DIR *dir = opendir("/proc");
    if (!dir) {
        return 0;
    }
    for (struct dirent *ent; n < max && (ent = readdir(dir)) != NULL;) {
        uint64_t pid;
        struct stat_line line;
        if (!str_to_u64(ent->d_name, 1, INT32_MAX, &pid) ||
            (parent && (!read_stat((pid_t)pid, &line) || line.parent != parent)) ||
            !nginx_proc_read((pid_t)pid, &ret[n], NULL) ||
            (role != NGINX_ROLE_OTHER && ret[n].role != role)) {
            continue;
        }
        n++;
    }
    closedir(dir);
    return n;
}

size_t nginx_proc_children(pid_t pid, struct nginx_proc *ret, size_t max)
{
    char name[64];
    static char text[CHILDREN_MAX]; /* one loop, one thread, and used up below */
    size_t n = 0;
    if (pid <= 0) {
        return 0;
    }
    snprintf(name, sizeof(name), "task/%ld/children", (long)pid);
    if (read_proc(pid, name, text, sizeof(text)) == 0) {
        char path[96];
        snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
        return access(path, F_OK) == 0 ? 0 : scan(pid, NGINX_ROLE_OTHER, ret, max);
    }
    char *at = text;
    while (n < max) {
        char *end;
        unsigned long child = strtoul(at, &end, 10);
        if (end == at) {
            break;
        }
        at = end;
        n += nginx_proc_read((pid_t)child, &ret[n], NULL);
    }
    return n;
}

static bool has_pid(const struct nginx_proc *list, size_t n, pid_t pid)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i].pid == pid) {
            return true;
        }
    }
    return false;
}

size_t nginx_proc_masters(struct nginx_proc *ret, size_t max)
{
    CLEANUP_FREE struct nginx_proc *all = xcalloc(max, sizeof(*all));
    struct nginx_proc child;
    size_t n_all = scan(0, NGINX_ROLE_MASTER, all, max), n = 0;
    for (size_t i = 0; i < n_all; i++) {
        if (!has_pid(all, n_all, all[i].parent) || nginx_proc_children(all[i].pid, &child, 1) > 0) {
            ret[n++] = all[i];
        }
    }
    return n;
}

uint64_t nginx_proc_now(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_BOOTTIME, &ts);
    uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);
    return (uint64_t)ts.tv_sec * ticks + (uint64_t)ts.tv_nsec * ticks / 1000000000u;
}
