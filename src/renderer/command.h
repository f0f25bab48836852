#pragma once
/*
 * The text of --check: where it names the staged file.
 */
#include <stdbool.h>

/* It holds {{.src}} (blanks inside the braces are fine). */
bool command_names_src(const char *command);

/* A copy with every {{.src}} replaced by src, quoted for the shell where needed. Caller frees. */
char *command_with_src(const char *command, const char *src);
