#pragma once
/*
 * etcd's errors → classes. Pure.
 *
 * 3.4 says {"error":"text","message":"text","code":3}, 3.5 {"code":3,"message":"text"}, a stream of 3.4
 * {"error":{"grpc_code":14,"http_code":503,"message":"text"}}, one of 3.5 {"error":{"code":14,
 * "message":"text"}}; and now and then it is plain text.
 */
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>

/* gRPC's numbers of what needs more than a class. */
enum etcd_code {
    ETCD_CODE_UNKNOWN = -1, /* the body gave none */
    ETCD_CODE_INVALID_ARGUMENT = 3,
    ETCD_CODE_NOT_FOUND = 5, /* of a lease */
    ETCD_CODE_PERMISSION_DENIED = 7,
    ETCD_CODE_RESOURCE_EXHAUSTED = 8,
    ETCD_CODE_FAILED_PRECONDITION = 9, /* "authentication is not enabled" */
    ETCD_CODE_OUT_OF_RANGE = 11,       /* compacted */
    ETCD_CODE_UNAUTHENTICATED = 16,
};

struct etcd_error {
    enum etcd_code code;
    bool no_token; /* a token is missing, or is not valid (any more): authenticate and try again */
};

/*
 * Fills e for an answer that is not 200 and returns its negative errno; *ret, where wanted, gets the
 * rest. Message: etcd's own words behind "HTTP 503: " (status 0: a line in a stream, no such prefix),
 * with what to do where that is not plain.
 */
int etcd_error_from_answer(struct err *e, int status, const char *body, size_t len,
                           struct etcd_error *ret);
