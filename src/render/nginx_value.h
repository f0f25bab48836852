#pragma once
/*
 * The values that nginx takes, checked before they get near a file: everything here accepts a closed
 * grammar and nothing else, so that no value can end a directive, name a variable that does not exist, or
 * cost nginx its memory.
 */
#include "render/nginx_context.h"

#include <stdbool.h>
#include <stdint.h>

#define NGINX_WEIGHT_MAX 65535u
#define NGINX_WEIGHT_CONSISTENT_MAX                                                                \
    100u                                /* nginx makes 160 points of each unit: 65535 cost 330 MB */
#define NGINX_COUNT_MAX     2147483647u /* max_conns, max_fails */
#define NGINX_KEEPALIVE_MAX 10000u      /* allocated in full by every worker */
#define NGINX_ZONE_MIN_K    32u         /* eight pages; less is refused */
#define NGINX_ZONE_MAX_K    65536u
#define NGINX_TIME_MAX      32 /* bytes */
#define NGINX_VARIABLE_MAX  128

enum nginx_method {
    NGINX_ROUND_ROBIN, /* no directive */
    NGINX_LEAST_CONN,
    NGINX_IP_HASH,
    NGINX_RANDOM,
    NGINX_HASH,
    NGINX_HASH_CONSISTENT,
};

struct nginx_balance {
    enum nginx_method method;
    char variable[NGINX_VARIABLE_MAX]; /* of the two hash methods */
};

/* A time in nginx's form without milliseconds: "10", "10s", "1m30s"; units from large to small. */
bool nginx_time_ok(const char *s);

/*
 * What follows an upstream's name in the name of its zone: "", or in stream ":stream", which no upstream's
 * name can end in. All zones of one nginx have one name space.
 */
const char *nginx_zone_suffix(enum nginx_context context);

/* "64k", "1m" → kilobytes, NGINX_ZONE_MIN_K..NGINX_ZONE_MAX_K. */
bool nginx_zone_parse(const char *s, uint64_t *ret_k);

/*
 * least_conn, ip_hash (http only), random, hash <variable> [consistent]. The variable is one that every
 * nginx has in that block ($remote_addr; in http $request_uri, $arg_NAME, ...; in stream $protocol, ...),
 * or several of them without a gap.
 */
bool nginx_balance_parse(enum nginx_context context, const char *s, struct nginx_balance *ret);

/* The directive without indentation and semicolon; "" for round robin. */
#define NGINX_DIRECTIVE_MAX (NGINX_VARIABLE_MAX + 32)
void nginx_balance_format(const struct nginx_balance *b, char out[NGINX_DIRECTIVE_MAX]);

bool nginx_balance_equal(const struct nginx_balance *a, const struct nginx_balance *b);

/* nginx refuses `backup` beside methods that pick by key or at random. */
bool nginx_balance_takes_backup(const struct nginx_balance *b);
