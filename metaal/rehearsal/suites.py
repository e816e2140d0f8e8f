"""Named lists of tasks, written down before anything is trained on or measured with them."""

from __future__ import annotations

from metaal.errors import TaskError
from metaal.rehearsal.task import Task


def _tiny() -> list[Task]:
    return [Task("iris", "logistic", batch=4, budget=16), Task("wine", "naive_bayes", batch=4, budget=16)]


def _small() -> list[Task]:
    return [
        Task(data, learner, batch=batch, budget=budget)
        for data, batch, budget in (
            ("digits", 10, 120),
            ("breast_cancer", 5, 60),
            ("wine", 4, 40),
            ("gapminder", 10, 120),
        )
        for learner in ("logistic", "extra_trees")
    ]


SUITES = {"tiny": _tiny, "small": _small}
"""Name → function that lists the tasks."""


def suite(name: str) -> list[Task]:
    """The tasks of a named suite.

    Raises
    ------
    TaskError
        There is no such suite.
    """
    if name not in SUITES:
        raise TaskError(f"no suite {name!r}; expected one of {', '.join(SUITES)}, or a list of tasks")
    return SUITES[name]()
