/*
 * Happy path: the text is kept, and an argument vector made from it once; {{.src}} is replaced each time
 * that the command is about to run, as it does in confd.
 * Failure: an array that is not one of strings is refused at start. For the shell, a path of ordinary
 * characters goes in as it is, so that commands which put quotes of their own around {{.src}} work; any
 * other is quoted so that the shell sees one word.
 * Not done: any other template action; the rest of the command is the shell's. `[ -f x ]` with its blank
 * is the shell's too.
 */
#include "renderer/command.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/must.h"
#include "base/str.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* what the kernel takes as an argument is far less, and it says so itself */
#define COMMAND_MAX (SIZE_MAX / 4)

static char **vector_from(const json *array, const char *text, struct err *e)
{
    char **argv = xcalloc(json_size(array) + 1, sizeof(*argv));
    size_t n = 0;
    for (const json *it = json_first(array); it; it = json_next(it)) {
        const char *word = json_value(it);
        if (!word) {
            (void)err_set(e, ERR_INVALID, -EINVAL,
                          "%s: an array of strings is wanted, element %zu is none", text, n + 1);
            return command_argv_free(argv);
        }
        argv[n++] = xstrdup(word);
    }
    if (n == 0 || *argv[0] == '\0') {
        (void)err_set(e, ERR_INVALID, -EINVAL, "%s: the array names no program", text);
        return command_argv_free(argv);
    }
    return argv;
}

static char **shell_vector(const char *text)
{
    char **argv = xcalloc(4, sizeof(*argv));
    argv[0] = xstrdup("/bin/sh");
    argv[1] = xstrdup("-c");
    argv[2] = xstrdup(text);
    return argv;
}

int command_parse(struct command *ret, const char *text, struct err *e)
{
    bool shell = !str_starts(text, "[\"");
    char **argv = NULL;
    if (text[strspn(text, " \t\n")] == '\0') {
        return err_set(e, ERR_INVALID, -EINVAL, "the command is empty");
    }
    if (shell) {
        argv = shell_vector(text);
    } else {
        CLEANUP_JSON json *array = NULL;
        if (strstr(text, "\\u0000")) {
            return err_set(e, ERR_INVALID, -EINVAL, "%s: an argument cannot hold a NUL", text);
        }
        int r = json_parse(&array, text, strlen(text), e);
        if (r < 0) {
            return r;
        }
        argv = vector_from(array, text, e);
        if (!argv) {
            return -EINVAL;
        }
    }
    *ret = (struct command){.text = xstrdup(text), .argv = argv, .shell = shell};
    return 0;
}

void command_deinit(struct command *c)
{
    free(c->text);
    command_argv_free(c->argv);
    *c = (struct command)COMMAND_NULL;
}

/* The first {{.src}} at or behind s; its end in *ret_end. NULL: none. */
static const char *find_src(const char *s, const char **ret_end)
{
    while ((s = strstr(s, "{{")) != NULL) {
        const char *p = s + 2 + strspn(s + 2, " \t");
        if (strncmp(p, ".src", 4) == 0) {
            p += 4;
            p += strspn(p, " \t");
            if (strncmp(p, "}}", 2) == 0) {
                *ret_end = p + 2;
                return s;
            }
        }
        s++;
    }
    return NULL;
}

bool command_names_src(const struct command *c)
{
    const char *end;
    for (char *const *word = c->argv; *word; word++) {
        if (find_src(*word, &end)) {
            return true;
        }
    }
    return false;
}

static void put_quoted(struct buf *out, const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._-+,:=@%";
    if (path[strspn(path, plain)] == '\0') {
        buf_puts(out, path);
        return;
    }
    buf_putc(out, '\'');
    for (; *path; path++) {
        if (*path == '\'') {
            buf_puts(out, "'\\''");
        } else {
            buf_putc(out, *path);
        }
    }
    buf_putc(out, '\'');
}

static char *with_src(const char *word, const char *src, bool shell)
{
    struct buf out = BUF_INIT(COMMAND_MAX);
    const char *end;
    for (const char *at; (at = find_src(word, &end)) != NULL; word = end) {
        must(src);
        buf_append(&out, word, (size_t)(at - word));
        if (shell) {
            put_quoted(&out, src);
        } else {
            buf_puts(&out, src);
        }
    }
    buf_puts(&out, word);
    return buf_take(&out);
}

char **command_argv(const struct command *c, const char *src)
{
    size_t n = 0;
    while (c->argv[n]) {
        n++;
    }
    char **argv = xcalloc(n + 1, sizeof(*argv));
    for (size_t i = 0; i < n; i++) {
        argv[i] = with_src(c->argv[i], src, c->shell);
    }
    return argv;
}

char **command_argv_free(char **argv)
{
    for (char **word = argv; word && *word; word++) {
        free(*word);
    }
    free(argv);
    return NULL;
}
