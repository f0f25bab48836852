#pragma once
/*
 * The sections that a configuration file may have. Ends with NULL.
 */
#include "config/options.h"

extern const struct options_command *const SECTIONS[];
