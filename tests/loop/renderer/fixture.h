#pragma once
/*
 * A renderer between a registry in memory and a folder of its own, with everything it logs in a file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/log.h"
#include "io/timer.h"
#include "lib/fake_nginx.h"
#include "lib/fake_registry.h"
#include "lib/loop_test.h"
#include "lib/mount_rights.h"
#include "renderer/command.h"
#include "renderer/renderer.h"

struct fixture {
    struct io *io;
    char *dir;
    char file[256]; /* the output */
    char log[256];
    int log_fd;
    struct fake_registry registry;
    struct renderer_output outputs[2]; /* the second is there when o.n_outputs says so */
    char stream_file[256];
    struct renderer_options o;
    struct renderer *r;
    bool done;
    int exit_status;
    struct command check, reload;
};

/* In a folder that another fixture owns. */
static inline void fixture_init_at(struct fixture *f, char *dir)
{
    *f = (struct fixture){.io = loop_open(), .dir = dir};
    snprintf(f->file, sizeof(f->file), "%s/up.conf", f->dir);
    snprintf(f->log, sizeof(f->log), "%s/log", f->dir);
    f->log_fd = open(f->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(f->log_fd >= 0);
    log_set_fd(f->log_fd);
    log_setup(LOG_DEBUG, LOG_TEXT);
    fake_registry_init(&f->registry, f->io);
    snprintf(f->stream_file, sizeof(f->stream_file), "%s/stream.conf", f->dir);
    const struct target_config as_is = {
        .mode = FS_MODE_KEEP, .owner = TARGET_OWNER_KEEP, .group = TARGET_GROUP_KEEP};
    f->outputs[0] = (struct renderer_output){.context = NGINX_HTTP, .file = as_is};
    f->outputs[0].file.path = f->file;
    f->outputs[1] = (struct renderer_output){.context = NGINX_STREAM, .file = as_is};
    f->outputs[1].file.path = f->stream_file;
    f->o = (struct renderer_options){
        .driver = &fake_registry_driver,
        .uri = fake_registry_uri(&f->registry),
        .outputs = f->outputs,
        .n_outputs = 1,
        .hold = 10000,
        .max_drop = 100,
        .old_workers = 32,
    };
    mount_rights(false);
}

static inline void fixture_init(struct fixture *f)
{
    fixture_init_at(f, loop_mkdir());
}

static inline void fixture_on_done(void *ctx, int exit_status)
{
    struct fixture *f = ctx;
    assert_false(f->done);
    f->done = true;
    f->exit_status = exit_status;
}

static inline void fixture_start(struct fixture *f)
{
    struct err e = ERR_INIT;
    f->done = false;
    if (renderer_new(&f->r, f->io, &f->o, fixture_on_done, f, &e) < 0) {
        fail_msg("renderer_new: %s", e.msg);
    }
}

/* Until it has ended by itself. */
static inline void fixture_end(struct fixture *f, int exit_status)
{
    loop_until_ms(f->io, 20000, f->done);
    assert_int_equal(f->exit_status, exit_status);
    f->r = renderer_free(f->r);
}

static inline void fixture_stop(struct fixture *f)
{
    renderer_stop(f->r);
    fixture_end(f, 0);
}

static inline void fixture_deinit(struct fixture *f)
{
    if (f->r) {
        fixture_stop(f);
    }
    fake_registry_deinit(&f->registry);
    command_deinit(&f->check);
    command_deinit(&f->reload);
    mount_rights(true);
    loop_close(f->io);
    log_set_fd(STDERR_FILENO);
    close(f->log_fd);
    loop_rmdir(f->dir);
}

/* "<dir>/<name>"; one result at a time. */
static inline const char *in_dir(const struct fixture *f, const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    return path;
}

static inline bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static inline void put_file(const char *path, const char *text)
{
    assert_int_equal(fs_replace(path, text, strlen(text), FS_MODE_KEEP, false, NULL), 0);
}

static inline void fixture_on_tick(struct io_timer *t)
{
    io_timer_start(t->io, t, 10, fixture_on_tick);
}

/* Until a command has made the file: nothing wakes the loop then, so a timer does. */
static inline void until_exists(struct fixture *f, const char *path)
{
    struct io_timer tick = {0};
    io_timer_start(f->io, &tick, 0, fixture_on_tick);
    loop_until(f->io, exists(path));
    io_timer_stop(&tick);
}

/* How often text is in the file; 0 when there is none. */
static inline size_t count_in(const char *path, const char *text)
{
    struct buf b = BUF_INIT(16u << 20);
    size_t n = 0;
    if (fs_read(path, &b, NULL) == 0) {
        for (const char *p = buf_str(&b); (p = strstr(p, text)) != NULL; p += strlen(text)) {
            n++;
        }
    }
    buf_deinit(&b);
    return n;
}

static inline void assert_log(const struct fixture *f, const char *text, size_t times)
{
    size_t n = count_in(f->log, text);
    if (n != times) {
        struct buf b = BUF_INIT(16u << 20);
        assert_int_equal(fs_read(f->log, &b, NULL), 0);
        fail_msg("\"%s\" is %zu times, not %zu times in\n%s", text, n, times, buf_str(&b));
    }
}

/* Passes that have begun and ended. */
static inline size_t passes(const struct fixture *f)
{
    return count_in(f->log, "to=idle");
}

static inline size_t reloads(const struct fixture *f)
{
    return count_in(in_dir(f, "reloads"), "r\n");
}

static inline void fixture_command(struct fixture *f, struct command *c, const char *before,
                                   const char *command)
{
    struct buf text = BUF_INIT(4096);
    struct err e = ERR_INIT;
    buf_printf(&text, "cd '%s' && %s%s", f->dir, before, command);
    command_deinit(c);
    if (command_parse(c, buf_str(&text), &e) < 0) {
        fail_msg("%s", e.msg);
    }
    buf_deinit(&text);
}

/* reload writes a line, then succeeds when `then` does. */
static inline void fixture_reload(struct fixture *f, const char *then)
{
    fixture_command(f, &f->reload, "echo r >> reloads && ", then);
    f->o.reload = &f->reload;
}

static inline void fixture_check(struct fixture *f, const char *command)
{
    fixture_command(f, &f->check, "", command);
    f->o.check = &f->check;
}

static inline void assert_file(const struct fixture *f, const char *text, bool there)
{
    size_t n = count_in(f->file, text);
    if ((n > 0) != there) {
        struct buf b = BUF_INIT(16u << 20);
        (void)!fs_read(f->file, &b, NULL);
        fail_msg("\"%s\" is %zu times in\n%s", text, n, buf_str(&b));
    }
}

/* Nothing is left in the folder but what the test knows. */
static inline void assert_no_leftovers(const struct fixture *f)
{
    char command[512];
    snprintf(command, sizeof(command), "ls -A '%s' | grep -v '\\.tw-lock$' | grep -q '\\.tw-'",
             f->dir);
    assert_int_not_equal(system(command), 0);
}

/* The state dump holds the text. */
static inline void assert_state(const struct fixture *f, const char *text)
{
    struct buf json = BUF_INIT(65536);
    renderer_describe(f->r, &json);
    if (!strstr(buf_str(&json), text)) {
        fail_msg("no %s in %s", text, buf_str(&json));
    }
    buf_deinit(&json);
}
