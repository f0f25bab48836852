#pragma once
/*
 * How containers become services: what agent and explain share. The values' meaning is mapping's; the
 * enums here count as its own do.
 */
#include "config/options.h"

enum setting_name_from { SETTING_NAME_IMAGE, SETTING_NAME_COMPOSE, SETTING_NAME_CONTAINER };
enum setting_health { SETTING_HEALTH_GATE, SETTING_HEALTH_MARK, SETTING_HEALTH_IGNORE };
enum setting_deregister { SETTING_DEREGISTER_ALWAYS, SETTING_DEREGISTER_ON_SUCCESS };

struct mapping_settings {
    const char *node; /* NULL: the engine's name, else the host's */
    const char *ip;   /* NULL: source address of the default route */
    bool internal;
    const char *network; /* NULL: the first by name */
    bool explicit_only;
    struct option_list filter; /* unchecked: see mapping_filter_check() */
    enum setting_name_from name_from;
    const char *tags; /* NULL: none; unchecked: see mapping_tags_check() */
    enum setting_health health;
    enum setting_deregister deregister;
};

extern const char *const MAPPING_NAME_SOURCES[];
extern const char *const MAPPING_HEALTH_MODES[];
extern const char *const MAPPING_DEREGISTER_MODES[];

/* types and members as macro arguments: NOLINTBEGIN(bugprone-macro-parentheses) */
#define MAPPING_GROUP "Services"

#define MAPPING_OPTIONS(settings, member)                                                          \
    {.name = "node",                                                                               \
     .type = OPTION_STRING,                                                                        \
     .offset = offsetof(struct settings, member.node),                                             \
     .group = MAPPING_GROUP,                                                                       \
     .value_name = "NAME",                                                                         \
     .default_words = "the engine's host name, else this host's",                                  \
     .help = "first part of every id"},                                                            \
        {.name = "ip",                                                                             \
         .type = OPTION_STRING,                                                                    \
         .offset = offsetof(struct settings, member.ip),                                           \
         .group = MAPPING_GROUP,                                                                   \
         .value_name = "ADDR|IFACE|CIDR",                                                          \
         .default_words = "source address of the default route",                                   \
         .help = "address for ports that are published on every address"},                         \
        {.name = "internal",                                                                       \
         .type = OPTION_BOOL,                                                                      \
         .offset = offsetof(struct settings, member.internal),                                     \
         .group = MAPPING_GROUP,                                                                   \
         .help = "register the container's address and port"},                                     \
        {.name = "network",                                                                        \
         .type = OPTION_STRING,                                                                    \
         .offset = offsetof(struct settings, member.network),                                      \
         .group = MAPPING_GROUP,                                                                   \
         .value_name = "NAME",                                                                     \
         .default_words = "the first by name",                                                     \
         .help = "network whose address counts, where a container is in several"},                 \
        {.name = "explicit",                                                                       \
         .type = OPTION_BOOL,                                                                      \
         .offset = offsetof(struct settings, member.explicit_only),                                \
         .group = MAPPING_GROUP,                                                                   \
         .help = "register only ports with a name given to them"},                                 \
        {.name = "filter",                                                                         \
         .type = OPTION_LIST,                                                                      \
         .offset = offsetof(struct settings, member.filter),                                       \
         .group = MAPPING_GROUP,                                                                   \
         .value_name = "KEY=VALUE",                                                                \
         .help = "register only containers that match label=, name=, network= or image=, shell "   \
                 "globs"},                                                                         \
        {.name = "name-from",                                                                      \
         .type = OPTION_ENUM,                                                                      \
         .offset = offsetof(struct settings, member.name_from),                                    \
         .group = MAPPING_GROUP,                                                                   \
         .default_value = "image",                                                                 \
         .choices = MAPPING_NAME_SOURCES,                                                          \
         .help = "what a service without a name of its own is called after"},                      \
        {.name = "tags",                                                                           \
         .type = OPTION_STRING,                                                                    \
         .offset = offsetof(struct settings, member.tags),                                         \
         .group = MAPPING_GROUP,                                                                   \
         .value_name = "LIST",                                                                     \
         .help = "comma-separated tags for every service"},                                        \
        {.name = "health",                                                                         \
         .type = OPTION_ENUM,                                                                      \
         .offset = offsetof(struct settings, member.health),                                       \
         .group = MAPPING_GROUP,                                                                   \
         .default_value = "gate",                                                                  \
         .choices = MAPPING_HEALTH_MODES,                                                          \
         .help = "a container with a HEALTHCHECK is registered only while healthy, or with its "   \
                 "status, or as any other"},                                                       \
    {                                                                                              \
        .name = "deregister", .type = OPTION_ENUM,                                                 \
        .offset = offsetof(struct settings, member.deregister), .group = MAPPING_GROUP,            \
        .default_value = "always", .choices = MAPPING_DEREGISTER_MODES,                            \
        .help = "remove the services of a container that has ended always, or only after exit "    \
                "status 0"                                                                         \
    }
/* NOLINTEND(bugprone-macro-parentheses) */
