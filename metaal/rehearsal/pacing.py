"""How far a long work is: a bar in a terminal, a line now and then in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

EVERY = 30.0
"""Seconds between two lines where nobody watches a terminal."""


def pace(title: str, total: int, *, every: float = EVERY) -> tuple[Callable[[int, int, str], None], Callable[[], None]]:
    """Start showing progress with the time left, on standard error.

    Parameters
    ----------
    title : str
    total : int
        Pieces of work.
    every : float
        Seconds between two lines, where standard error is not a terminal.

    Returns
    -------
    update : callable (done, total, what)
    stop : callable
    """
    if sys.stderr.isatty():
        from metaal.progress import bar

        update, stop = bar(title, total)
        return (lambda done, total, what: update(done, what)), stop
    begun = last = time.monotonic()
    first: int | None = None

    def line(done: int, total: int, what: str) -> None:
        nonlocal last, first
        now = time.monotonic()
        # What was there before this call took no time, and must not make the rest look quick.
        first = done - 1 if first is None else first
        if now - last >= every or done == total:
            last = now
            left = (now - begun) / max(done - first, 1) * (total - done)
            print(f"{title}: {done} of {total}, {spoken(left)} left ({what})", file=sys.stderr, flush=True)

    return line, lambda: None


def spoken(seconds: float) -> str:
    """A duration in two words.

    Examples
    --------
    >>> spoken(42), spoken(200), spoken(9000)
    ('42 s', '3 min 20 s', '2 h 30 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
