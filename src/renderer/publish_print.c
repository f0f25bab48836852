/*
 * Happy path: runs that change nothing show what they would change: the bytes of stdout's one output, of
 * the files that would be written (--dry-run), or their differences (--diff).
 * Failure: a file that is there and cannot be read cannot be compared; nothing is printed then.
 * Not done: colours; diffs are for patch(1) and pagers too.
 */
#include "renderer/publish_internal.h"

#include "render/diff.h"
#include "renderer/output.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#define PRINT_MAX (SIZE_MAX / 4) /* what is printed has its own cap already */

static int add_diff(struct publish *p, size_t i, struct buf *out, struct err *e)
{
    struct buf live = BUF_INIT(PRINT_MAX);
    const char *path = outputs_path(p->outputs, i);
    int r = outputs_read(p->outputs, i, &live, e);
    if (r == -ENOENT) {
        err_reset(e);
        r = 0;
    }
    if (r == 0) {
        const struct diff_text from = {.label = path, .p = buf_str(&live), .len = live.len};
        const struct diff_text to = {.label = path, .p = p->bytes[i].p, .len = p->bytes[i].len};
        (void)diff_unified(out, &from, &to);
    }
    buf_deinit(&live);
    return r;
}

int publish_print(struct publish *p, struct err *e)
{
    struct buf out = BUF_INIT(PRINT_MAX);
    int n = 0, r = 0;
    for (size_t i = 0; i < p->n && r == 0; i++) {
        if (p->outputs && !outputs_differs(p->outputs, i)) {
            continue;
        }
        n++;
        if (p->c.diff) {
            r = add_diff(p, i, &out, e);
            continue;
        }
        if (p->n > 1) {
            buf_printf(&out, "==> %s <==\n", outputs_path(p->outputs, i));
        }
        buf_append(&out, p->bytes[i].p, p->bytes[i].len);
    }
    if (r == 0) {
        r = output_write(STDOUT_FILENO, buf_str(&out), out.len, e);
    }
    buf_deinit(&out);
    return r < 0 ? r : n;
}
