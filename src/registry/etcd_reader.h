#pragma once
/* The reader's half of the etcd driver. */
#include "tidewaiter/registry.h"

extern const struct registry_reader_ops etcd_reader_ops;
