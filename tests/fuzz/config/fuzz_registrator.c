/*
 * Any command line, one argument a line, is refused with a reason, or gives settings that hold what was
 * promised of them and that, written out in full, are read as the same again.
 */
#include "base/alloc.h"
#include "base/must.h"
#include "config/registrator_settings.h"

#include <stdint.h>
#include <string.h>

#define ARGS_MAX 64

static char *const no_variables[] = {NULL};

static int load(struct registrator_settings *ret, int argc, char *const *argv, struct err *e)
{
    const struct options_input input = {.argc = argc, .argv = argv, .envp = no_variables};
    return registrator_settings_load(ret, &input, e);
}

static void check(const struct registrator_settings *s)
{
    const struct registrator_flags *f = &s->flags;
    must(s->registry.uri && *s->registry.uri);
    must(f->retry_interval > 0);
    must((f->ttl == 0 && f->ttl_refresh == 0) || (f->ttl_refresh > 0 && f->ttl > f->ttl_refresh));
    must(strcmp(f->deregister, "always") == 0 || strcmp(f->deregister, "on-success") == 0);
}

static void put_text(struct buf *out, const char *flag, const char *value)
{
    buf_printf(out, "%s=%s", flag, value);
    buf_putc(out, '\0');
}

static void put_number(struct buf *out, const char *flag, int64_t value)
{
    buf_printf(out, "%s=%lld", flag, (long long)value);
    buf_putc(out, '\0');
}

/* The words of text, each with its terminator, as arguments. */
static int split(char *text, size_t len, char **argv)
{
    int argc = 0;
    for (char *at = text; at < text + len && argc < ARGS_MAX; at += strlen(at) + 1) {
        argv[argc++] = at;
    }
    return argc;
}

static void read_again(const struct registrator_settings *first)
{
    const struct registrator_flags *f = &first->flags;
    struct registrator_settings second;
    struct err e = ERR_INIT;
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(1024u * 1024);
    put_text(&out, "-ip", f->ip);
    put_text(&out, "--internal", f->internal ? "t" : "F");
    put_text(&out, "-explicit", f->explicit_only ? "1" : "0");
    put_text(&out, "-cleanup", f->cleanup ? "True" : "false");
    put_text(&out, "-useIpFromLabel", f->ip_label);
    put_text(&out, "-tags", f->tags);
    put_number(&out, "-ttl", f->ttl);
    put_number(&out, "--ttl-refresh", f->ttl_refresh);
    put_number(&out, "-resync", f->resync);
    put_number(&out, "-retry-attempts", f->retry_attempts);
    put_number(&out, "-retry-interval", f->retry_interval);
    put_text(&out, "-deregister", f->deregister);
    buf_append(&out, "--", sizeof("--"));
    buf_append(&out, first->registry.uri, strlen(first->registry.uri) + 1);
    must(buf_error(&out) == 0);
    char *argv[ARGS_MAX];
    must(load(&second, split(out.data, out.len, argv), argv, &e) == 0);
    const struct registrator_flags *g = &second.flags;
    must(strcmp(f->ip, g->ip) == 0 && strcmp(f->ip_label, g->ip_label) == 0 &&
         strcmp(f->tags, g->tags) == 0 && strcmp(f->deregister, g->deregister) == 0);
    must(f->internal == g->internal && f->explicit_only == g->explicit_only &&
         f->cleanup == g->cleanup);
    must(f->ttl == g->ttl && f->ttl_refresh == g->ttl_refresh && f->resync == g->resync &&
         f->retry_attempts == g->retry_attempts && f->retry_interval == g->retry_interval);
    must(strcmp(first->registry.uri, second.registry.uri) == 0);
    options_deinit(&second.base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 65536) {
        return 0;
    }
    CLEANUP_FREE char *text = xmemdup0(data, size);
    for (size_t i = 0; i < size; i++) {
        text[i] = text[i] == '\n' ? '\0' : text[i];
    }
    char *argv[ARGS_MAX];
    int argc = split(text, size, argv);
    struct registrator_settings s;
    struct err e = ERR_INIT;
    int r = load(&s, argc, argv, &e);
    must(r <= 0 ? r == 0 || *e.msg : r != REGISTRATOR_E_USAGE || *e.msg);
    if (r == 0) {
        check(&s);
        read_again(&s);
        options_deinit(&s.base);
    }
    return 0;
}
