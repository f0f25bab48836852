/*
 * The Consul driver: its two halves under one name. What they share is in consul_client.c (calls) and
 * the pure codecs beside it; they share no state.
 */
#include "registry/consul_reader.h"
#include "registry/consul_writer.h"

const struct registry_driver registry_consul = {
    .name = "consul",
    .writer = &consul_writer_ops,
    .reader = &consul_reader_ops,
};
