#pragma once
/*
 * The right to make mount namespaces, taken from this process for a while: candidates are then on trial,
 * as for users who are not root.
 */
#include <linux/capability.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

/* False where the process never had it. */
static inline bool mount_rights(bool on)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2] = {0};
    const unsigned bit = 1u << CAP_SYS_ADMIN;
    if (syscall(SYS_capget, &head, caps) < 0) {
        return false;
    }
    if (!(caps[0].permitted & bit)) {
        return !on;
    }
    caps[0].effective = on ? caps[0].effective | bit : caps[0].effective & ~bit;
    return syscall(SYS_capset, &head, caps) == 0;
}
