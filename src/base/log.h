#pragma once
/*
 * Log lines on stderr: `key=value` text or JSON, one line each, values quoted where needed, so that
 * nothing a container says can forge a line.
 *
 *     log_info("registered", "service", svc->s.name, "id", svc->s.id, NULL);
 *     -> 2026-01-02T03:04:05.678Z level=info msg=registered service=web id=node1:web-1:80
 *
 * Keys are literals, values are strings (NULL is printed as empty); the list ends with NULL. Only
 * src/agent, src/renderer and src/cli log above debug level.
 */
#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

void log_setup(enum log_level level, enum log_format format);
bool log_enabled(enum log_level level);

/* fd that lines go to; 2 unless a test says otherwise. */
void log_set_fd(int fd);

void log_write(enum log_level level, const char *msg, ...) __attribute__((sentinel));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (log_enabled(LOG_DEBUG)) {                                                              \
            log_write(LOG_DEBUG, __VA_ARGS__);                                                     \
        }                                                                                          \
    } while (0)

/* Numbers as values: LOG_U(n) is text that lives until the end of the full expression. */
struct log_num {
    char text[32];
};
struct log_num log_num_u64(unsigned long long v);
#define LOG_U(v) (log_num_u64((unsigned long long)(v)).text)
