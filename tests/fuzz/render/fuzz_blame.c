/*
 * Whatever a judge says: what is found lies in it, and a line is blamed only where its text ends with the
 * place.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"
#include "render/blame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct blame_file files[] = {
        {{"/etc/nginx/conf.d/m-ours.conf", "/a in b:1/up", NULL}},
        {{NULL, NULL, "/etc/nginx/stream.d/m-ours.conf"}},
    };
    char *said = xmemdup0(data, size);
    size_t len = strlen(said), reason_len = SIZE_MAX, file = SIZE_MAX;
    const char *reason = blame_reason(said, &reason_len);
    must(reason_len <= len && !memchr(reason, '\n', reason_len));
    must(reason_len == 0 || (reason > said && reason + reason_len <= said + len));

    struct engine_blame b;
    if (blame_parse(said, files, ARRAY_LEN(files), &file, &b) < 0) {
        must(file == SIZE_MAX);
        free(said);
        return 0;
    }
    must(file < ARRAY_LEN(files) && reason_len > 0);
    must(b.kind == ENGINE_BLAME_LINE ? b.line > 0 && !b.name : b.name && b.name_len > 0);
    if (b.name) {
        must(b.name >= reason && b.name + b.name_len < reason + reason_len);
        must(b.name[-1] == '"' && b.name[b.name_len] == '"');
        must(!memchr(b.name, '"', b.name_len));
    }
    if (b.line > 0) {
        size_t digits = 0;
        while (digits < reason_len && reason[reason_len - digits - 1] >= '0' &&
               reason[reason_len - digits - 1] <= '9') {
            digits++;
        }
        must(digits > 0 && digits < reason_len && reason[reason_len - digits - 1] == ':');
        must(strtoull(reason + reason_len - digits, NULL, 10) == b.line);
        must(memmem(reason, reason_len, " in /", 5));
    }
    free(said);
    return 0;
}
