/*
 * Keys of the embedded registry in memory: a hash map for the single write, sorted when the whole is
 * encoded. Values are kept as encoded, so writing the file copies bytes and nothing else.
 *
 * A name has no '/', so the first one in a key ends it (service_new() sees to that).
 *
 * Not here: what a revision means, and the file.
 */
#include "registry/file_keys.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"
#include "registry/file_doc.h"

struct file_key *file_keys_find(const struct file_keys *k, const char *key)
{
    struct file_key *found = NULL;
    HASH_FIND(hh, k->by_key, key, strlen(key), found);
    return found;
}

void file_keys_put(struct file_keys *k, const char *key, const char *value, size_t len,
                   int64_t revision)
{
    struct file_key *at = file_keys_find(k, key);
    if (!at) {
        const char *slash = strchr(key, '/');
        size_t key_len = strlen(key);
        must(slash);
        at = xcalloc(1, sizeof(*at) + key_len + 1);
        memcpy(at->key, key, key_len + 1);
        at->name_len = (size_t)(slash - key);
        HASH_ADD_KEYPTR(hh, k->by_key, at->key, key_len, at);
    }
    free(at->value);
    at->value = xmemdup0(value, len);
    at->value_len = len;
    at->digest = hash64(value, len);
    at->revision = revision;
}

void file_keys_remove(struct file_keys *k, struct file_key *key)
{
    HASH_DEL(k->by_key, key);
    free(key->value);
    free(key);
}

void file_keys_deinit(struct file_keys *k)
{
    struct file_key *key, *next;
    HASH_ITER (hh, k->by_key, key, next) {
        file_keys_remove(k, key);
    }
}

size_t file_keys_count(const struct file_keys *k)
{
    return HASH_COUNT(k->by_key);
}

/* By name, then id: not the order of the keys as text, in which "a-b/x" comes before "a/x". */
static int compare(struct file_key *a, struct file_key *b)
{
    size_t shorter = a->name_len < b->name_len ? a->name_len : b->name_len;
    int c = memcmp(a->key, b->key, shorter);
    if (c == 0 && a->name_len != b->name_len) {
        c = a->name_len < b->name_len ? -1 : 1;
    }
    return c ? c : strcmp(a->key + a->name_len, b->key + b->name_len);
}

void file_keys_encode(struct file_keys *k, const char *node, unsigned ttl_s, int64_t revision,
                      struct buf *out)
{
    struct file_key *key, *next;
    HASH_SORT(k->by_key, compare);
    file_doc_begin(out, node, ttl_s, revision);
    HASH_ITER (hh, k->by_key, key, next) {
        file_doc_add(out, key == k->by_key, key->value, key->value_len);
    }
    file_doc_end(out);
}
