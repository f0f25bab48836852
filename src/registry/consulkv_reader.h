#pragma once
#include "tidewaiter/registry.h"

extern const struct registry_reader_ops consulkv_reader_ops;
