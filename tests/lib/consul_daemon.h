#pragma once
/*
 * A real Consul agent (server) on loopback, with free ports and a folder of its own, for loop tests.
 * Starting, stopping and asking block the caller: nothing of the test's own loop needs to run meanwhile.
 *
 * Every failure to start, and every answer that is not 200, fails the test. Tests call
 * consul_daemon_installed() first.
 */
#include "io/http.h"
#include "registry/uri.h"

#include <stdbool.h>

struct consul_daemon {
    int pid; /* 0: not running */
    bool keeps_data;
    char *dir;
    char hcl[1024]; /* ports, and what the test adds */
    unsigned port;
    const char *token;       /* of consul_do(); NULL: none */
    struct registry_uri uri; /* consul://127.0.0.1:PORT */
};

bool consul_daemon_installed(void);

/* Starts one and waits until it has a leader. hcl: more of its configuration, or NULL. */
void consul_daemon_start(struct consul_daemon *d, bool keeps_data, const char *hcl);
void consul_daemon_stop(struct consul_daemon *d); /* kills it and removes the folder */

void consul_daemon_kill(struct consul_daemon *d, int signal); /* and waits for its end */
void consul_daemon_again(struct consul_daemon *d);            /* and waits for its leader */

/* One request: path and body as printf() makes them of fmt, parted by a blank; returns the answer's body
 * (to be freed). */
char *consul_do(const struct consul_daemon *d, enum http_method method, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* The same for those that only matter by their effect. */
#define consul_put(d, ...) free(consul_do(d, HTTP_PUT, __VA_ARGS__))
