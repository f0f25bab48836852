/*
 * The Consul KV driver: its two halves under one name. What they share is in consul_client.c (calls) and
 * consulkv_codec.c (bodies); they share no state.
 */
#include "registry/consulkv_reader.h"
#include "registry/consulkv_writer.h"

const struct registry_driver registry_consulkv = {
    .name = "consulkv",
    .writer = &consulkv_writer_ops,
    .reader = &consulkv_reader_ops,
};
