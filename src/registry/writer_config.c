/*
 * Happy path: the TTL is long enough, and the kernel has random numbers. Failure modes: a TTL that is
 * too short is refused with the least that is allowed; a kernel without random numbers is taken for a
 * bug. It does not look at the URI or the node name, which the layout and the client of each registry
 * check.
 */
#include "registry/writer_config.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define TTL_MIN 5u /* seconds */

int writer_config_check(const struct registry_writer_config *config, uint64_t ret_random[2],
                        struct err *e)
{
    const size_t size = 2 * sizeof(ret_random[0]);
    if (config->ttl_s < TTL_MIN) {
        return err_set(e, ERR_INVALID, -EINVAL, "a TTL of %u s: at least %u s are needed",
                       config->ttl_s, TTL_MIN);
    }
    if (getrandom(ret_random, size, 0) != (ssize_t)size) {
        return err_set(e, ERR_BUG, -errno, "no random numbers: %s", strerror(errno));
    }
    return 0;
}
