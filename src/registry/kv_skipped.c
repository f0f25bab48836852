/*
 * The set of unreadable records: key → digest of the content that was complained of, and the listing
 * that saw it last. It is as large as the number of unreadable records, no larger.
 */
#include "registry/kv_skipped.h"

#include "base/alloc.h"
#include "base/map.h"

#include <string.h>

struct kv_skipped_item {
    UT_hash_handle hh;
    uint64_t digest;
    unsigned listing;
    char key[];
};

static void drop(struct kv_skipped *s, struct kv_skipped_item *item)
{
    HASH_DEL(s->items, item);
    free(item);
}

void kv_skipped_deinit(struct kv_skipped *s)
{
    struct kv_skipped_item *item, *tmp;
    HASH_ITER (hh, s->items, item, tmp) {
        drop(s, item);
    }
}

static struct kv_skipped_item *find(const struct kv_skipped *s, const char *key, size_t len)
{
    struct kv_skipped_item *item;
    HASH_FIND(hh, s->items, key, len, item);
    return item;
}

bool kv_skipped_note(struct kv_skipped *s, const char *key, size_t len, uint64_t digest)
{
    struct kv_skipped_item *item = find(s, key, len);
    bool news = !item || item->digest != digest;
    if (!item) {
        item = xcalloc(1, sizeof(*item) + len + 1);
        memcpy(item->key, key, len);
        HASH_ADD(hh, s->items, key, len, item);
    }
    item->digest = digest;
    item->listing = s->listing;
    return news;
}

void kv_skipped_forget(struct kv_skipped *s, const char *key, size_t len)
{
    struct kv_skipped_item *item = find(s, key, len);
    if (item) {
        drop(s, item);
    }
}

void kv_skipped_begin(struct kv_skipped *s)
{
    s->listing++;
}

void kv_skipped_end(struct kv_skipped *s)
{
    struct kv_skipped_item *item, *tmp;
    HASH_ITER (hh, s->items, item, tmp) {
        if (item->listing != s->listing) {
            drop(s, item);
        }
    }
}
