/*
 * The set of unreadable records: key → digest of the content that was complained of, and the listing
 * that saw it last. It is as large as the number of unreadable records, no larger.
 */
#include "registry/etcd_skipped.h"

#include "base/alloc.h"
#include "base/map.h"

#include <string.h>

struct etcd_skipped_item {
    UT_hash_handle hh;
    uint64_t digest;
    unsigned listing;
    char key[];
};

static void drop(struct etcd_skipped *s, struct etcd_skipped_item *item)
{
    HASH_DEL(s->items, item);
    free(item);
}

void etcd_skipped_deinit(struct etcd_skipped *s)
{
    struct etcd_skipped_item *item, *tmp;
    HASH_ITER (hh, s->items, item, tmp) {
        drop(s, item);
    }
}

static struct etcd_skipped_item *find(const struct etcd_skipped *s, const char *key, size_t len)
{
    struct etcd_skipped_item *item;
    HASH_FIND(hh, s->items, key, len, item);
    return item;
}

bool etcd_skipped_note(struct etcd_skipped *s, const char *key, size_t len, uint64_t digest)
{
    struct etcd_skipped_item *item = find(s, key, len);
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

void etcd_skipped_forget(struct etcd_skipped *s, const char *key, size_t len)
{
    struct etcd_skipped_item *item = find(s, key, len);
    if (item) {
        drop(s, item);
    }
}

void etcd_skipped_begin(struct etcd_skipped *s)
{
    s->listing++;
}

void etcd_skipped_end(struct etcd_skipped *s)
{
    struct etcd_skipped_item *item, *tmp;
    HASH_ITER (hh, s->items, item, tmp) {
        if (item->listing != s->listing) {
            drop(s, item);
        }
    }
}
