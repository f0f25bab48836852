/*
 * What the shared rows of the option tables point at.
 */
#include "config/common_settings.h"

#include "config/agent_settings.h"
#include "config/mapping_settings.h"
#include "config/render_settings.h"
#include "config/sections.h"

#include <stddef.h>

const char *const COMMON_LOG_LEVELS[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug", NULL};
const char *const COMMON_LOG_FORMATS[] = {[LOG_TEXT] = "text", [LOG_JSON] = "json", NULL};

const char *const MAPPING_NAME_SOURCES[] = {[SETTING_NAME_IMAGE] = "image",
                                            [SETTING_NAME_COMPOSE] = "compose",
                                            [SETTING_NAME_CONTAINER] = "container",
                                            NULL};
const char *const MAPPING_HEALTH_MODES[] = {[SETTING_HEALTH_GATE] = "gate",
                                            [SETTING_HEALTH_MARK] = "mark",
                                            [SETTING_HEALTH_IGNORE] = "ignore",
                                            NULL};
const char *const MAPPING_DEREGISTER_MODES[] = {
    [SETTING_DEREGISTER_ALWAYS] = "always", [SETTING_DEREGISTER_ON_SUCCESS] = "on-success", NULL};

const struct options_command *const SECTIONS[] = {&agent_command, &render_command, NULL};
