#pragma once
/*
 * What is asked of an output file. Putting it there is live.h's, and outputs.h's for several.
 */
#include "base/fs.h"

#include <stdbool.h>
#include <sys/types.h>

#define TARGET_OWNER_KEEP FS_OWNER_KEEP /* that of the file in place, else of this process */
#define TARGET_GROUP_KEEP FS_GROUP_KEEP

struct target_config {
    const char *path;
    mode_t mode; /* or FS_MODE_KEEP */
    uid_t owner; /* or TARGET_OWNER_KEEP */
    gid_t group; /* or TARGET_GROUP_KEEP */
    bool backup; /* the file from before the last change stays as "<real path>.bak" */
};
