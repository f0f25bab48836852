#pragma once
/*
 * What the writers of registries across the network do first with their settings.
 */
#include "tidewaiter/registry.h"

#include <stdint.h>

/*
 * Refuses a TTL that leaves no time for a renewal to be tried again (-EINVAL, ERR_INVALID), and draws
 * two random numbers, for jitter and for the run's own name. Without a source of them: the negative
 * errno, ERR_BUG. The URI and the node name are not looked at.
 */
int writer_config_check(const struct registry_writer_config *config, uint64_t ret_random[2],
                        struct err *e) WARN_UNUSED;
