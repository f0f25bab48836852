#pragma once
/*
 * A request that records what happened to it.
 */
#include "base/buf.h"
#include "io/http.h"

struct client {
    struct http_request r;
    struct io *io;
    unsigned dones, heads;
    int head_status;
    size_t portions, longest;
    int code;
    enum err_class class;
    int status;
    struct buf body; /* collected, or all portions */
    char error[ERR_MSG_MAX];
    char index[32]; /* header x-consul-index as seen in done */
    msec_t started, ended;

    /* what the callbacks do besides; NULL: nothing */
    int (*on_data)(struct client *c);
    void (*on_done)(struct client *c);
    void *ctx;
};

/* Fails the test when it cannot be started. spec's stream member decides how it is received. */
void client_start(struct client *c, struct io *io, const struct http_spec *spec);
/* Prints both when they differ. */
void client_expect(const struct client *c, int code, enum err_class class);
void client_deinit(struct client *c);

/* A TCP address of this host that never answers a connect: its queue is full. Fails the test else. */
struct deaf;
struct deaf *deaf_new(void);
const char *deaf_url(const struct deaf *d);
void deaf_free(struct deaf *d);
