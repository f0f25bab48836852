#pragma once
/*
 * Invariants of this program, checked in every build. must() is for what only a bug can break; what
 * others send is validated with errors instead.
 */
__attribute__((noreturn, cold)) void must_fail(const char *what, const char *file, int line);

#define must(x)                                                                                    \
    do {                                                                                           \
        if (__builtin_expect(!(x), 0)) {                                                           \
            must_fail(#x, __FILE__, __LINE__);                                                     \
        }                                                                                          \
    } while (0)
