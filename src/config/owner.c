/*
 * Happy path: a number needs no lookup, so it works where the host's user database lacks it, as in a
 * small container; a name is asked of the database with a buffer that grows as far as an entry may.
 * Failure: a name that nobody has is bad configuration; a database that cannot be read (a network's)
 * is told with its own error, for it says nothing about the name.
 */
#include "config/owner.h"

#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY_SIZE_FIRST ((size_t)4096)
#define ENTRY_SIZE_MAX   ((size_t)1024 * 1024) /* a group lists its members */

/* 0 and the id, ENOENT, or why it could not be looked up. room: what ERANGE asks more of. */
typedef int (*lookup_fn)(const char *name, char *room, size_t size, unsigned *ret);

static int look_up_user(const char *name, char *room, size_t size, unsigned *ret)
{
    struct passwd entry, *found = NULL;
    int r = getpwnam_r(name, &entry, room, size, &found);
    if (found) {
        *ret = found->pw_uid;
    }
    return found ? 0 : r != 0 ? r : ENOENT;
}

static int look_up_group(const char *name, char *room, size_t size, unsigned *ret)
{
    struct group entry, *found = NULL;
    int r = getgrnam_r(name, &entry, room, size, &found);
    if (found) {
        *ret = found->gr_gid;
    }
    return found ? 0 : r != 0 ? r : ENOENT;
}

/* What the manual page lists for "there is no such name" besides an empty answer. */
static bool is_unknown(int code)
{
    return code == ENOENT || code == ESRCH || code == EBADF || code == EPERM;
}

static int find(const char *text, const char *kind, lookup_fn look_up, unsigned *ret, struct err *e)
{
    uint64_t number;
    if (!text || streq(text, "keep")) {
        *ret = (unsigned)-1;
        return 0;
    }
    if (str_to_u64(text, 0, UINT32_MAX - 1, &number)) {
        *ret = (unsigned)number;
        return 0;
    }
    int r = ERANGE;
    for (size_t size = ENTRY_SIZE_FIRST; r == ERANGE && size <= ENTRY_SIZE_MAX; size *= 4) {
        CLEANUP_FREE char *room = xmalloc(size);
        r = look_up(text, room, size, ret);
    }
    if (r != 0 && !is_unknown(r)) {
        return err_set(e, ERR_TRANSIENT, -r, "looking up %s \"%.80s\": %s", kind, text,
                       strerror(r));
    }
    return r == 0 ? 0
                  : err_set(e, ERR_INVALID, -EINVAL,
                            "found \"%.80s\", allowed: keep, a %s of this host, or a number up to "
                            "4294967294",
                            text, kind);
}

int owner_find_user(const char *text, uid_t *ret, struct err *e)
{
    return find(text, "user", look_up_user, ret, e);
}

int owner_find_group(const char *text, gid_t *ret, struct err *e)
{
    return find(text, "group", look_up_group, ret, e);
}
