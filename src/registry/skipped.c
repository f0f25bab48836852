/*
 * The set of unreadable records: key → digest of the content that was complained of, and the listing
 * that saw it last. It is as large as the number of unreadable records, no larger.
 */
#include "registry/skipped.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/map.h"

#include <string.h>

struct skipped_item {
    UT_hash_handle hh;
    uint64_t digest;
    unsigned listing;
    char key[];
};

static void drop(struct skipped *s, struct skipped_item *item)
{
    HASH_DEL(s->items, item);
    free(item);
}

void skipped_deinit(struct skipped *s)
{
    struct skipped_item *item, *tmp;
    HASH_ITER (hh, s->items, item, tmp) {
        drop(s, item);
    }
}

static struct skipped_item *find(const struct skipped *s, const char *key, size_t len)
{
    struct skipped_item *item;
    HASH_FIND(hh, s->items, key, len, item);
    return item;
}

bool skipped_note(struct skipped *s, const char *key, size_t len, uint64_t digest)
{
    struct skipped_item *item = find(s, key, len);
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

bool skipped_note_reason(struct skipped *s, const char *key, const char *why)
{
    return skipped_note(s, key, strlen(key), hash64(why, strlen(why)));
}

void skipped_forget(struct skipped *s, const char *key, size_t len)
{
    struct skipped_item *item = find(s, key, len);
    if (item) {
        drop(s, item);
    }
}

void skipped_begin(struct skipped *s)
{
    s->listing++;
}

void skipped_end(struct skipped *s)
{
    struct skipped_item *item, *tmp;
    HASH_ITER (hh, s->items, item, tmp) {
        if (item->listing != s->listing) {
            drop(s, item);
        }
    }
}
