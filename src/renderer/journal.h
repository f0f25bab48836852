#pragma once
/*
 * What is known of a set of outputs across a crash: one small JSON file, replaced whole and flushed.
 *
 *   {"tidewaiter":"outputs","version":1,"phase":"unchecked","since":"2026-01-02T03:04:05.678Z",
 *    "since_ms":1767323045678,"owed_since_ms":0,"keeps_good":true,
 *    "files":[{"path":"/etc/nginx/conf.d/up.conf","before":"file","good":"none","put":"0123…cdef",
 *      "put_before":"0000…0000"}]}
 */
#include "base/fs.h"
#include "renderer/copies.h"
#include "tidewaiter/clock.h"

#define JOURNAL_E_NONE 1 /* from journal_read: there is none */

enum journal_phase {
    JOURNAL_UNCHECKED, /* put back what `before` says */
    JOURNAL_OWED,      /* a reload is owed; `good` says what nginx ran last */
    JOURNAL_REFUSED,   /* put back what `good` says */
};

struct journal_file {
    char *path; /* real and absolute */
    enum copy_state before, good;
    uint64_t put;        /* hash64 of what is put in place */
    uint64_t put_before; /* and of what the change before that has put there: it may be back */
};

struct journal {
    enum journal_phase phase;
    msec_t since;      /* wall clock */
    msec_t owed_since; /* a reload is owed since then, whatever becomes of the phase; 0: none is */
    bool keeps_good;   /* a file whose `good` is COPY_NONE is the one that nginx ran */
    struct journal_file *files;
    size_t n;
};

/* "<folder>/.<base>.tw-state" of the first output; the caller frees it. */
char *journal_path(const char *output);

/*
 * 0 (to be given to journal_deinit()), JOURNAL_E_NONE, or negative when it is there but is not to be acted
 * on: damaged, of another version, a symbolic link, or what others than this user and root can write.
 */
int journal_read(struct journal *ret, const char *path, struct err *e) WARN_UNUSED;
void journal_deinit(struct journal *j);

/* Stages it for journal_promote(); -EINVAL for a path that JSON cannot hold. */
int journal_stage(struct fs_staged *ret, const char *path, const struct journal *j,
                  struct err *e) WARN_UNUSED;

/* It is on disk when this returns 0; else the one from before, or this one when only flushing failed. */
int journal_write(const char *path, const struct journal *j, struct err *e) WARN_UNUSED;

/*
 * For the end of a change: on failure the one on disk is as it was. Flushed as far as possible: when a
 * power loss undoes it, that is as if it had come a moment earlier.
 */
int journal_promote(struct fs_staged *staged, struct err *e) WARN_UNUSED;
int journal_remove(const char *path, struct err *e) WARN_UNUSED; /* fine when there is none */
