/*
 * Fuzzes a line of the event stream. What is accepted must keep the promises of docker/decode.h, because
 * ids become paths and keys.
 */
#include "base/must.h"
#include "docker/decode.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct docker_event ev;
    struct err e = ERR_INIT;
    int r = docker_decode_event(&ev, (const char *)data, size, &e);
    if (r < 0) {
        must(e.class == ERR_INVALID && e.msg[0]);
        return 0;
    }
    must(r == 0 && e.class == ERR_NONE);
    if (ev.action == DOCKER_ACTION_OTHER) {
        return 0;
    }
    must(ev.type == DOCKER_EVENT_NETWORK || docker_id_valid(ev.container));
    must(!ev.container[0] || docker_id_valid(ev.container));
    must(!ev.network[0] || docker_id_valid(ev.network));
    must(ev.signal >= 0 && ev.signal <= 64);
    return 0;
}
