#pragma once
/*
 * Gives memory back that only start-up needed.
 */

/*
 * Call it once the program is up, and after rare heavy work. Never fails; costs page faults afterwards
 * for what is touched again. See memory.c for why it is safe.
 */
void io_trim(void);
