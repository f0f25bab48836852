/*
 * Happy path: one JSON object, written beside the first output and renamed into place; file and folder are
 * flushed before anything is done that it speaks of.
 * Failure: a write that fails leaves the journal from before. What is read is validated whole, because
 * acting on a wrong journal would put back or remove files: every path absolute, every word known, and
 * nobody else able to have written it.
 * Not done: deciding what follows from a journal; that is outputs_start.c.
 */
#include "renderer/journal.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/str.h"
#include "base/wallclock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL_MAX     (4u * 1024 * 1024)
#define JOURNAL_VERSION 1
#define DIGEST_LEN      16

static const char *const phases[] = {
    [JOURNAL_UNCHECKED] = "unchecked", [JOURNAL_OWED] = "owed", [JOURNAL_REFUSED] = "refused"};
static const char *const states[] = {
    [COPY_NONE] = "none", [COPY_FILE] = "file", [COPY_ABSENT] = "absent"};

char *journal_path(const char *output)
{
    return fs_beside(output, ".tw-state");
}

/* ---- writing ---- */

static bool is_utf8(const char *s)
{
    for (size_t len = strlen(s); len > 0;) {
        size_t n = str_utf8(s, len, NULL);
        if (n == 0) {
            return false;
        }
        s += n;
        len -= n;
    }
    return true;
}

static int print_file(struct json_writer *w, const struct journal_file *f, struct err *e)
{
    char put[DIGEST_LEN + 1], put_before[DIGEST_LEN + 1];
    if (f->path[0] != '/' || !is_utf8(f->path)) {
        return err_set(e, ERR_INVALID, -EINVAL, "%s is not an absolute path in UTF-8", f->path);
    }
    snprintf(put, sizeof(put), "%016" PRIx64, f->put);
    snprintf(put_before, sizeof(put_before), "%016" PRIx64, f->put_before);
    json_object(w);
    json_field_str(w, "path", f->path);
    json_field_str(w, "before", states[f->before]);
    json_field_str(w, "good", states[f->good]);
    json_field_str(w, "put", put);
    json_field_str(w, "put_before", put_before);
    json_object_end(w);
    return 0;
}

static int print(struct buf *out, const struct journal *j, struct err *e)
{
    struct json_writer w;
    char since[CLOCK_TEXT_MAX];
    clock_format(j->since, since);
    json_begin(&w, out);
    json_object(&w);
    json_field_str(&w, "tidewaiter", "outputs");
    json_field_int(&w, "version", JOURNAL_VERSION);
    json_field_str(&w, "phase", phases[j->phase]);
    json_field_str(&w, "since", since);
    json_field_int(&w, "since_ms", (int64_t)j->since);
    json_field_int(&w, "owed_since_ms", (int64_t)j->owed_since);
    json_field_bool(&w, "keeps_good", j->keeps_good);
    json_key(&w, "files");
    json_array(&w);
    for (size_t i = 0; i < j->n; i++) {
        int r = print_file(&w, &j->files[i], e);
        if (r < 0) {
            return r;
        }
    }
    json_array_end(&w);
    json_object_end(&w);
    buf_putc(out, '\n');
    return buf_error(out) ? err_set(e, ERR_INVALID, -EMSGSIZE, "too many outputs") : 0;
}

int journal_stage(struct fs_staged *ret, const char *path, const struct journal *j, struct err *e)
{
    /* not the owner of the one in place: who replaces another's journal makes it his own */
    const struct fs_how how = {.mode = 0644,
                               .owner = geteuid(),
                               .group = FS_GROUP_KEEP,
                               .durable = true,
                               .no_links = true};
    struct buf text = BUF_INIT(JOURNAL_MAX);
    int r = print(&text, j, e);
    if (r == 0) {
        r = fs_stage_as(ret, path, buf_str(&text), text.len, &how, e);
    }
    buf_deinit(&text);
    return r;
}

int journal_write(const char *path, const struct journal *j, struct err *e)
{
    struct fs_staged staged = FS_STAGED_NULL;
    int r = journal_stage(&staged, path, j, e);
    if (r == 0) {
        staged.durable = false; /* below, where it counts whether that succeeds */
        r = fs_promote(&staged, e);
    }
    return r < 0 ? r : fs_flush_folder(path, e);
}

int journal_promote(struct fs_staged *staged, struct err *e)
{
    return fs_promote(staged, e);
}

int journal_remove(const char *path, struct err *e)
{
    if (unlink(path) < 0) {
        return errno == ENOENT ? 0 : fs_error(e, "remove", path, errno);
    }
    (void)!fs_flush_folder(path, NULL);
    return 0;
}

/* ---- reading ---- */

static bool find_word(const char *const *words, size_t n, const char *word, unsigned *ret)
{
    for (size_t i = 0; word && i < n; i++) {
        if (streq(words[i], word)) {
            *ret = (unsigned)i;
            return true;
        }
    }
    return false;
}

static bool parse_digest(const char *text, uint64_t *ret)
{
    uint64_t v = 0;
    if (!text || strlen(text) != DIGEST_LEN || strspn(text, "0123456789abcdef") != DIGEST_LEN) {
        return false;
    }
    for (; *text; text++) {
        v = v << 4 | (uint64_t)(*text <= '9' ? *text - '0' : *text - 'a' + 10);
    }
    *ret = v;
    return true;
}

static bool parse_file(struct journal_file *f, const json *j)
{
    unsigned before, good;
    const char *path = json_str(j, "path", NULL);
    if (!path || path[0] != '/' ||
        !find_word(states, ARRAY_LEN(states), json_str(j, "before", NULL), &before) ||
        !find_word(states, ARRAY_LEN(states), json_str(j, "good", NULL), &good) ||
        !parse_digest(json_str(j, "put", NULL), &f->put) ||
        !parse_digest(json_str(j, "put_before", NULL), &f->put_before)) {
        return false;
    }
    f->before = (enum copy_state)before;
    f->good = (enum copy_state)good;
    f->path = xstrdup(path);
    return true;
}

static bool parse_head(struct journal *ret, const json *j)
{
    unsigned phase;
    int64_t since = json_int(j, "since_ms", -1), owed = json_int(j, "owed_since_ms", -1);
    if (!streq(json_str(j, "tidewaiter", ""), "outputs") ||
        json_int(j, "version", 0) != JOURNAL_VERSION || since < 0 || owed < 0 ||
        !find_word(phases, ARRAY_LEN(phases), json_str(j, "phase", NULL), &phase) ||
        !json_is_array(json_get(j, "files"))) {
        return false;
    }
    ret->phase = (enum journal_phase)phase;
    ret->since = (msec_t)since;
    ret->owed_since = (msec_t)owed;
    ret->keeps_good = json_bool(j, "keeps_good", false);
    return true;
}

static int parse(struct journal *ret, const char *path, const struct buf *text, struct err *e)
{
    CLEANUP_JSON json *j = NULL;
    int r = json_parse(&j, buf_str(text), text->len, e);
    if (r < 0) {
        err_wrap(e, "%s", path);
        return r;
    }
    if (!parse_head(ret, j)) {
        return err_set(e, ERR_INVALID, -EINVAL, "%s: not a journal of version %d", path,
                       JOURNAL_VERSION);
    }
    const json *files = json_get(j, "files");
    ret->files = xcalloc(json_size(files) + 1, sizeof(ret->files[0]));
    for (const json *it = json_first(files); it; it = json_next(it)) {
        if (!parse_file(&ret->files[ret->n], it)) {
            r = err_set(e, ERR_INVALID, -EINVAL, "%s: file %zu of it is not understood", path,
                        ret->n + 1);
            journal_deinit(ret);
            return r;
        }
        ret->n++;
    }
    return 0;
}

int journal_read(struct journal *ret, const char *path, struct err *e)
{
    struct stat st;
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? JOURNAL_E_NONE : fs_error(e, "open", path, errno);
    }
    if (fstat(fd, &st) < 0) {
        return fs_error(e, "look at", path, errno);
    }
    if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0) ||
        (st.st_mode & 022) != 0) {
        return err_set(e, ERR_INVALID, -EINVAL, "%s: others may have written it", path);
    }
    struct buf text = BUF_INIT(JOURNAL_MAX);
    struct journal j = {0};
    int r = fs_read_fd(fd, path, &text, e);
    if (r == 0) {
        r = parse(&j, path, &text, e);
    }
    buf_deinit(&text);
    if (r == 0) {
        *ret = j;
    }
    return r;
}

void journal_deinit(struct journal *j)
{
    for (size_t i = 0; i < j->n; i++) {
        free(j->files[i].path);
    }
    free(j->files);
    *j = (struct journal){0};
}
