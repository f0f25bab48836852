# shellcheck shell=bash
# Progress in short aligned lines: "[2/5] build      build/tidewaiter                       8 s".
# On a terminal the line appears when its step begins and is filled in when it ends; elsewhere each
# step prints one plain line at its end.

SAY_TOTAL=0
SAY_NUMBER=0
SAY_NAME=
SAY_SINCE=0

if [ -t 1 ] && [ -n "${TERM:-}" ] && [ "${TERM:-}" != dumb ] && [ -z "${NO_COLOR:-}" ]; then
    SAY_TTY=1
    SAY_BOLD=$'\e[1m' SAY_DIM=$'\e[2m' SAY_GREEN=$'\e[32m' SAY_RED=$'\e[31m' SAY_OFF=$'\e[0m'
else
    SAY_TTY=
    SAY_BOLD='' SAY_DIM='' SAY_GREEN='' SAY_RED='' SAY_OFF=''
fi

say_init() { # say_init TOTAL-STEPS
    SAY_TOTAL=$1
    SAY_NUMBER=0
}

say_begin() { # say_begin NAME WHAT-IS-HAPPENING
    SAY_NUMBER=$((SAY_NUMBER + 1))
    SAY_NAME=$1
    SAY_SINCE=$SECONDS
    if [ -n "$SAY_TTY" ]; then
        printf '[%d/%d] %s%-11s%s%s%s …%s' "$SAY_NUMBER" "$SAY_TOTAL" "$SAY_BOLD" "$1" "$SAY_OFF" \
            "$SAY_DIM" "$2" "$SAY_OFF"
    fi
}

say_result() { # say_result COLOUR TEXT: ends the line that say_begin began
    [ -n "$SAY_TTY" ] && printf '\r\e[K'
    printf '[%d/%d] %s%-11s%s%s%-52s%s %s%4d s%s\n' "$SAY_NUMBER" "$SAY_TOTAL" "$SAY_BOLD" \
        "$SAY_NAME" "$SAY_OFF" "$1" "$2" "$SAY_OFF" "$SAY_DIM" $((SECONDS - SAY_SINCE)) "$SAY_OFF"
}

say_done() { # say_done TEXT
    say_result '' "$1"
}

say_failed() { # say_failed TEXT [LOG]: shows the end of LOG
    say_result "$SAY_RED" "$1"
    if [ -n "${2:-}" ] && [ -s "$2" ]; then
        printf '%s--- end of %s%s\n' "$SAY_DIM" "$2" "$SAY_OFF" >&2
        tail -n 40 "$2" >&2
    fi
}

say_line() { # say_line TEXT: a detail below a step
    printf '      %-11s%s\n' '' "$1"
}
