"""Progress bars for people, on standard error; silent where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Update(Protocol):
    """Says how far the work is."""

    def __call__(self, done: int, what: str, total: int | None = None) -> None:
        """Show `done`, and what is being done; `total` may be learnt on the way."""
        ...


@contextmanager
def watched(title: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while something long is done; give it (done, total)."""
    update, stop = bar(title, 1)
    try:
        yield lambda done, total: update(done, unit, total=max(total, 1))
    finally:
        stop()


def bar(title: str, total: int) -> tuple[Update, Callable[[], None]]:
    """Start a progress bar with the time left.

    Returns
    -------
    update : callable (done, what, total=None)
    stop : callable
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(file=sys.stderr)
    progress = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[what]}"),
        console=console,
        disable=not console.is_terminal,
    )
    progress.start()
    task = progress.add_task(title, total=total, what="")

    def update(done: int, what: str, total: int | None = None) -> None:
        progress.update(task, completed=done, what=what, total=total)

    return update, progress.stop
