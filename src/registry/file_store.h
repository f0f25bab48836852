#pragma once
/*
 * The file of the embedded registry as its writer and its readers look at it: contents by digest, and a
 * stamp that moves whenever the file may have changed. Blocking, but local.
 */
#include "tidewaiter/clock.h"
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;

struct file_stamp {
    dev_t dev;
    ino_t ino;
    off_t size;
    int64_t mtime_ns, ctime_ns;
};

/* -ENOENT where there is no file; -EINVAL, ERR_INVALID, where it is something else. */
int file_stamp_take(const char *path, struct file_stamp *ret, struct err *e) WARN_UNUSED;
bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b);

/* How long ago the file was written or touched, by the wall clock; at least 0. */
msec_t file_stamp_age(const struct file_stamp *s, msec_t wall);

/* The contents that were last read or written, to recognise what others did to them. */
struct file_store {
    const char *path; /* borrowed */
    bool known;
    struct file_stamp stamp;
    uint64_t digest;
    size_t len;
};

/* Appends the contents to out and remembers them. On failure nothing is known. */
int file_store_read(struct file_store *s, struct buf *out, struct err *e) WARN_UNUSED;

/* Replaces the file, its folder made where it is missing, and remembers the contents. */
int file_store_write(struct file_store *s, const struct buf *text, struct err *e) WARN_UNUSED;

/* True while the file has the contents that are known, by whomever and however often it was touched. */
bool file_store_intact(struct file_store *s);

/* Moves the time of the file to now, nothing else. */
int file_store_touch(struct file_store *s, struct err *e) WARN_UNUSED;
