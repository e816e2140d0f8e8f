"""What the contract checks of the rehearsal share: saying what is wrong, and what nobody may touch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


def say(condition: Any, reason: str) -> None:
    """Raise AssertionError unless the condition holds; no assert statement, since it must work under python -O."""
    if not condition:
        raise AssertionError(reason)


@contextmanager
def global_generator_unused() -> Iterator[None]:
    """Numpy's global generator must be as it was: what is drawn from it repeats for nobody."""
    before = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    yield
    after = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    say(before == after, "it drew from numpy's global generator; draw from the seed or the generator that is passed")


def run_all(checks: dict[str, Any], what: str, *arguments: Any) -> None:
    """Run every check; the first failure is raised with the check's name in front."""
    for name, check in checks.items():
        try:
            check(*arguments)
        except AssertionError as error:
            raise AssertionError(f"{what} fails {name}: {error}") from error
