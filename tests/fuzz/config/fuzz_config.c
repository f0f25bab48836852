/*
 * Any bytes as configuration file are either refused with their place, or give settings whose print, read
 * as a file, gives the same settings.
 */
#include "base/alloc.h"
#include "base/must.h"
#include "config/agent_settings.h"
#include "config/render_settings.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Loads bytes as the file; ret: the command's settings. */
static int load(const struct options_command *command, struct options_base *ret, const void *data,
                size_t len, struct err *e)
{
    static char *const none[] = {NULL};
    int fd = memfd_create("config", MFD_CLOEXEC);
    must(fd >= 0 && write(fd, data, len) == (ssize_t)len);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    const struct options_input input = {.argv = none, .envp = none, .default_file = path};
    int r = options_load(command, &input, ret, e);
    close(fd);
    return r;
}

/* Settings → print → settings; the print of the latter goes to out. */
static void show_and_load(const struct options_base *s, struct options_base *ret, struct buf *out)
{
    struct buf text;
    buf_init(&text, 64u * 1024 * 1024);
    options_show(s, &text);
    must(buf_error(&text) == 0);
    must(load(s->command, ret, buf_str(&text), text.len, NULL) == 0);
    options_show(ret, out);
    buf_deinit(&text);
}

/* Equal, or hidden because it may hold a password. */
static bool same(const char *a, const char *b)
{
    return a && b ? strstr(a, "://") || strcmp(a, b) == 0 : !a == !b;
}

static void same_agent(const struct options_base *a, const struct options_base *b)
{
    const struct agent_settings *first = container_of(a, struct agent_settings, base);
    const struct agent_settings *second = container_of(b, struct agent_settings, base);
    must(same(first->mapping.node, second->mapping.node));
    must(same(first->mapping.tags, second->mapping.tags));
    must(first->ttl == second->ttl && first->drain == second->drain);
    must(first->mapping.filter.n == second->mapping.filter.n);
    for (size_t i = 0; i < first->mapping.filter.n; i++) {
        must(same(first->mapping.filter.items[i], second->mapping.filter.items[i]));
    }
}

static bool is_vector(const char *command)
{
    return command && strncmp(command, "[\"", 2) == 0;
}

static void same_command(const char *a, const char *b)
{
    must(is_vector(a) == is_vector(b));
    /* the blanks of a vector that was given as text are not kept */
    must(is_vector(a) || same(a, b));
}

static void same_render(const struct options_base *a, const struct options_base *b)
{
    const struct render_settings *first = container_of(a, struct render_settings, base);
    const struct render_settings *second = container_of(b, struct render_settings, base);
    same_command(first->check, second->check);
    same_command(first->reload, second->reload);
    must(same(first->output, second->output) && same(first->nginx, second->nginx));
    must(first->uid == second->uid && first->gid == second->gid);
    must(first->max_drop == second->max_drop && first->wait.max == second->wait.max);
}

static void round_trip(const struct options_command *command,
                       void (*compare)(const struct options_base *a, const struct options_base *b),
                       const uint8_t *data, size_t size)
{
    struct options_base *settings[3];
    struct err e = ERR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        settings[i] = xcalloc(1, command->settings_size);
    }
    struct buf again, once_more;
    buf_init(&again, 64u * 1024 * 1024);
    buf_init(&once_more, 64u * 1024 * 1024);
    if (load(command, settings[0], data, size, &e) == 0) {
        show_and_load(settings[0], settings[1], &again);
        compare(settings[0], settings[1]);
        show_and_load(settings[1], settings[2], &once_more);
        must(again.len == once_more.len && memcmp(again.data, once_more.data, again.len) == 0);
    } else {
        must(*e.msg);
    }
    buf_deinit(&again);
    buf_deinit(&once_more);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        options_deinit(settings[i]);
        free(settings[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= 65536) {
        round_trip(&agent_command, same_agent, data, size);
        round_trip(&render_command, same_render, data, size);
    }
    return 0;
}
