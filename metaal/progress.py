"""Progress bars for people, on standard error; silent where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable


def bar(title: str, total: int) -> tuple[Callable[[int, str], None], Callable[[], None]]:
    """Start a progress bar with the time left.

    Returns
    -------
    update : callable (done, what)
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

    def update(done: int, what: str) -> None:
        progress.update(task, completed=done, what=what)

    return update, progress.stop
