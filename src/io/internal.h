#pragma once
/*
 * The inside of `struct io`, for the files of this folder and for the fake servers of the tests only.
 *
 * One counter for each kind of thing that a user can leave open; io_free() must() each of them, so a
 * leaked request names its kind. Handles that only wait for libuv's close callback count as `closing`.
 */
#include "io/loop.h"

#include <stdint.h>
#include <uv.h>

struct http_client;
struct io_timer;

#define IO_MAGIC 0x10a91e57u

struct io {
    uint32_t magic;
    uv_loop_t loop; /* loop.data is this io */

    uv_check_t after_poll; /* delivers what is due, after every poll; unreferenced */
    uv_idle_t no_wait;     /* active while something is due, so that the poll does not block */
    struct io_defer *deferred;

    uv_timer_t clock;        /* the one timer of the loop */
    struct io_timer *timers; /* root of the heap */
    uint64_t timer_seq;
    bool timers_running;

    struct http_client *http; /* made by the first request */

    unsigned open_requests, open_children, open_signals, open_fswatches;
    unsigned closing; /* handles of users on their way through uv_close() */
};

/* Makes the loop turn without waiting for input until nothing is due. */
void io_wake(struct io *io);

/* Lets the loop go round once: waits for input or a timer at most once. */
void io_turn(struct io *io);

/*
 * uv_close() with the account kept: cb must call io_handle_closed() before it frees what holds h.
 */
void io_handle_close(uv_handle_t *h, uv_close_cb cb);
void io_handle_closed(uv_handle_t *h);

/* Runs the timers that are due now, and sets the clock to the next one. */
void io_timers_run(struct io *io);
bool io_timers_due(const struct io *io);

/* Ends the HTTP client, whose requests have all ended; NULL is taken. */
void http_client_free(struct http_client *c);
