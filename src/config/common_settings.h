#pragma once
/*
 * Settings that several commands share, each with its rows of the option table. The macros take the
 * command's settings struct and the member that holds the shared struct.
 */
#include "base/log.h"
#include "config/options.h"

/* ---- every command ---- */

struct common_settings {
    const char *config; /* the file that was read, or NULL */
    bool check_config, help, version;
    enum log_level log_level;
    enum log_format log_format;
};

extern const char *const COMMON_LOG_LEVELS[];
extern const char *const COMMON_LOG_FORMATS[];

/* types and members as macro arguments: NOLINTBEGIN(bugprone-macro-parentheses) */
#define COMMON_GROUP "Configuration and logging"

#define COMMON_OPTIONS(settings, member)                                                           \
    {.name = "config",                                                                             \
     .type = OPTION_STRING,                                                                        \
     .flags = OPTION_NO_FILE,                                                                      \
     .offset = offsetof(struct settings, member.config),                                           \
     .group = COMMON_GROUP,                                                                        \
     .value_name = "FILE",                                                                         \
     .default_words = OPTIONS_DEFAULT_FILE " where it exists",                                     \
     .help = "read settings from this YAML file"},                                                 \
        {.name = "check-config",                                                                   \
         .type = OPTION_BOOL,                                                                      \
         .flags = OPTION_NO_FILE | OPTION_NO_ENV,                                                  \
         .offset = offsetof(struct settings, member.check_config),                                 \
         .group = COMMON_GROUP,                                                                    \
         .help = "print the effective settings with where each came from, and exit"},              \
        {.name = "log-level",                                                                      \
         .type = OPTION_ENUM,                                                                      \
         .offset = offsetof(struct settings, member.log_level),                                    \
         .group = COMMON_GROUP,                                                                    \
         .default_value = "info",                                                                  \
         .choices = COMMON_LOG_LEVELS,                                                             \
         .help = "least important level that is logged to stderr"},                                \
        {.name = "log-format",                                                                     \
         .type = OPTION_ENUM,                                                                      \
         .offset = offsetof(struct settings, member.log_format),                                   \
         .group = COMMON_GROUP,                                                                    \
         .default_value = "text",                                                                  \
         .choices = COMMON_LOG_FORMATS,                                                            \
         .help = "key=value text, or one JSON object a line"},                                     \
        {.name = "help",                                                                           \
         .letter = 'h',                                                                            \
         .type = OPTION_BOOL,                                                                      \
         .flags = OPTION_NO_FILE | OPTION_NO_ENV | OPTION_STOPS,                                   \
         .offset = offsetof(struct settings, member.help),                                         \
         .group = COMMON_GROUP,                                                                    \
         .help = "print this text and exit"},                                                      \
    {                                                                                              \
        .name = "version", .type = OPTION_BOOL,                                                    \
        .flags = OPTION_NO_FILE | OPTION_NO_ENV | OPTION_STOPS,                                    \
        .offset = offsetof(struct settings, member.version), .group = COMMON_GROUP,                \
        .help = "print the version and exit"                                                       \
    }

/* ---- commands that talk to an engine ---- */

struct docker_settings {
    const char *url; /* NULL: /var/run/docker.sock */
    bool tls_verify;
    const char *cert_path;
};

#define DOCKER_GROUP "Docker"

#define DOCKER_OPTIONS(settings, member)                                                           \
    {.name = "docker",                                                                             \
     .type = OPTION_STRING,                                                                        \
     .offset = offsetof(struct settings, member.url),                                              \
     .group = DOCKER_GROUP,                                                                        \
     .value_name = "URL",                                                                          \
     .default_words = "unix:///var/run/docker.sock",                                               \
     .env = "DOCKER_HOST",                                                                         \
     .help = "the engine, unix:///PATH or tcp://HOST:PORT"},                                       \
        {.name = "docker-tls-verify",                                                              \
         .type = OPTION_BOOL,                                                                      \
         .offset = offsetof(struct settings, member.tls_verify),                                   \
         .group = DOCKER_GROUP,                                                                    \
         .env = "DOCKER_TLS_VERIFY",                                                               \
         .help = "use TLS, and check the engine's certificate"},                                   \
    {                                                                                              \
        .name = "docker-cert-path", .type = OPTION_STRING,                                         \
        .offset = offsetof(struct settings, member.cert_path), .group = DOCKER_GROUP,              \
        .value_name = "DIR", .env = "DOCKER_CERT_PATH",                                            \
        .help = "folder with ca.pem, cert.pem and key.pem; its presence asks for TLS"              \
    }
/* NOLINTEND(bugprone-macro-parentheses) */
