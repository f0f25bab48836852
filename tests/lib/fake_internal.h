#pragma once
/*
 * The inside of the scripted server, shared by fake_http.c (sockets and requests) and fake_reply.c
 * (answers).
 */
#include "lib/fake_http.h"

#include <uv.h>

#include "base/buf.h"

struct fake_listener {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    struct fake_http *server; /* NULL once it is closing */
};

enum fake_after { FAKE_GO_ON, FAKE_THEN_CLOSE, FAKE_THEN_RESET };

struct fake_conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    struct fake_http *server; /* NULL once it is closing */
    struct fake_exchange *current;
    struct buf in;
    unsigned requests;
    unsigned writes;       /* not yet flushed */
    enum fake_after after; /* once everything is flushed */
    bool is_tcp, parsing;
    struct fake_conn *next, *prev;
};

struct fake_exchange {
    struct fake_http *server;
    struct fake_conn *conn; /* NULL: answered, or the connection is gone */
    char *head;             /* request line and headers, '\0' behind each */
    const char *path;
    struct buf body;
    unsigned ordinal, conn_ordinal;
    bool streaming, answered;
    char *drip; /* what is written one byte at a time */
    size_t drip_at, drip_len;
    struct io_defer drip_turn;
    struct fake_exchange *next, *prev;
};

struct fake_http {
    struct io *io;
    char *listen; /* path of the unix socket, or NULL */
    int port;
    char url[64];
    struct http_peer peer;
    fake_handler handler;
    void *ctx;
    struct fake_listener *listener;
    struct fake_conn *conns;
    struct fake_exchange *exchanges;
    unsigned requests, accepted, open, busy;
    bool early; /* no body is read */
};

/* Writes a copy; closes the connection when it fails. */
void fake_conn_write(struct fake_conn *c, const void *p, size_t len);
/* At once; reset: with RST where the socket can. The exchange in progress is gone. */
void fake_conn_close(struct fake_conn *c, bool reset);
/* Marks the exchange as answered; its connection takes the next request, or does `after` first. */
void fake_exchange_end(struct fake_exchange *x, enum fake_after after);
