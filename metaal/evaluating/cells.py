"""Which cells an evaluation is made of: every task with every seed, in an order that is fair at any time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from metaal.errors import InputError
from metaal.randomness import generator
from metaal.rehearsal import Suite, Task, read_suite
from metaal.rehearsal.grids import distinct
from metaal.rehearsal.shards import matching, read_shard, sharded

SEEDS = range(5)
"""Where neither the caller nor the suite names any."""


def cells_of(
    tasks: Sequence[Task] | None,
    seeds: Iterable[int] | None,
    *,
    suite: str | Path | Suite | None = None,
    data: str | Path | None = None,
) -> list[Task]:
    """Every task with every seed, task by task.

    Parameters
    ----------
    tasks : sequence of Task, optional
        Or a ``suite``.
    seeds : iterable of int, optional
        Default: those of the suite, as its design deals them; for ``tasks`` 0 to 4.
    suite : str, Path or Suite, optional
        As `metaal.rehearse` takes it.
    data : str, Path, optional
        Folder of the suite's manifests and files.

    Raises
    ------
    InputError
        Nothing is left to be played, both or neither of ``tasks`` and ``suite`` were given, or a task with its seed is
        there twice.
    """
    if (tasks is None) == (suite is None):
        raise InputError("evaluate: pass either tasks or suite")
    if data is not None and suite is None:
        raise InputError("evaluate: data is the folder of a suite's files, and there is no suite; pass suite=")
    numbers = None if seeds is None else list(seeds)
    if numbers is not None and not numbers:
        raise InputError("evaluate: got 0 seeds; pass at least one")
    if suite is not None:
        found = read_suite(suite).tasks(data)
        if numbers is not None:
            plain = distinct([task.with_seed(0) for task in found])
            found = [task.with_seed(seed) for task in plain for seed in numbers]
    else:
        found = [task.with_seed(seed) for task in tasks or () for seed in (SEEDS if numbers is None else numbers)]
    if not found:
        raise InputError("evaluate: no tasks; pass at least one")
    names = [cell.stream for cell in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"evaluate: tasks or seeds repeat ({twice}); give data sets of one name different names")
    return found


def chosen(cells: Sequence[Task], *, shard: str = "1/1", only: str = "*") -> list[Task]:
    """The cells of one shard whose names match, in the order in which they are played.

    The order is drawn once for all, so that what is done at any time is a fair sample of the whole, and every shard is.
    """
    part = read_shard(shard)
    order = generator(0, "evaluation", 0, "order").permutation(len(cells))
    mixed = [cells[k] for k in order]
    found = sharded(mixed if only == "*" else matching(mixed, [cell.stream for cell in mixed], only), part)
    if not found:
        raise InputError(f"shard: {shard} of {len(cells)} cells is empty; use fewer shards")
    return found
