"""Grids of tasks: data sets × learners × regimes × batches × seeds, in full or as a balanced fraction."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from metaal.errors import TaskError
from metaal.randomness import generator

if TYPE_CHECKING:
    from metaal.rehearsal.task import Task


@dataclass(frozen=True)
class Where:
    """Which sets of a manifest a grid takes; what is empty lets all through.

    Parameters
    ----------
    domain, exclude : tuple of str
        Domains to take (tabular, text, image, timeseries, synthetic); names to leave out.
    rows, features, classes : (least, most)
        Bounds, both included.
    """

    domain: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    rows: tuple[float, float] = (0, math.inf)
    features: tuple[float, float] = (0, math.inf)
    classes: tuple[float, float] = (0, math.inf)


@dataclass(frozen=True)
class Grid:
    """One block of a suite.

    Parameters
    ----------
    task : str
        ``"classification"`` or ``"regression"``.
    data : tuple of str
        What `load_data` reads: built-in names, paths, ``openml:ID``.
    manifest : str
        File in the data folder whose sets come after those of ``data``; empty for none.
    where : Where
    learners, regimes : tuple of str
    batches : tuple of int
    budget, loops : int
        Labels to ask for, or loops of plain batches (labels = loops × batch); one of them is 0.
    initial : int
        Labels known at first; 0 means twice the number of classes.
    design : str
        ``"full"``: every combination with every seed. ``"fractional"``: every data set meets ``cells`` combinations in
        which learners, regimes, batches and seeds are balanced.
    cells : int
        Combinations a data set, for the fraction.
    rows_per_batch : int
        A set that has not so many rows for every row of a batch is played with the largest batch that it allows, or
        the smallest of the grid; 0 lets all through.
    """

    task: str = "classification"
    data: tuple[str, ...] = ()
    manifest: str = ""
    where: Where = Where()
    learners: tuple[str, ...] = ("logistic",)
    regimes: tuple[str, ...] = ("clean",)
    batches: tuple[int, ...] = (10,)
    budget: int = 0
    loops: int = 0
    initial: int = 0
    design: str = "full"
    cells: int = 0
    rows_per_batch: int = 0

    def sets(self, folder: str | Path) -> list[tuple[str, int]]:
        """Text of each data set for `load_data`, and its rows (0 where no manifest tells).

        Raises
        ------
        TaskError
            The manifest is missing, or nothing in it is wanted.
        """
        from metaal.rehearsal.sources import builtin_names, sources

        folder = Path(folder).resolve()  # workers may have another current directory
        built_in = set(builtin_names())
        named = [text if text in built_in or ":" in text else str(folder / text) for text in self.data]
        found = [(text, 0) for text in named]
        if self.manifest:
            path = folder / self.manifest
            if not path.is_file():
                raise TaskError(
                    f"{path}: there is no such manifest; pass --data FOLDER (data=), the folder that holds it and its "
                    "files; docs/rehearsal.md says how to make it"
                )
            kind = "clf" if self.task == "classification" else "reg"
            chosen = [s for s in sources(path, use="yes", task=kind) if self._wants(s)]
            if not chosen:
                raise TaskError(f"{path}: no set in it is a {self.task} that the suite's where lets through")
            found += [(source.spec, int(source.rows)) for source in chosen]
        return found

    def tasks(self, folder: str | Path, seeds: Sequence[int], stream: str) -> Iterator[Task]:
        """Every task of the grid, data set by data set.

        Parameters
        ----------
        folder : str, Path
            Where the manifest and its files lie.
        seeds : sequence of int
        stream : str
            Name that the fraction's random order derives from.
        """
        from metaal.rehearsal.task import Task

        for number, (text, rows) in enumerate(self.sets(folder)):
            for learner, regime, batch, seed in self._combinations(number, text, seeds, stream):
                batch = self._allowed(batch, rows)
                budget = self.budget or self.loops * batch
                yield Task(text, learner, batch=batch, budget=budget, initial=self.initial, seeds=seed, regime=regime)

    def _combinations(
        self, number: int, text: str, seeds: Sequence[int], stream: str
    ) -> Iterator[tuple[str, str, int, int]]:
        if self.design == "full":
            yield from itertools.product(self.learners, self.regimes, self.batches, seeds)
            return
        name = text.replace("\\", "/").rsplit("/", 1)[-1]
        rng = generator(0, f"{stream}:{name}", 0, "design")

        def dealt(count: int) -> list[int]:
            """Numbers below ``count``, each as often as any other, in random order."""
            hands = [rng.permutation(count) for _ in range(math.ceil(self.cells / count))]
            return [int(k) for hand in hands for k in hand]

        batches, numbers = dealt(len(self.batches)), dealt(len(seeds))
        for k in range(self.cells):
            learner, regime = pair(number * self.cells + k, len(self.learners), len(self.regimes))
            yield self.learners[learner], self.regimes[regime], self.batches[batches[k]], seeds[numbers[k]]

    def _allowed(self, batch: int, rows: int) -> int:
        if not (rows and self.rows_per_batch) or batch * self.rows_per_batch <= rows:
            return batch
        fitting = [b for b in self.batches if b * self.rows_per_batch <= rows]
        return max(fitting, default=min(self.batches))

    def _wants(self, source: object) -> bool:
        where = self.where
        inside = all(
            low <= float(getattr(source, name)) <= high
            for name, (low, high) in (("rows", where.rows), ("features", where.features), ("classes", where.classes))
            if (low, high) != (0, math.inf)
        )
        domain = not where.domain or getattr(source, "domain", "") in where.domain
        return inside and domain and getattr(source, "name", "") not in where.exclude


def pair(t: int, a: int, b: int) -> tuple[int, int]:
    """The t-th of all pairs of numbers below a and b, in an order in which every stretch has both in balance.

    Examples
    --------
    >>> [pair(t, 2, 4) for t in range(8)]
    [(0, 0), (1, 1), (0, 2), (1, 3), (0, 1), (1, 2), (0, 3), (1, 0)]
    """
    # Both count up together; once they would repeat, the second is moved on by one.
    return t % a, (t + t // math.lcm(a, b)) % b


def distinct(tasks: Sequence[Task]) -> list[Task]:
    """The tasks without repeats: a batch that was cut to the rows may meet one that was asked for."""
    return list({task.stream: task for task in tasks}.values())
