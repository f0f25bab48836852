#pragma once
/*
 * Real etcd members on loopback, with free ports and a folder of their own, for loop tests. Starting
 * and stopping block the caller: nothing of the test's own loop needs to run meanwhile.
 *
 * Every failure to start or to run etcdctl fails the test. Tests call etcd_daemon_installed() first.
 */
#include <stdbool.h>

#define ETCD_DAEMONS_MAX 3

struct etcd_daemon {
    int pid; /* 0: not running */
    char name[16];
    unsigned client_port, peer_port;
    char url[64];  /* "http://127.0.0.1:12345" */
    char host[40]; /* "127.0.0.1:12345" */
};

struct etcd_cluster {
    char *dir;
    unsigned n;
    struct etcd_daemon members[ETCD_DAEMONS_MAX];
    const char *extra; /* one more option of etcd, or NULL */
};

bool etcd_daemon_installed(void);

/* Starts n members and waits until they answer. extra: one more option, or NULL. */
void etcd_cluster_start(struct etcd_cluster *c, unsigned n, const char *extra);
void etcd_cluster_stop(struct etcd_cluster *c); /* kills all and removes the folder */

void etcd_member_kill(struct etcd_cluster *c, unsigned i, int signal); /* and waits for its end */
void etcd_member_start(struct etcd_cluster *c, unsigned i); /* and waits until it answers */
void etcd_member_wipe(struct etcd_cluster *c, unsigned i);  /* forgets its data */
void etcd_member_signal(struct etcd_cluster *c, unsigned i, int signal); /* SIGSTOP, SIGCONT */

/*
 * etcdctl of the given member with words, NULL ends them; returns what it printed (to be freed). Fails
 * the test when it fails.
 */
char *etcdctl(const struct etcd_cluster *c, unsigned i, ...) __attribute__((sentinel));
