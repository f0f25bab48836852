#pragma once
/*
 * What nginx's error log says about a reload. Pure.
 *
 *     2026/01/02 03:04:05 [emerg] 123#123: unknown directive "x" in /etc/nginx/nginx.conf:7
 */
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Why the process pid has given up most recently: the last [emerg] line of it, or, where that only
 * ends the tries to bind ("still could not bind()"), the different ones of those tries. Appended to
 * said, each as nginx prints it where it has no log, "nginx: [emerg] text\n". Returns their number; 0:
 * no such line, or it is still trying. pid 0: of any process.
 */
size_t nginx_log_refusal(const char *text, size_t len, pid_t pid, struct buf *said);

/*
 * The last [emerg] or [alert] line of pid, or of anybody but pid, in the same form: where there is no
 * refusal in so many words (no shared memory left), and of workers that could not start.
 */
size_t nginx_log_last(const char *text, size_t len, pid_t pid, bool others, struct buf *said);

/*
 * A worker was ended by a signal, so that another one has been begun; or nginx is still trying to bind.
 * Either way new workers alone do not say that it has taken its configuration.
 */
bool nginx_log_unsettled(const char *text, size_t len);
