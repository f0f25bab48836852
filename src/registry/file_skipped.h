#pragma once
/*
 * Which unreadable records were reported already, so that each is reported once and not with every
 * change of another record. A record counts as the same while its key and the reason are. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file_skipped {
    uint64_t *before; /* digests of the last document, sorted */
    size_t n_before;
    uint64_t *now;
    size_t n_now, cap_now;
};

void file_skipped_deinit(struct file_skipped *s); /* idempotent */

void file_skipped_begin(struct file_skipped *s); /* a document begins */
bool file_skipped_is_new(struct file_skipped *s, const char *key, const char *why);
void file_skipped_end(struct file_skipped *s); /* it was read to its end: it is the last one now */
