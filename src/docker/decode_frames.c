/*
 * The stream in which a command's stdout and stderr come.
 *
 * Happy path: head, bytes, head, bytes; portions may end anywhere. The bytes of all streams go into one
 * buffer in the order in which they came.
 * Failure modes: a head that is none ends it, as nothing behind it can be told apart. An end inside of a
 * frame is a lost connection: the engine sends no length, so only this tells it from the proper end. What
 * the buffer has no room for is dropped, and the stream is read on to its end.
 * Not done: an end between two frames looks proper; who needs to know asks for the exit status.
 */
#include "docker/decode_control.h"

#include <errno.h>
#include <string.h>

#define STREAM_LAST 3u /* of the ids in a head */

void docker_frames_init(struct docker_frames *f, bool maybe_raw)
{
    *f = (struct docker_frames){.maybe_raw = maybe_raw};
}

static void keep(struct buf *out, const void *p, size_t len)
{
    size_t room = out->max - out->len;
    buf_append(out, p, len < room ? len : room);
}

/* The first n bytes could begin a head. */
static bool is_head(const unsigned char *h, size_t n)
{
    static const unsigned char zeros[3];
    return h[0] <= STREAM_LAST && (n < 2 || memcmp(h + 1, zeros, n < 4 ? n - 1 : 3) == 0);
}

static uint32_t length_of(const unsigned char *h)
{
    return (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
}

int docker_frames_feed(struct docker_frames *f, const char *p, size_t len, struct buf *out,
                       struct err *e)
{
    while (len > 0 && !f->raw) {
        size_t n;
        if (f->left > 0) {
            n = len < f->left ? len : f->left;
            keep(out, p, n);
            f->left -= (uint32_t)n;
        } else {
            size_t want = sizeof(f->head) - f->n_head;
            n = len < want ? len : want;
            memcpy(f->head + f->n_head, p, n);
            f->n_head += n;
            if (!is_head(f->head, f->n_head)) {
                if (!f->maybe_raw) {
                    return err_set(e, ERR_TRANSIENT, -EPROTO,
                                   "output: byte 0x%02x where a frame should begin", f->head[0]);
                }
                f->raw = true;
                keep(out, f->head, f->n_head);
                f->n_head = 0;
            } else if (f->n_head == sizeof(f->head)) {
                f->left = length_of(f->head);
                f->n_head = 0;
                f->maybe_raw = false; /* it has begun with a frame, so there are frames only */
            }
        }
        p += n;
        len -= n;
    }
    keep(out, p, len);
    return 0;
}

int docker_frames_finish(const struct docker_frames *f, struct err *e)
{
    if (f->n_head > 0 || f->left > 0) {
        return err_set(e, ERR_TRANSIENT, -ECONNRESET, "output: ends inside of a frame");
    }
    return 0;
}
