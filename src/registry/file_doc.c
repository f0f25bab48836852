/*
 * The document of the embedded registry.
 *
 * Happy path: the head is checked, then each record is read by the record codec into a table, which
 * sorts them. Writing embeds records that are encoded already, one on a line, so that a person can
 * read the file and diff two of them.
 *
 * Failure modes: what is no JSON, has another version, or a head that makes no sense, is refused as a
 * whole, because a reader that took it for an empty table would take every server out of service. A
 * record that cannot be read is left out alone.
 *
 * Not here: files, locks and times.
 */
#include "registry/file_doc.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "registry/record.h"

void file_doc_deinit(struct file_doc *doc)
{
    table_deinit(&doc->services);
}

static int read_head(struct file_doc *doc, const json *j, struct err *e)
{
    int64_t version = json_int(j, "version", 0), ttl = json_int(j, "ttl", 0);
    if (!json_is_object(j)) {
        return err_set(e, ERR_INVALID, -EINVAL, "not a table of services");
    }
    if (version != FILE_DOC_VERSION) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "a table of services of version %lld, this program knows version %d",
                       (long long)version, FILE_DOC_VERSION);
    }
    if (ttl < 1 || ttl > FILE_DOC_TTL_MAX) {
        return err_set(e, ERR_INVALID, -EINVAL, "\"ttl\" is not a number of seconds");
    }
    if (!json_is_array(json_get(j, "services"))) {
        return err_set(e, ERR_INVALID, -EINVAL, "\"services\" is not an array");
    }
    (void)str_copy(doc->node, sizeof(doc->node), json_str(j, "node", ""));
    doc->ttl_s = (unsigned)ttl;
    doc->revision = json_int(j, "revision", 0);
    return 0;
}

static void tell_skipped(const json *it, size_t index,
                         void (*skipped)(void *ctx, const char *key, const struct err *why),
                         void *ctx, const struct err *why)
{
    CLEANUP(buf_deinit) struct buf key = BUF_INIT(SERVICE_NAME_MAX + SERVICE_ID_MAX + 1);
    const char *name = json_str(it, "name", NULL), *id = json_str(it, "id", NULL);
    if (name && id) {
        buf_printf(&key, "%s/%s", name, id);
    }
    if (key.len == 0) {
        buf_reset(&key); /* without a name, or with one beyond all limits */
        buf_printf(&key, "services[%zu]", index);
    }
    skipped(ctx, buf_str(&key), why);
}

int file_doc_decode(struct file_doc *ret, const char *text, size_t len,
                    void (*skipped)(void *ctx, const char *key, const struct err *why), void *ctx,
                    struct err *e)
{
    CLEANUP_JSON json *j = NULL;
    CLEANUP(file_doc_deinit) struct file_doc doc = FILE_DOC_NULL;
    int r = record_text_check(text, len, e);
    if (r < 0) {
        return r;
    }
    r = json_parse(&j, text, len, e);
    if (r < 0) {
        return r;
    }
    r = read_head(&doc, j, e);
    if (r < 0) {
        return r;
    }
    size_t index = 0;
    for (const json *it = json_first(json_get(j, "services")); it; it = json_next(it), index++) {
        struct service *svc = NULL;
        struct err why = ERR_INIT;
        if (record_read(&svc, NULL, NULL, it, &why) == 0) {
            table_put(&doc.services, svc);
        } else if (skipped) {
            tell_skipped(it, index, skipped, ctx, &why);
        }
    }
    *ret = doc;
    doc = (struct file_doc)FILE_DOC_NULL;
    return 0;
}

void file_doc_begin(struct buf *out, const char *node, unsigned ttl_s, int64_t revision)
{
    struct json_writer w;
    json_begin(&w, out);
    json_object(&w);
    json_field_int(&w, "version", FILE_DOC_VERSION);
    json_field_str(&w, "node", node);
    json_field_int(&w, "ttl", ttl_s);
    json_field_int(&w, "revision", revision);
    json_key(&w, "services");
    buf_putc(out, '[');
}

void file_doc_add(struct buf *out, bool first, const char *record, size_t len)
{
    buf_puts(out, first ? "\n" : ",\n");
    buf_append(out, record, len);
}

void file_doc_end(struct buf *out)
{
    buf_puts(out, "\n]}\n");
}
