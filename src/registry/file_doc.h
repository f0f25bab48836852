#pragma once
/*
 * The document of the embedded registry, one JSON file:
 *
 *   {"version":1,"node":"node1","ttl":30,"revision":7,"services":[
 *   {"host":"10.0.0.5",...},
 *   {...}
 *   ]}
 *
 * with the records (json form of record.h) sorted by name, then id. Pure.
 */
#include "tidewaiter/err.h"
#include "tidewaiter/table.h"

#include <stdint.h>

struct buf;

#define FILE_DOC_VERSION  1
#define FILE_DOC_MAX      (256u << 20) /* bytes; 10,000 services have about 4 MB */
#define FILE_DOC_TTL_MAX  31536000     /* a year */
#define FILE_DOC_NODE_MAX 255

struct file_doc {
    char node[FILE_DOC_NODE_MAX + 1]; /* who wrote it; cut where it is longer */
    unsigned ttl_s;
    int64_t revision;
    struct table services;
};

#define FILE_DOC_NULL                                                                              \
    {                                                                                              \
        .ttl_s = 0                                                                                 \
    }

void file_doc_deinit(struct file_doc *doc); /* idempotent */

/*
 * Reads a whole document into ret. Records that cannot be read are left out and told to skipped (which
 * may be NULL), with "name/id" or "services[N]" as key. -EINVAL, ERR_INVALID, with the reason, for what
 * is no document of this version.
 */
int file_doc_decode(struct file_doc *ret, const char *text, size_t len,
                    void (*skipped)(void *ctx, const char *key, const struct err *why), void *ctx,
                    struct err *e) WARN_UNUSED;

/* Appends a document: begin, then the records in order, then end. first: there is none before it. */
void file_doc_begin(struct buf *out, const char *node, unsigned ttl_s, int64_t revision);
void file_doc_add(struct buf *out, bool first, const char *record, size_t len);
void file_doc_end(struct buf *out);
