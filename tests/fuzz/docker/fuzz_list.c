/*
 * Fuzzes the list of containers: whole, and in portions as long as the input's first byte says, must be
 * read alike.
 */
#include "base/hash.h"
#include "base/must.h"
#include "docker/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
    uint64_t digest; /* of the items */
    int result;
};

static int on_item(void *ctx, const struct docker_list_item *item)
{
    struct reading *r = ctx;
    must(docker_id_valid(item->id));
    r->digest = hash64_more(r->digest, item->id, sizeof(item->id));
    r->digest = hash64_more(r->digest, &item->state, sizeof(item->state));
    return 0;
}

static struct reading read_in_portions(const char *text, size_t size, size_t portion)
{
    struct reading reading = {0, 0};
    struct docker_list l;
    struct err e = ERR_INIT;
    docker_list_init(&l);
    for (size_t at = 0; reading.result == 0 && at < size; at += portion) {
        size_t n = size - at < portion ? size - at : portion;
        reading.result = docker_list_feed(&l, text + at, n, on_item, &reading, &e);
    }
    if (reading.result == 0) {
        reading.result = docker_list_finish(&l, &e);
    }
    must(reading.result == 0 || (e.class == ERR_INVALID && e.msg[0]));
    docker_list_deinit(&l);
    return reading;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const char *text = (const char *)data + 1;
    struct reading whole = read_in_portions(text, size - 1, size);
    struct reading parts = read_in_portions(text, size - 1, 1u + data[0]);
    must(whole.result == parts.result && whole.digest == parts.digest);
    return 0;
}
