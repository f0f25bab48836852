/*
 * Fuzzes what the engine answers about one container, all of it with the same bytes. Output must be the
 * same in whatever portions it comes.
 */
#include "base/must.h"
#include "docker/decode.h"
#include "docker/decode_control.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void bodies(const char *text, size_t size)
{
    struct docker_container_state state;
    struct docker_top top;
    char id[CONTAINER_ID_LEN + 1];
    bool running;
    int status;
    if (docker_decode_state(&state, text, size, NULL) == 0) {
        must(docker_id_valid(state.id) && state.pid >= 0);
        must(state.running || (!state.paused && !state.restarting));
        for (size_t i = 0; i < state.n_mounts; i++) {
            must(state.mounts[i].source[0] == '/' && state.mounts[i].destination[0] == '/');
        }
        docker_container_state_deinit(&state);
    }
    if (docker_decode_top(&top, text, size, NULL) == 0) {
        for (size_t i = 0; i < top.n; i++) {
            must(top.items[i].pid > 0 && top.items[i].parent >= 0 && top.items[i].title);
        }
        docker_top_deinit(&top);
    }
    if (docker_decode_exec_id(id, text, size, NULL) == 0) {
        must(docker_id_valid(id));
    }
    if (docker_decode_exec_state(&running, &status, text, size, NULL) == 0) {
        must(running || status >= 0);
    }
}

/* The result; what came out is in out. */
static int frames(const char *text, size_t size, size_t portion, bool maybe_raw, struct buf *out)
{
    struct docker_frames f;
    struct err e = ERR_INIT;
    docker_frames_init(&f, maybe_raw);
    for (size_t at = 0; at < size; at += portion) {
        size_t n = size - at < portion ? size - at : portion;
        int r = docker_frames_feed(&f, text + at, n, out, &e);
        if (r < 0) {
            must(e.class == ERR_TRANSIENT);
            return r;
        }
    }
    return docker_frames_finish(&f, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    bodies(text, size);
    for (int raw = 0; raw < 2; raw++) {
        struct buf whole = BUF_INIT(1000), parts = BUF_INIT(1000);
        int r = frames(text, size, size + 1, raw, &whole);
        must(frames(text, size, 1 + size % 7, raw, &parts) == r);
        must(whole.len == parts.len && memcmp(buf_str(&whole), buf_str(&parts), whole.len) == 0);
        must(buf_error(&whole) == 0);
        char end[DOCKER_LOG_END_MAX];
        if (docker_decode_log_end(end, buf_str(&whole))) {
            must(strspn(end, "0123456789.") == strlen(end) && strchr(end, '.'));
        }
        buf_deinit(&whole);
        buf_deinit(&parts);
    }
    return 0;
}
