/*
 * Happy path: the binary is looked for in PATH and asked once (`nginx -V`) where it keeps its things; the
 * configuration is read again when its file has changed; the pid file names the master, and the title of
 * that process proves it.
 *
 * Failure modes:
 *   - the number in the pid file is of another process, or of an nginx with another configuration: as if
 *     there were no pid file;
 *   - no pid file: the one running master whose command line names the configuration, or names none when
 *     the configuration is the one that nginx was built with. Several: none of them is taken;
 *   - a process that is neither root's nor of this user is no master, whatever its title says: anybody
 *     could have started it;
 *   - the configuration cannot be read: what it said before, or what nginx was built with.
 *
 * Not done: an nginx that was started with -p (relative paths are below the prefix it was built with), a
 * `pid` or `error_log` in an included file or after -g: the running master is then found without the pid
 * file, as above.
 */
#include "renderer/nginx_site.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/must.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define BINARY         "nginx"
#define ASK_DEADLINE   (10 * MSEC_PER_SEC)
#define CONF_MAX       (16u << 20)
#define PID_MAX        64u
#define MASTERS_MAX    64u
#define PATH_ELSEWHERE ":/usr/sbin:/usr/local/sbin:/usr/local/nginx/sbin"

void nginx_site_init(struct nginx_site *s, struct io *io, const char *conf)
{
    *s = (struct nginx_site){.io = io, .given = xstrdup(conf)};
}

void nginx_site_deinit(struct nginx_site *s)
{
    must(!child_running(&s->job));
    free(s->given);
    free(s->binary);
    nginx_built_deinit(&s->built);
    nginx_conf_deinit(&s->conf);
    *s = (struct nginx_site){.io = s->io};
}

/* ---- the binary ---- */

/* In the first of the folders that has it; NULL: none. */
static char *find_in(const char *folders, struct stat *ret)
{
    for (const char *at = folders; *at;) {
        size_t len = strcspn(at, ":");
        struct buf path = BUF_INIT(4096);
        buf_append(&path, at, len);
        buf_puts(&path, "/" BINARY);
        if (len > 0 && buf_error(&path) == 0 && stat(buf_str(&path), ret) == 0 &&
            S_ISREG(ret->st_mode) && access(buf_str(&path), X_OK) == 0) {
            return buf_take(&path);
        }
        buf_deinit(&path);
        at += len + (at[len] == ':');
    }
    return NULL;
}

static void find_binary(struct nginx_site *s, struct stat *ret)
{
    const char *path = getenv("PATH");
    struct buf folders = BUF_INIT(1u << 20);
    buf_puts(&folders, path ? path : "/usr/bin:/bin");
    buf_puts(&folders, PATH_ELSEWHERE);
    free(s->binary);
    s->binary = find_in(buf_str(&folders), ret);
    buf_deinit(&folders);
}

const char *nginx_site_binary(struct nginx_site *s)
{
    struct stat st;
    find_binary(s, &st);
    return s->binary ? s->binary : BINARY;
}

static void on_asked(struct child_job *j, const struct child_result *res)
{
    struct nginx_site *s = container_of(j, struct nginx_site, job);
    if (res->code < 0) {
        (void)err_set(&s->unknown, ERR_TRANSIENT, res->code, "%s -V: %s", s->binary,
                      res->code == -ETIMEDOUT ? "it did not answer" : strerrordesc_np(-res->code));
    } else if (nginx_built_parse(&s->built, res->output, &s->unknown) == 0) {
        s->known = true;
    }
    s->learned(s->ctx);
}

bool nginx_site_learn(struct nginx_site *s, void (*learned)(void *ctx), void *ctx)
{
    struct stat st;
    find_binary(s, &st);
    if (s->known && (!s->binary || fs_same_stamp(&st, &s->stamp))) {
        return false; /* also while a package manager replaces it */
    }
    if (!s->binary) {
        (void)err_set(&s->unknown, ERR_INVALID, -ENOENT, "there is no nginx in PATH");
        return false;
    }
    nginx_built_deinit(&s->built);
    s->known = false;
    s->stamp = st;
    s->learned = learned;
    s->ctx = ctx;
    s->job.done = on_asked;
    const char *const argv[] = {s->binary, "-V", NULL};
    return child_start(s->io, &s->job, argv, ASK_DEADLINE, &s->unknown) == 0;
}

void nginx_site_cancel(struct nginx_site *s)
{
    child_cancel(&s->job);
}

/* ---- the configuration ---- */

/* Its file; NULL where that is not known. */
static const char *conf_of(const struct nginx_site *s)
{
    return s->given ? s->given : s->built.conf;
}

static void read_conf(struct nginx_site *s)
{
    const char *path = conf_of(s);
    struct stat st;
    struct buf text = BUF_INIT(CONF_MAX);
    if (!path || stat(path, &st) < 0 || !S_ISREG(st.st_mode) ||
        fs_same_stamp(&st, &s->conf_stamp)) {
        return;
    }
    if (fs_read(path, &text, NULL) == 0) {
        nginx_conf_deinit(&s->conf);
        nginx_conf_parse(&s->conf, buf_str(&text), text.len);
        s->conf_stamp = st;
    }
    buf_deinit(&text);
}

char *nginx_site_log(struct nginx_site *s, const char **ret_why)
{
    read_conf(s);
    char *path = s->conf.error_log ? nginx_path(s->built.prefix, s->conf.error_log) : NULL;
    if (!path && !s->conf.error_log && !s->conf.log_nowhere && s->built.error_log) {
        path = xstrdup(s->built.error_log);
    }
    *ret_why = s->conf.log_nowhere ? s->conf.log_nowhere : "stderr";
    return path;
}

/* ---- the master ---- */

/* The argument of an option in a master's title: "... -c /etc/x.conf" or "-c/etc/x.conf"; NULL: none. */
static char *title_option(const char *title, char option)
{
    const char dashed[] = {' ', '-', option, '\0'};
    const char *p = strstr(title, dashed);
    if (!p) {
        return NULL;
    }
    p += sizeof(dashed) - 1;
    p += strspn(p, " ");
    return xmemdup0(p, strcspn(p, " "));
}

enum belongs { BELONGS, BELONGS_PERHAPS, BELONGS_ELSEWHERE };

/* Does a master with this title run our configuration? */
static enum belongs belongs(const struct nginx_site *s, const char *title)
{
    const char *ours = conf_of(s);
    CLEANUP_FREE char *named = title_option(title, 'c');
    CLEANUP_FREE char *prefix = title_option(title, 'p');
    CLEANUP_FREE char *theirs = named ? nginx_path(prefix ? prefix : s->built.prefix, named)
                                      : xstrdup(prefix ? NULL : s->built.conf);
    struct stat a, b;
    if (!ours || !theirs) {
        return BELONGS_PERHAPS;
    }
    if (streq(ours, theirs)) {
        return BELONGS;
    }
    if (stat(ours, &a) < 0 || stat(theirs, &b) < 0) {
        return BELONGS_PERHAPS;
    }
    if (a.st_dev == b.st_dev && a.st_ino == b.st_ino) {
        return BELONGS;
    }
    return named ? BELONGS_ELSEWHERE
                 : BELONGS_PERHAPS; /* another binary has another built-in one */
}

static void not_believed(struct err *e, const struct nginx_proc *p, uid_t uid)
{
    (void)err_set(e, ERR_AUTH, -ESRCH,
                  "process %ld has the title of such an nginx, but is of user %ld: only root's "
                  "and those of the user that this runs as (%ld) are believed",
                  (long)p->pid, (long)uid, (long)geteuid());
}

/* By the pid file. -ESRCH: e says what is wrong with it. -EACCES: it is that process, but hidden. */
static int master_by_file(const struct nginx_site *s, const char *path, struct nginx_proc *ret,
                          struct err *e)
{
    char title[NGINX_TITLE_MAX];
    struct buf text = BUF_INIT(PID_MAX);
    struct nginx_proc p;
    uint64_t pid = 0;
    int r = fs_read(path, &text, e);
    if (r == 0) {
        buf_truncate(&text, strcspn(buf_str(&text), "\r\n"));
        if (!str_to_u64(buf_str(&text), 1, INT32_MAX, &pid)) {
            r = err_set(e, ERR_TRANSIENT, -ESRCH, "%s holds no process number", path);
        }
    } else if (r == -ENOENT) {
        r = err_set(e, ERR_TRANSIENT, -ESRCH, "there is no %s", path);
    }
    buf_deinit(&text);
    if (r < 0) {
        return -ESRCH;
    }
    if (!nginx_proc_read((pid_t)pid, &p, title)) {
        if (nginx_proc_hidden((pid_t)pid)) {
            return err_set(e, ERR_AUTH, -EACCES,
                           "process %d of %s is hidden: /proc is mounted with hidepid, so this "
                           "must run as root or in the group that may look",
                           (int)pid, path);
        }
        return err_set(e, ERR_TRANSIENT, -ESRCH, "process %d of %s has gone", (int)pid, path);
    }
    if (p.role != NGINX_ROLE_MASTER) {
        return err_set(e, ERR_TRANSIENT, -ESRCH, "process %d of %s is not nginx's master", (int)pid,
                       path);
    }
    if (belongs(s, title) == BELONGS_ELSEWHERE) {
        return err_set(e, ERR_TRANSIENT, -ESRCH,
                       "process %d of %s is an nginx that runs another "
                       "configuration",
                       (int)pid, path);
    }
    uid_t uid;
    if (!nginx_proc_is_ours(p.pid, &uid)) {
        not_believed(e, &p, uid);
        return -ESRCH;
    }
    *ret = p;
    return 0;
}

/* Has it the title of a master of our configuration? */
static bool titled(const struct nginx_site *s, pid_t pid, struct nginx_proc *ret)
{
    char title[NGINX_TITLE_MAX];
    return nginx_proc_read(pid, ret, title) && ret->role == NGINX_ROLE_MASTER &&
           belongs(s, title) == BELONGS;
}

/* By the command lines of all masters; e is filled before with what is wrong with the pid file. */
static int master_by_title(struct nginx_site *s, struct nginx_proc *ret, struct err *e)
{
    struct nginx_proc masters[MASTERS_MAX];
    size_t all = nginx_proc_masters(masters, MASTERS_MAX), n = 0;
    struct nginx_proc p, found = {0};
    bool contained = false;
    uid_t uid;
    for (size_t i = 0; i < all; i++) {
        if (!nginx_proc_same_count(masters[i].pid)) {
            contained = true;
        } else if (!titled(s, masters[i].pid, &p)) {
            continue;
        } else if (nginx_proc_is_ours(p.pid, &uid)) {
            found = p;
            n++;
        } else {
            not_believed(e, &p, uid);
        }
    }
    const char *conf = conf_of(s);
    s->titled = n == 1 ? found : (struct nginx_proc){0};
    if (n == 0) {
        err_wrap(e, "nginx does not run with %s, as far as can be seen from here%s", conf,
                 contained ? " (one in a container is --nginx container:NAME)" : "");
        return -ESRCH;
    }
    if (n > 1) {
        err_wrap(e, "%zu nginx masters run with %s and it cannot be told which is meant", n, conf);
        return -ESRCH;
    }
    *ret = found;
    return 0;
}

/* The one that was found so before, if it is still there. */
static int master_as_before(const struct nginx_site *s, struct nginx_proc *ret)
{
    struct nginx_proc p;
    uid_t uid;
    if (s->titled.pid == 0 || !titled(s, s->titled.pid, &p) || p.start != s->titled.start ||
        !nginx_proc_is_ours(p.pid, &uid)) {
        return -ESRCH;
    }
    *ret = p;
    return 0;
}

static int find_master(struct nginx_site *s, bool again, struct nginx_proc *ret, struct err *e)
{
    struct err why = ERR_INIT;
    if (!nginx_proc_counts_as_we_do()) {
        return err_set(
            e, ERR_INVALID, -ESRCH,
            "/proc is missing or that of another process namespace, so that nginx cannot "
            "be told from others: mount this namespace's own");
    }
    read_conf(s);
    if (!conf_of(s)) {
        return err_set(e, ERR_INVALID, -ESRCH, "nginx's configuration is not known: %s",
                       s->unknown.msg);
    }
    CLEANUP_FREE char *path =
        s->conf.pid ? nginx_path(s->built.prefix, s->conf.pid) : xstrdup(s->built.pid);
    int r = path ? master_by_file(s, path, ret, &why)
                 : err_set(&why, ERR_TRANSIENT, -ESRCH, "where its pid file is is not known: %s",
                           s->unknown.msg);
    if (r == -ESRCH && again) {
        r = master_as_before(s, ret);
    }
    if (r == -ESRCH) {
        r = master_by_title(s, ret, &why);
    }
    if (r < 0 && e) {
        *e = why;
    }
    return r;
}

int nginx_site_master(struct nginx_site *s, struct nginx_proc *ret, struct err *e)
{
    return find_master(s, false, ret, e);
}

int nginx_site_master_again(struct nginx_site *s, struct nginx_proc *ret, struct err *e)
{
    return find_master(s, true, ret, e);
}
