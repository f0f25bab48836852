/*
 * Any bytes as configuration file are either refused with their place, or give settings whose print, read
 * as a file, gives the same settings.
 */
#include "base/must.h"
#include "config/agent_settings.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Loads bytes as the file. */
static int load(struct agent_settings *ret, const void *data, size_t len, struct err *e)
{
    static char *const none[] = {NULL};
    int fd = memfd_create("config", MFD_CLOEXEC);
    must(fd >= 0 && write(fd, data, len) == (ssize_t)len);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    const struct options_input input = {.argv = none, .envp = none, .default_file = path};
    int r = agent_settings_load(ret, &input, e);
    close(fd);
    return r;
}

/* Settings → print → settings; the print of the latter goes to out. */
static void show_and_load(const struct agent_settings *s, struct agent_settings *ret,
                          struct buf *out)
{
    struct buf text;
    buf_init(&text, 64u * 1024 * 1024);
    options_show(&s->base, &text);
    must(buf_error(&text) == 0);
    must(load(ret, buf_str(&text), text.len, NULL) == 0);
    options_show(&ret->base, out);
    buf_deinit(&text);
}

/* Equal, or hidden because it may hold a password. */
static bool same(const char *a, const char *b)
{
    return a && b ? strstr(a, "://") || strcmp(a, b) == 0 : !a == !b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct agent_settings first, second, third;
    struct err e = ERR_INIT;
    if (size > 65536) {
        return 0;
    }
    if (load(&first, data, size, &e) < 0) {
        must(*e.msg);
        return 0;
    }
    struct buf again, once_more;
    buf_init(&again, 64u * 1024 * 1024);
    buf_init(&once_more, 64u * 1024 * 1024);
    show_and_load(&first, &second, &again);
    must(same(first.mapping.node, second.mapping.node));
    must(same(first.mapping.tags, second.mapping.tags));
    must(first.ttl == second.ttl && first.drain == second.drain);
    must(first.mapping.filter.n == second.mapping.filter.n);
    for (size_t i = 0; i < first.mapping.filter.n; i++) {
        must(same(first.mapping.filter.items[i], second.mapping.filter.items[i]));
    }
    show_and_load(&second, &third, &once_more);
    must(again.len == once_more.len && memcmp(again.data, once_more.data, again.len) == 0);
    buf_deinit(&again);
    buf_deinit(&once_more);
    options_deinit(&first.base);
    options_deinit(&second.base);
    options_deinit(&third.base);
    return 0;
}
