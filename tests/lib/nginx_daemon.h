#pragma once
/*
 * A real nginx on loopback, with free ports and a folder of its own, for loop tests. Starting and stopping
 * block the caller: nothing of the test's own loop needs to run meanwhile.
 *
 * Every failure to start fails the test. Tests call nginx_daemon_installed() first.
 */
#include <stdbool.h>
#include <stddef.h>

#define NGINX_DAEMON_BINARY "/usr/sbin/nginx"

struct nginx_daemon {
    int pid; /* of the master, a child of this process; 0: not running */
    char *dir;
    char conf[256], log[256], pid_file[256];
    unsigned port;
    unsigned workers;
    const char *error_log; /* what the configuration says; NULL: <dir>/error.log */
};

bool nginx_daemon_installed(void);

/* Makes the folder and a configuration that answers "one"; starts nothing. */
void nginx_daemon_init(struct nginx_daemon *d);
/* Ends the master, kills what it has left behind, and removes the folder. */
void nginx_daemon_deinit(struct nginx_daemon *d);

/*
 * Writes the configuration: every request is answered with text. http: more of the server, and main: of
 * the main context; may be "".
 */
void nginx_daemon_write(const struct nginx_daemon *d, const char *text, const char *http,
                        const char *main);
void nginx_daemon_start(struct nginx_daemon *d);            /* and waits until it answers */
void nginx_daemon_kill(struct nginx_daemon *d, int signal); /* the master, and waits for its end */

/* One request on a new connection; "" when nobody answers. To be freed. */
char *nginx_daemon_get(const struct nginx_daemon *d, const char *path);

/* The same in steps, on a connection that stays; -1 when nobody listens. */
int nginx_daemon_connect(const struct nginx_daemon *d);
void nginx_daemon_ask(int fd, const char *path);
char *nginx_daemon_answer(int fd); /* the body; "" when none comes within 5 s. To be freed */

/* A port of loopback that was free; with ret_fd it is listened on. */
unsigned nginx_daemon_port(int *ret_fd);
