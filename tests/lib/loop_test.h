#pragma once
/*
 * Helpers of loop tests: run the loop until a condition holds, and prove that it ends empty.
 */
#include "io/loop.h"

#define LOOP_DEADLINE 10000u /* ms; far above what any condition takes on a slow, sanitized build */

/* A new loop; fails the test when it cannot be made. */
struct io *loop_open(void);

/* Runs until no handle, timer or request is left (else fails, listing what is open), then frees it. */
void loop_close(struct io *io);

/*
 * Turns the loop until `cond`, an expression, is true. When LOOP_DEADLINE passes first, the test fails
 * and prints the expression and where it stands.
 */
#define loop_until(io, cond)        loop_until_ms(io, LOOP_DEADLINE, cond)
#define loop_until_ms(io, ms, cond) loop_wait_(io, ms, false, cond)

/*
 * The same for what changes outside of the loop (a process has gone, a file is there): looks every few
 * milliseconds. Not for anything the loop itself brings about, because it would hide a lost wake-up.
 */
#define loop_until_outside(io, cond) loop_wait_(io, LOOP_DEADLINE, true, cond)

#define loop_wait_(io, ms, look, cond)                                                             \
    do {                                                                                           \
        struct loop_wait *loop_w_ = loop_wait_begin(io, ms, look, #cond, __FILE__, __LINE__);      \
        while (!(cond)) {                                                                          \
            loop_wait_turn(loop_w_);                                                               \
        }                                                                                          \
        loop_wait_end(loop_w_);                                                                    \
    } while (0)

/* The parts of the above. */
struct loop_wait;
struct loop_wait *loop_wait_begin(struct io *io, msec_t ms, bool look, const char *what,
                                  const char *file, int line);
void loop_wait_turn(struct loop_wait *w);
void loop_wait_end(struct loop_wait *w);

/* A temporary folder for this test; loop_rmdir() removes it with its contents and frees the name. */
char *loop_mkdir(void);
void loop_rmdir(char *dir);
