#pragma once
/*
 * The system calls that change files, counted, and one of them the last of a process or failing. Defined
 * in the test's own program, they come before the library's. Flushing is counted and not done: a process
 * that is killed loses nothing by it, and thousands of runs are quicker.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum faulty_kind {
    FAULTY_OFF,
    FAULTY_DIES,      /* the process is killed instead of the call */
    FAULTY_DIES_HALF, /* the same, in the middle of it where it writes */
    FAULTY_JUMPS, /* as FAULTY_DIES_HALF, but only this run ends: nothing behind the call is done, and
                       * faulty_out is jumped to; thousands of processes would take minutes */
    FAULTY_EIO,   /* that call fails */
    FAULTY_FULL, /* that one and all later ones that need space fail with ENOSPC */
};

static struct {
    enum faulty_kind kind;
    unsigned at, calls;
} faulty;
static jmp_buf faulty_out;

static inline void faulty_arm(enum faulty_kind kind, unsigned at)
{
    faulty.kind = kind;
    faulty.at = at;
    faulty.calls = 0;
}

/* The fault has come (or would have, had there been more calls). */
static inline unsigned faulty_disarm(void)
{
    faulty.kind = FAULTY_OFF;
    return faulty.calls;
}

/* True: fail, errno is set. */
static inline bool faulty_strikes(bool needs_space)
{
    if (faulty.kind == FAULTY_OFF) {
        return false;
    }
    unsigned call = faulty.calls++;
    if (faulty.kind == FAULTY_FULL) {
        errno = ENOSPC;
        return call >= faulty.at && needs_space;
    }
    if (call != faulty.at) {
        return false;
    }
    if (faulty.kind == FAULTY_DIES || faulty.kind == FAULTY_DIES_HALF) {
        kill(getpid(), SIGKILL);
    }
    if (faulty.kind == FAULTY_JUMPS) {
        longjmp(faulty_out, 1);
    }
    errno = EIO;
    return true;
}

int rename(const char *from, const char *to)
{
    return faulty_strikes(false) ? -1
                                 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int link(const char *from, const char *to)
{
    return faulty_strikes(true) ? -1 : (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path)
{
    return faulty_strikes(false) ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int unlinkat(int fd, const char *path, int flags)
{
    return faulty_strikes(false) ? -1 : (int)syscall(SYS_unlinkat, fd, path, flags);
}

int fsync(int fd)
{
    return faulty_strikes(false) ? -1 : 0;
}

ssize_t write(int fd, const void *p, size_t len)
{
    bool half = faulty.kind == FAULTY_DIES_HALF || faulty.kind == FAULTY_JUMPS;
    if (half && faulty.calls == faulty.at) {
        (void)!syscall(SYS_write, fd, p, len / 2);
    }
    return faulty_strikes(true) ? -1 : (ssize_t)syscall(SYS_write, fd, p, len);
}

int ftruncate(int fd, off_t len)
{
    return faulty_strikes(false) ? -1 : (int)syscall(SYS_ftruncate, fd, len);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
    return faulty_strikes(true) ? -1 : (int)syscall(SYS_fallocate, fd, mode, at, len);
}

int fchmod(int fd, mode_t mode)
{
    return faulty_strikes(false) ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

int fchown(int fd, uid_t owner, gid_t group)
{
    return faulty_strikes(false) ? -1 : (int)syscall(SYS_fchown, fd, owner, group);
}

int mkostemp(char *path, int flags)
{
    static unsigned n;
    char number[7];
    if (faulty_strikes(true)) {
        return -1;
    }
    snprintf(number, sizeof(number), "%06u", n++ % 1000000);
    memcpy(path + strlen(path) - 6, number, 6);
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_RDWR | O_CREAT | O_EXCL, 0600);
}
