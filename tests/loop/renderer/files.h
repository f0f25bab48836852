#pragma once
/*
 * A folder of a test's own with outputs in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "lib/loop_test.h"
#include "renderer/outputs.h"

#define FILES_MAX 3

struct files {
    char *dir;
    char path[FILES_MAX][256];
    struct target_config c[FILES_MAX];
    size_t n;
    struct outputs_bytes bytes[FILES_MAX];
    bool keep_good;
    enum outputs_found found;
    struct outputs *o;
};

/* "<dir>/a/up.conf", "<dir>/b/up.conf", ...: folders are there, files are not. */
static inline void files_init(struct files *f, size_t n)
{
    *f = (struct files){.dir = loop_mkdir(), .n = n, .keep_good = true};
    for (size_t i = 0; i < n; i++) {
        snprintf(f->path[i], sizeof(f->path[i]), "%s/%c", f->dir, (char)('a' + i));
        assert_int_equal(mkdir(f->path[i], 0755), 0);
        strncat(f->path[i], "/up.conf", sizeof(f->path[i]) - strlen(f->path[i]) - 1);
        f->c[i] = (struct target_config){.path = f->path[i],
                                         .mode = FS_MODE_KEEP,
                                         .owner = TARGET_OWNER_KEEP,
                                         .group = TARGET_GROUP_KEEP};
    }
}

static inline void files_deinit(struct files *f)
{
    f->o = outputs_free(f->o);
    loop_rmdir(f->dir);
}

static inline void files_start(struct files *f)
{
    struct err e = ERR_INIT;
    f->o = outputs_free(f->o);
    if (outputs_new(&f->o, f->c, f->n, f->keep_good, true, &f->found, &e) < 0) {
        fail_msg("outputs_new: %s", e.msg);
    }
}

static inline void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

/* NULL when there is no such file; one result at a time. */
static inline const char *get(const char *path)
{
    static char text[1u << 16];
    struct buf b = BUF_INIT(sizeof(text) - 1);
    struct err e = ERR_INIT;
    int r = fs_read(path, &b, &e);
    if (r < 0 && r != -ENOENT) {
        fail_msg("%s", e.msg);
    }
    memcpy(text, buf_str(&b), b.len + 1);
    buf_deinit(&b);
    return r < 0 ? NULL : text;
}

static inline bool holds(const char *path, const char *want)
{
    const char *got = get(path);
    return want ? got && strcmp(got, want) == 0 : !got;
}

/* want NULL: there is none. */
static inline void expect(const char *path, const char *want)
{
    if (!holds(path, want)) {
        const char *got = get(path);
        fail_msg("%s holds \"%.80s\", not \"%.80s\"", path, got ? got : "(none)",
                 want ? want : "(none)");
    }
}

/* "<path's folder>/.<base><suffix>"; one result at a time. */
static inline const char *beside(const char *path, const char *suffix)
{
    static char text[512];
    CLEANUP_FREE char *made = fs_beside(path, suffix);
    snprintf(text, sizeof(text), "%s", made);
    return text;
}

static inline void files_want(struct files *f, const char *const *texts)
{
    for (size_t i = 0; i < f->n; i++) {
        f->bytes[i] = (struct outputs_bytes){.p = texts[i], .len = strlen(texts[i])};
    }
}

/* Stages; returns how many files differ. */
static inline size_t files_stage(struct files *f, const char *const *texts)
{
    struct err e = ERR_INIT;
    uint64_t digest;
    files_want(f, texts);
    size_t n = outputs_compare(f->o, f->bytes, &digest);
    if (outputs_stage(f->o, &e) < 0) {
        fail_msg("stage: %s", e.msg);
    }
    return n;
}

static inline void files_swap(struct files *f, const char *const *texts, enum outputs_phase to)
{
    struct err e = ERR_INIT;
    (void)files_stage(f, texts);
    if (outputs_swap(f->o, to, &e) < 0) {
        fail_msg("swap: %s", e.msg);
    }
    assert_int_equal(outputs_phase(f->o), to);
}

static inline void files_checked(struct files *f, bool owed)
{
    struct err e = ERR_INIT;
    if (outputs_checked(f->o, owed, &e) < 0) {
        fail_msg("checked: %s", e.msg);
    }
}

static inline void expect_all(const struct files *f, const char *const *texts)
{
    for (size_t i = 0; i < f->n; i++) {
        expect(f->path[i], texts[i]);
    }
}

/* How many names hold `part` in the folder of path. */
static inline size_t names_with(const char *path, const char *part)
{
    char folder[256];
    size_t n = 0;
    snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *ent; (ent = readdir(dir)) != NULL;) {
        n += strstr(ent->d_name, part) != NULL;
    }
    closedir(dir);
    return n;
}

static inline void expect_no_leftovers(const struct files *f)
{
    for (size_t i = 0; i < f->n; i++) {
        if (names_with(f->path[i], ".tw-") > names_with(f->path[i], ".tw-lock")) {
            char command[300];
            snprintf(command, sizeof(command), "ls -la '%s'/*", f->dir);
            (void)!system(command);
            fail_msg("something is left beside %s", f->path[i]);
        }
    }
}

static inline size_t notes(struct files *f, const char *part)
{
    struct err e;
    size_t n = 0;
    while (outputs_note(f->o, &e)) {
        n += strstr(e.msg, part) != NULL;
    }
    return n;
}
