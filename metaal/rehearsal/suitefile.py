"""Suites: which tasks are rehearsed, with which seeds, actions and branches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from metaal.actions import Policy
from metaal.errors import TaskError
from metaal.policies import Learned, read_policy
from metaal.rehearsal.branching import Branches
from metaal.rehearsal.exploring import Exploring
from metaal.rehearsal.grids import Grid, distinct
from metadata_store.errors import nearest

if TYPE_CHECKING:
    from metaal.rehearsal.task import Task

SUITES = ("tiny", "small", "train", "dev")
"""Suites that ship with the package, from seconds to days; the last two need a folder of data."""


@dataclass(frozen=True)
class Suite:
    """Tasks, and what is done with them.

    Parameters
    ----------
    name, about : str
    grids : tuple of Grid
    seeds : tuple of int
    branches : mapping
        Kind of task → the branches that are made of its runs.
    explore : float
        Probability with which the behaviour policy draws from all actions alike; see `Exploring`.
    behaviour : str
        Policy that plays the runs of classes instead of `Exploring`, such as ``"learned"`` or the path of a .metaal
        file, so that branches are made at the states which it reaches itself (DAgger). A learned policy draws from all
        actions alike with the probability ``explore``.
    apart : str
        Manifest in the data folder of which no family may be in the suite; empty for none.
    folder : str
        Where data files are looked for when no other folder is given.
    """

    name: str
    grids: tuple[Grid, ...]
    about: str = ""
    seeds: tuple[int, ...] = (0,)
    branches: Mapping[str, Branches] = field(default_factory=dict)
    explore: float = 0.5
    behaviour: str = ""
    apart: str = ""
    folder: str = "."

    def tasks(self, data: str | Path | None = None) -> list[Task]:
        """Every task with its seed, without repeats.

        Parameters
        ----------
        data : str, Path, optional
            Folder of the manifests and their files. Default: that of the suite file.

        Raises
        ------
        TaskError
            Data are missing, or share a family with the manifest that is to be kept apart.
        """
        folder = self.folder if data is None else data
        found = [
            task
            for number, grid in enumerate(self.grids)
            for task in grid.tasks(folder, self.seeds, f"{self.name}:{number}")
        ]
        self._keep_apart(folder)
        return distinct(found)

    def plan(self, kind: str) -> Branches:
        """The branches of one kind of task."""
        return self.branches[kind]

    def policy(self, kind: str) -> Policy:
        """The behaviour policy of one kind of task."""
        plan = self.plan(kind)
        if self.behaviour and kind == "classification":
            policy = read_policy(self.behaviour)
            return policy.exploring(self.explore) if isinstance(policy, Learned) else policy
        return Exploring(plan.strategies, plan.multipliers, plan.default, self.explore, plan.further)

    @property
    def hash(self) -> str:
        """What the suite says, as 16 hexadecimal digits; ``about`` and the place of the file are left out."""
        silent = ("about", "folder") if self.behaviour else ("about", "folder", "behaviour")
        said = {name: value for name, value in asdict(self).items() if name not in silent}
        text = json.dumps(said, sort_keys=True, default=str)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def _keep_apart(self, folder: str | Path) -> None:
        """Refuse families of the other manifest; where that is not at hand there is nothing to be checked."""
        if not self.apart or not (Path(folder) / self.apart).is_file():
            return
        from metaal.rehearsal.sources import sources

        folder = Path(folder).resolve()
        others = {source.family for source in sources(folder / self.apart, use=None)}
        for grid in self.grids:
            if grid.manifest:
                specs = {text for text, _ in grid.sets(folder)}
                mine = {s.family: s.name for s in sources(folder / grid.manifest, use=None) if s.spec in specs}
                both = sorted(set(mine) & others)
                if both:
                    raise TaskError(
                        f"suite {self.name!r}: {len(both)} families are in {grid.manifest} and in {self.apart}, which "
                        f"it is to be kept apart from (first: {both[0]!r}, set {mine[both[0]]!r}); what is measured "
                        "on a family that was trained on means nothing. Give one of the sets another use or split"
                    )


def read_suite(suite: str | Path | Suite) -> Suite:
    """Read a suite.

    Parameters
    ----------
    suite : str, Path or Suite
        The name of a suite that ships with the package, or the path of a TOML file.

    Raises
    ------
    TaskError
        There is no such suite, or something in it cannot be; the message names the key and what is near.

    Examples
    --------
    >>> suite = read_suite("tiny")
    >>> len(suite.tasks()), suite.plan("classification").horizon
    (4, 3)
    """
    from metaal.rehearsal.suitetext import parse_suite

    if isinstance(suite, Suite):
        return suite
    if isinstance(suite, str) and suite in SUITES:
        text = (resources.files("metaal.rehearsal") / "suites" / f"{suite}.toml").read_text(encoding="utf-8")
        return parse_suite(text, where=f"suite {suite}")
    path = Path(suite)
    if not path.is_file():
        raise TaskError(
            f"no suite {str(suite)!r}; {nearest(str(suite), SUITES)} Expected one of {', '.join(SUITES)}, or the path "
            "of a TOML file"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"{path}: cannot be read as a suite ({error})") from error
    return replace(parse_suite(text, where=str(path)), folder=str(path.parent))


def suite(name: str | Path, data: str | Path | None = None) -> list[Task]:
    """The tasks of a suite with seed 0 alone, as `evaluate` takes them: it brings its own seeds.

    Examples
    --------
    >>> [task.name for task in suite("tiny")]
    ['iris~logistic~b4', 'wine~naive_bayes~b4']
    """
    return distinct([task.with_seed(0) for task in read_suite(name).tasks(data)])
