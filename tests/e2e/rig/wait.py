"""Waiting for conditions. Tests never sleep for a fixed time."""
import time

# Generous: the binary runs under sanitizers, on machines with two busy cores. Reached only in failure.
DEADLINE = 30.0


def until(condition, what, timeout=DEADLINE, every=0.02):
    """The first true value of condition(); AssertionError with what (text, or a function that gives
    it) when there is none within timeout seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            break
        time.sleep(every)
    text = what() if callable(what) else what
    raise AssertionError(f"not within {timeout:g} s: {text}")


def until_equal(get, expected, timeout=DEADLINE, every=0.02):
    """Waits for get() == expected, and shows both when it does not come to that."""
    last = [None]

    def same():
        last[0] = get()
        return last[0] == expected

    until(same, lambda: f"got {last[0]!r}\n wanted {expected!r}", timeout, every)
