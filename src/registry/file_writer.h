#pragma once
/*
 * Inside of the embedded registry's writer: what file_writer.c (the interface) and file_keeper.c (the
 * file, kept right and alive) share. The machine is drawn in file_keeper.c.
 */
#include "base/backoff.h"
#include "io/fswatch.h"
#include "io/timer.h"
#include "registry/file_keys.h"
#include "registry/file_lock.h"
#include "registry/file_store.h"
#include "tidewaiter/registry.h"

enum file_writer_state {
    FILE_WRITER_S_OPENING, /* the listing was not announced yet */
    FILE_WRITER_S_READY,   /* file and memory are the same, or will be with the next write */
    FILE_WRITER_S_BROKEN,  /* the file cannot be written: tried again, backing off */
    FILE_WRITER_S_DEPOSED, /* another agent holds the lock */
    FILE_WRITER_S_CLOSING,
};

/* The batch whose results are on their way. */
struct file_batch {
    struct registry_result *results; /* NULL: none */
    char **conflicts;                /* per operation: the key of a conflict, or NULL */
    size_t n;
    struct err why;
};

struct registry_writer {
    struct io *io;
    const struct registry_writer_events *events;
    void *ctx;
    char *node, *path;
    unsigned ttl_s;
    bool dry_run;

    enum file_writer_state state;
    struct lock_file lock;
    struct file_store store;
    struct file_keys keys; /* what the file is to hold */
    int64_t revision;      /* of the last change */
    bool adopted;          /* keys are those that the file had, and are valid */
    bool owed;             /* the file is not what keys say */
    struct err trouble;    /* what the next `unready` says; ERR_NONE: nothing */

    struct io_fswatch *watch; /* NULL: tried again with the heartbeat */
    struct io_timer heartbeat, repair;
    struct backoff backoff;
    msec_t repaired_at; /* last time in READY; 0: never */

    struct io_defer announce, ended, closed;
    struct file_batch batch;
    void (*done)(void *ctx);
    void *done_ctx;
};

/* Reads the file that is there and queues the announcement of its keys. */
void file_keeper_start(struct registry_writer *w);

/* What is wanted is in place: a file that is still missing, or of no use, is written now. */
void file_keeper_settle(struct registry_writer *w);
/* Stops timers, watch and announcement. */
void file_keeper_stop(struct registry_writer *w);

/* Makes the file what keys say. On failure the class is one that is worth another try. */
int file_keeper_store(struct registry_writer *w, struct err *e) WARN_UNUSED;

/* READY → BROKEN; the events follow with file_keeper_tell_broken(), from the loop. */
void file_keeper_break(struct registry_writer *w, const struct err *why);
void file_keeper_tell_broken(struct registry_writer *w);

void file_writer_set_state(struct registry_writer *w, enum file_writer_state state);
const char *file_writer_state_name(const struct registry_writer *w);
