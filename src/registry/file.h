#pragma once
/*
 * The embedded registry's two halves, put together in file.c.
 */
#include "tidewaiter/registry.h"

extern const struct registry_writer_ops file_writer_ops;
extern const struct registry_reader_ops file_reader_ops;
