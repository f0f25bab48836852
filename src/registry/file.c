/*
 * The embedded registry: one JSON file for one host, without a server. The document is in file_doc.h,
 * who keeps it in file_keeper.c, who reads it in file_reader.c.
 */
#include "registry/file.h"

const struct registry_driver registry_file = {
    .name = "file",
    .writer = &file_writer_ops,
    .reader = &file_reader_ops,
};
