/*
 * Happy path: {{.src}} becomes the path, as it does in confd.
 * Failure: none. A path of ordinary characters goes in as it is, so that commands which put quotes of
 * their own around {{.src}} work; any other is quoted so that the shell sees one word.
 * Not done: any other template action; the rest of the command is the shell's.
 */
#include "renderer/command.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <stdint.h>
#include <string.h>

/* what the kernel takes as an argument is far less, and it says so itself */
#define COMMAND_MAX (SIZE_MAX / 4)

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

bool command_names_src(const char *command)
{
    const char *end;
    return find_src(command, &end) != NULL;
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

char *command_with_src(const char *command, const char *src)
{
    struct buf out = BUF_INIT(COMMAND_MAX);
    const char *end;
    for (const char *at; (at = find_src(command, &end)) != NULL; command = end) {
        buf_append(&out, command, (size_t)(at - command));
        put_quoted(&out, src);
    }
    buf_puts(&out, command);
    return buf_take(&out);
}
