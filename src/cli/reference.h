#pragma once
/*
 * The reference of all commands and options in the forms that documentation needs, from the tables that
 * the parser uses: docs/options.md and the manual page are this output.
 */
#include <stdio.h>

void reference_markdown(FILE *out);
void reference_man(FILE *out);
