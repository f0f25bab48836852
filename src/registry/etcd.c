/*
 * The etcd driver: its two halves under one name. What they share is in etcd_client.c (calls),
 * etcd_watch.c (streams) and the pure codecs beside them; they share no state.
 */
#include "registry/etcd_reader.h"
#include "registry/etcd_writer.h"

const struct registry_driver registry_etcd = {
    .name = "etcd",
    .writer = &etcd_writer_ops,
    .reader = &etcd_reader_ops,
};
