#pragma once
/*
 * The helper's half of checking in place: a view of the file system that this process has for itself.
 */
#include "renderer/in_place.h"

/* Entries of a folder that is rebuilt for a file that is not there yet. */
#define IN_PLACE_ENTRIES_MAX 4096u

/*
 * Takes this process into a mount namespace of its own in which every live file has the bytes of its
 * staged file. The working folder is the same path as before. On failure the process is good for nothing
 * but ending; no other process sees a mount either way.
 */
int in_place_enter(const struct in_place_pair *pairs, size_t n, struct err *e) WARN_UNUSED;

/*
 * For that: covers the folder (an absolute path without symbolic links) with one in memory that shows the
 * same entries and can take new names.
 */
int in_place_rebuild(const char *folder, struct err *e) WARN_UNUSED;

/* Mounts what descriptor fd (O_PATH) stands for over path. */
int in_place_bind(int fd, const char *path, struct err *e) WARN_UNUSED;

/* Fills e with what was tried (a format) and the errno that came back, and returns that, negative. */
int in_place_fault(struct err *e, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);
