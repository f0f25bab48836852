/*
 * State, processes and commands of one container.
 *
 * Happy path: a body becomes a few facts. Processes keep the parsed body, whose texts they point into.
 * Failure: a body that is not what it should be is refused with the name of what is wrong in it. In a
 * list of processes only the columns that are used must be there; a row that has no process id, no
 * parent or no command is left out, because nobody can be helped by refusing the others.
 * Not done: nothing is judged here; which process is whose is the renderer's matter.
 */
#include "docker/decode_control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/str.h"
#include "docker/decode.h"

#define NANO_PER_S 1000000000u

static int parse_object(json **ret, const char *where, const char *text, size_t len, struct err *e)
{
    CLEANUP_JSON json *root = NULL;
    int r = json_parse(&root, text, len, e);
    if (r == 0 && !json_is_object(root)) {
        r = err_set(e, ERR_INVALID, -EINVAL, "not an object");
    }
    if (r < 0) {
        err_wrap(e, "%s", where);
        return r;
    }
    *ret = take_ptr(root);
    return 0;
}

static int need_id(const json *root, const char *where, const char *name, const char **ret,
                   struct err *e)
{
    const char *id = NULL;
    int r = json_need_str(root, where, name, &id, e);
    if (r == 0 && !docker_id_valid(id)) {
        r = err_set(e, ERR_INVALID, -EINVAL, "%s.%s: not an id: \"%.80s\"", where, name, id);
    }
    if (r == 0) {
        *ret = id;
    }
    return r;
}

static void read_mounts(const json *mounts, struct docker_container_state *s)
{
    s->mounts = xcalloc(json_size(mounts) + 1, sizeof(*s->mounts));
    for (const json *it = json_first(mounts); it; it = json_next(it)) {
        const char *source = json_str(it, "Source", "");
        const char *destination = json_str(it, "Destination", "");
        if (source[0] == '/' && destination[0] == '/') { /* a tmpfs has no source */
            s->mounts[s->n_mounts++] = (struct docker_mount){xstrdup(source), xstrdup(destination)};
        }
    }
}

void docker_container_state_deinit(struct docker_container_state *s)
{
    for (size_t i = 0; i < s->n_mounts; i++) {
        free(s->mounts[i].source);
        free(s->mounts[i].destination);
    }
    free(s->mounts);
    *s = (struct docker_container_state){0};
}

int docker_decode_state(struct docker_container_state *ret, const char *text, size_t len,
                        struct err *e)
{
    CLEANUP_JSON json *root = NULL;
    const char *id = NULL;
    int r = parse_object(&root, "inspect", text, len, e);
    if (r == 0) {
        r = need_id(root, "inspect", "Id", &id, e);
    }
    if (r < 0) {
        return r;
    }
    const json *state = json_get(root, "State");
    int64_t pid = json_int(state, "Pid", 0);
    struct docker_container_state s = {
        .paused = json_bool(state, "Paused", false),
        .restarting = json_bool(state, "Restarting", false),
        .terminal = json_bool(json_get(root, "Config"), "Tty", false),
        .pid = pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0,
    };
    /* podman's Running is false in these, Docker's is true */
    s.running = json_bool(state, "Running", false) || s.paused || s.restarting;
    memcpy(s.id, id, sizeof(s.id));
    read_mounts(json_get(root, "Mounts"), &s);
    *ret = s;
    return 0;
}

/* ---- processes ---- */

struct columns {
    size_t pid, parent, title;
};

static bool is_command(const char *title)
{
    return streq(title, "COMMAND") || streq(title, "CMD") || streq(title, "ARGS");
}

static int find_columns(const json *titles, struct columns *ret, struct err *e)
{
    struct columns c = {SIZE_MAX, SIZE_MAX, SIZE_MAX};
    size_t i = 0;
    for (const json *it = json_first(titles); it; it = json_next(it), i++) {
        const char *title = json_value(it) ? json_value(it) : "";
        if (streq(title, "PID")) {
            c.pid = i;
        } else if (streq(title, "PPID")) {
            c.parent = i;
        } else if (is_command(title)) {
            c.title = i;
        }
    }
    const char *missing = c.pid == SIZE_MAX      ? "PID"
                          : c.parent == SIZE_MAX ? "PPID"
                          : c.title == SIZE_MAX  ? "COMMAND"
                                                 : NULL;
    if (missing) {
        return err_set(e, ERR_INVALID, -EINVAL, "top.Titles: there is no %s among them", missing);
    }
    *ret = c;
    return 0;
}

static bool to_pid(const char *text, pid_t *ret)
{
    uint64_t pid;
    if (!text || !str_to_u64(text, 0, INT32_MAX, &pid)) {
        return false;
    }
    *ret = (pid_t)pid;
    return true;
}

static bool read_row(const json *row, const struct columns *c, struct docker_process *ret)
{
    struct docker_process p = {.pid = -1, .parent = -1};
    size_t i = 0;
    for (const json *it = json_first(row); it; it = json_next(it), i++) {
        if ((i == c->pid && !to_pid(json_value(it), &p.pid)) ||
            (i == c->parent && !to_pid(json_value(it), &p.parent))) {
            return false;
        }
        if (i == c->title) {
            p.title = json_value(it);
        }
    }
    if (p.pid <= 0 || p.parent < 0 || !p.title) {
        return false;
    }
    *ret = p;
    return true;
}

int docker_decode_top(struct docker_top *ret, const char *text, size_t len, struct err *e)
{
    CLEANUP_JSON json *root = NULL;
    struct columns columns = {0};
    int r = parse_object(&root, "top", text, len, e);
    if (r == 0) {
        r = find_columns(json_get(root, "Titles"), &columns, e);
    }
    if (r < 0) {
        return r;
    }
    const json *rows = json_get(root, "Processes");
    struct docker_top t = {.items = xcalloc(json_size(rows) + 1, sizeof(*t.items))};
    for (const json *it = json_first(rows); it; it = json_next(it)) {
        if (read_row(it, &columns, &t.items[t.n])) {
            t.n++;
        }
    }
    t.root = take_ptr(root);
    *ret = t;
    return 0;
}

void docker_top_deinit(struct docker_top *t)
{
    free(t->items);
    json_free(t->root);
    *t = (struct docker_top)DOCKER_TOP_NULL;
}

/* ---- commands ---- */

void docker_exec_body(struct buf *out, const char *const *argv)
{
    struct json_writer w;
    json_begin(&w, out);
    json_object(&w);
    json_field_bool(&w, "AttachStdin", false);
    json_field_bool(&w, "AttachStdout", true);
    json_field_bool(&w, "AttachStderr", true);
    json_field_bool(&w, "Tty", false);
    json_key(&w, "Cmd");
    json_array(&w);
    for (size_t i = 0; argv[i]; i++) {
        json_put_str(&w, argv[i]);
    }
    json_array_end(&w);
    json_object_end(&w);
}

int docker_decode_exec_id(char ret[CONTAINER_ID_LEN + 1], const char *text, size_t len,
                          struct err *e)
{
    CLEANUP_JSON json *root = NULL;
    const char *id = NULL;
    int r = parse_object(&root, "exec", text, len, e);
    if (r == 0) {
        r = need_id(root, "exec", "Id", &id, e);
    }
    if (r == 0) {
        memcpy(ret, id, CONTAINER_ID_LEN + 1);
    }
    return r;
}

int docker_decode_exec_state(bool *ret_running, int *ret_exit, const char *text, size_t len,
                             struct err *e)
{
    CLEANUP_JSON json *root = NULL;
    int r = parse_object(&root, "exec", text, len, e);
    if (r < 0) {
        return r;
    }
    /* Before its start Running is false as well, but then there is no status. */
    int64_t status = json_int(root, "ExitCode", -1);
    bool running = json_bool(root, "Running", false) || status < 0;
    if (!running && status > INT32_MAX) {
        return err_set(e, ERR_INVALID, -EINVAL, "exec.ExitCode: %" PRId64 " is no exit status",
                       status);
    }
    *ret_running = running;
    if (!running) {
        *ret_exit = (int)status;
    }
    return 0;
}

/* ---- times of log lines ---- */

/* Up to 9 digits behind the point; *p moves behind them. */
static uint32_t read_nano(const char **p)
{
    uint32_t nano = 0, unit = NANO_PER_S;
    while (**p >= '0' && **p <= '9') {
        unit /= 10;
        nano += (uint32_t)(**p - '0') * unit;
        (*p)++;
    }
    return nano;
}

/* "Z", "+02:00"; podman's engine uses the latter. */
static bool read_zone(const char *p, int64_t *ret_s)
{
    if (*p == 'Z') {
        *ret_s = 0;
        return strchr(" \n", p[1]) != NULL;
    }
    struct tm tm = {0};
    if (*p != '+' && *p != '-') {
        return false;
    }
    const char *end = strptime(p + 1, "%H:%M", &tm);
    *ret_s = (tm.tm_hour * 60 + tm.tm_min) * (*p == '-' ? -60 : 60);
    return end && strchr(" \n", *end) != NULL;
}

static bool read_time(const char *line, int64_t *ret_s, uint32_t *ret_nano)
{
    struct tm tm = {0};
    const char *p = strptime(line, "%Y-%m-%dT%H:%M:%S", &tm);
    uint32_t nano = 0;
    int64_t zone;
    if (!p) {
        return false;
    }
    if (*p == '.') {
        p++;
        nano = read_nano(&p);
    }
    if (!read_zone(p, &zone)) {
        return false;
    }
    *ret_s = (int64_t)timegm(&tm) - zone;
    *ret_nano = nano;
    return *ret_s >= 0;
}

bool docker_decode_log_end(char ret[DOCKER_LOG_END_MAX], const char *text)
{
    int64_t s = -1;
    uint32_t nano = 0;
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        int64_t line_s;
        uint32_t line_nano;
        if (read_time(line, &line_s, &line_nano)) {
            s = line_s;
            nano = line_nano;
        }
    }
    if (s < 0) {
        return false;
    }
    nano++; /* the parameter includes its own time */
    snprintf(ret, DOCKER_LOG_END_MAX, "%" PRId64 ".%09" PRIu32, s + nano / NANO_PER_S,
             nano % NANO_PER_S);
    return true;
}
