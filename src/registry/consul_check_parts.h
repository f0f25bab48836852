#pragma once
/*
 * Small pieces of checks: methods, headers, words of scripts, the container's port. Pure.
 */
#include "base/arena.h"
#include "registry/consul_remark.h"
#include "tidewaiter/service.h"

#include <stdbool.h>
#include <stddef.h>

#define CONSUL_HEADERS_MAX 32

/* Capital letters, at most 32. */
bool consul_method_valid(const char *text);

/*
 * "Name: value, Other: value" ("\," is a literal comma) → headers, in the arena; returns how many. One
 * that is none is left out, with a remark that names key but no value: it may be a secret.
 */
size_t consul_headers_split(const char *text, const char *key, struct arena *a,
                            const struct service_attr **ret, struct consul_remarks *remarks);

/* A word of check_script with $SERVICE_IP and $SERVICE_PORT replaced. */
const char *consul_script_word(const char *word, const struct service *svc, struct arena *a);

/* The port in an id host:name:port[:proto]; NULL in any other. */
const char *consul_container_port(const char *id, struct arena *a);
