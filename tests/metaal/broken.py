"""A played run that is broken off again and again, and goes on each time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import metaal
from metaal.rehearsal import Task, Trace, play
from metadata_store import open_store


def timeless(curve: pd.DataFrame) -> pd.DataFrame:
    """Return a curve without what is measured in seconds."""
    return curve[[column for column in curve if not str(column).startswith("cost.")]]


def play_broken_off(policy: str, task: Task, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Trace:
    """Play a task whose run fails after every third call, until it is through; return what it measured."""

    class Broken(Exception):
        pass

    calls = {"left": 0}
    for name in ("ask", "tell", "report", "end"):
        original = getattr(metaal.Run, name)

        def call(self: Any, *args: Any, _original: Any = original, **words: Any) -> Any:
            calls["left"] -= 1
            if calls["left"] < 0:
                raise Broken
            return _original(self, *args, **words)

        monkeypatch.setattr(metaal.Run, name, call)
    breaks = 0
    with open_store(folder) as store:
        while True:
            calls["left"] = 3
            try:
                trace = play(policy, task, store=store)
                break
            except Broken:
                breaks += 1
    assert breaks >= 3
    return trace
