/*
 * Keys of the SkyDNS layout: names and ids as DNS labels.
 *
 * Happy path: a name's labels are written last to first, each made fit for DNS, then the id as one more.
 * Reading takes the labels as they are, whoever wrote them, and only turns their order back.
 * Failure: what would lie where CoreDNS looks for the zone's own records is refused; a key of another
 * shape is classified. A changed name cannot be turned back: readers see "my-app" for "my_app".
 */
#include "registry/skydns_codec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/str.h"

#define HASH_DIGITS 8
#define HASHED_MAX  (SKYDNS_LABEL_MAX - 1 - HASH_DIGITS) /* what is left beside a hash */

struct label {
    char text[SKYDNS_LABEL_MAX];
    size_t len;
    bool changed; /* more than ':' to '-' */
    bool cut;
};

static bool is_ldh(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static void label_trim(struct label *l)
{
    while (l->len > 0 && l->text[l->len - 1] == '-') {
        l->len--;
        l->changed = true;
    }
}

static void label_make(struct label *l, const char *text, size_t len)
{
    *l = (struct label){.len = 0};
    for (size_t i = 0; i < len; i++) {
        char c = str_lower_char(text[i]);
        if (!is_ldh(c)) {
            c = '-';
        }
        l->changed |= c != text[i] && text[i] != ':';
        if (c == '-' && l->len == 0) {
            l->changed = true; /* no label begins with it */
        } else if (l->len == SKYDNS_LABEL_MAX) {
            l->cut = true;
        } else {
            l->text[l->len++] = c;
        }
    }
    label_trim(l);
}

static void label_write(struct buf *out, const char *text, size_t len, bool distinct)
{
    struct label l;
    label_make(&l, text, len);
    bool hashed = l.len == 0 || l.cut || (distinct && l.changed);
    if (hashed && l.len > HASHED_MAX) {
        l.len = HASHED_MAX;
        label_trim(&l);
    }
    buf_append(out, l.text, l.len);
    if (hashed) {
        uint64_t hash = hash64(text, len);
        buf_printf(out, "%s%08" PRIx32, l.len > 0 ? "-" : "", (uint32_t)(hash ^ hash >> 32));
    }
}

void skydns_id_label(struct buf *out, const char *id, size_t len)
{
    label_write(out, id, len, true);
}

static bool label_begins(const char *text, const struct label *l)
{
    return l->len > 0 && strncmp(text, l->text, l->len) == 0 && text[l->len] == '-';
}

bool skydns_id_of_host(const char *label, const char *host)
{
    struct label l;
    label_make(&l, host, strlen(host));
    if (label_begins(label, &l)) {
        return true;
    }
    if (l.len <= HASHED_MAX) {
        return false;
    }
    l.len = HASHED_MAX; /* nothing else of the id was left beside the hash */
    label_trim(&l);
    return label_begins(label, &l);
}

int skydns_key_write(const char *name, const char *id, struct buf *out, struct err *e)
{
    size_t before = out->len;
    for (size_t end = strlen(name); end > 0;) {
        size_t start = end;
        while (start > 0 && name[start - 1] != '.') {
            start--;
        }
        if (end > start) { /* no empty labels */
            label_write(out, name + start, end - start, false);
            buf_putc(out, '/');
        }
        end = start > 0 ? start - 1 : 0;
    }
    skydns_id_label(out, id, strlen(id));
    char n[SERVICE_NAME_MAX + 1], i[SERVICE_ID_MAX + 1];
    if (!buf_error(out) &&
        skydns_key_parse(out->data + before, out->len - before, n, i) != SKYDNS_KEY_SERVICE) {
        return err_set(
            e, ERR_INVALID, -EINVAL,
            "CoreDNS keeps dns/ns and dns/apex for the zone itself: %s of service %s needs "
            "another SERVICE_NAME or SERVICE_ID",
            id, name);
    }
    return 0;
}

/* ---- reading ---- */

static bool is_label(const char *at, size_t len, const char *text)
{
    return len == strlen(text) && memcmp(at, text, len) == 0;
}

/* dns/ns and dns/apex, and all below. */
static bool of_zone(const char *path, size_t len)
{
    const char *slash = memchr(path, '/', len);
    if (!slash) {
        return true;
    }
    if (!is_label(path, (size_t)(slash - path), "dns")) {
        return false;
    }
    const char *second = slash + 1, *end = path + len;
    const char *next = memchr(second, '/', (size_t)(end - second));
    size_t n = (size_t)((next ? next : end) - second);
    return is_label(second, n, "ns") || is_label(second, n, "apex");
}

/* No label is empty, and those of the name have no dot: "b/a" and "a.b" would be one name. */
static bool shape_ok(const char *path, size_t len)
{
    const char *last = memrchr(path, '/', len);
    if (len == 0 || path[0] == '/' || path[len - 1] == '/' || !str_printable(path, len) ||
        memmem(path, len, "//", 2)) {
        return false;
    }
    return !last || !memchr(path, '.', (size_t)(last - path));
}

enum skydns_key_kind skydns_key_parse(const char *path, size_t len,
                                      char ret_name[SERVICE_NAME_MAX + 1],
                                      char ret_id[SERVICE_ID_MAX + 1])
{
    if (!shape_ok(path, len)) {
        return SKYDNS_KEY_OTHER;
    }
    if (of_zone(path, len)) {
        return SKYDNS_KEY_ZONE;
    }
    const char *slash = memrchr(path, '/', len);
    size_t name_len = (size_t)(slash - path), id_len = len - name_len - 1;
    if (name_len > SERVICE_NAME_MAX || id_len > SERVICE_ID_MAX) {
        return SKYDNS_KEY_OTHER;
    }
    char *to = ret_name;
    for (size_t end = name_len; end > 0;) {
        size_t start = end;
        while (start > 0 && path[start - 1] != '/') {
            start--;
        }
        if (to != ret_name) {
            *to++ = '.';
        }
        memcpy(to, path + start, end - start);
        to += end - start;
        end = start > 0 ? start - 1 : 0;
    }
    *to = '\0';
    memcpy(ret_id, slash + 1, id_len);
    ret_id[id_len] = '\0';
    return SKYDNS_KEY_SERVICE;
}
