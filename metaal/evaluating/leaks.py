"""Policies are not judged on what they were trained on: data sets of one family stay on one side.

A policy carries the families that it learnt from in ``facts["families"]``; `metaal.fit` writes them, and they are kept
in its file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal

from metaal.actions import Policy
from metaal.errors import InputError, LeakError, MetaalError
from metaal.rehearsal import Dataset, Task

Leaky = Literal["refuse", "mark"]


def trained_on(policy: Any) -> frozenset[str]:
    """Families that a policy, or one that it is made of, says it was trained on.

    Examples
    --------
    >>> from metaal import Fixed
    >>> sorted(trained_on(Fixed("margin")))
    []
    """
    facts = getattr(policy, "facts", None)
    names = facts.get("families", ()) if isinstance(facts, Mapping) else ()
    if isinstance(names, str):
        names = (names,)
    found = {_key(str(name)) for name in names}
    if is_dataclass(policy):
        for field in fields(policy):
            inner = getattr(policy, field.name)
            if isinstance(inner, Policy) and inner is not policy:
                found |= trained_on(inner)
    return frozenset(found)


def leaks(policy: Any, family: str) -> bool:
    """Whether the policy was trained on this family."""
    return _key(family) in trained_on(policy)


def family_of(task: Task) -> str:
    """Family of a task's data, without reading them where a manifest says it; empty if they cannot be read.

    What is wrong with the data is said when the task is played, in its row.
    """
    from metaal.rehearsal.sources.manifest import find_source

    if isinstance(task.data, Dataset):
        return task.data.family
    if task.family:
        return task.family
    try:
        return find_source(task.data).family if "#" in task.data else task.dataset.family
    except (MetaalError, OSError):
        return ""


def refuse_leaks(policies: Mapping[str, Policy], tasks: Iterable[Task], leaky: str) -> None:
    """Check, before anything is played, that no policy was trained on a family of the tasks.

    Parameters
    ----------
    policies : mapping of str to Policy
    tasks : iterable of Task
    leaky : {"refuse", "mark"}
        Mark: nothing is refused, the rows say it.

    Raises
    ------
    LeakError
        One was.
    InputError
        ``leaky`` is another word.
    """
    if leaky not in ("refuse", "mark"):
        raise InputError(f"leaky: got {leaky!r}, expected 'refuse' or 'mark'")
    taught = {name: trained_on(policy) for name, policy in policies.items()}
    if leaky == "mark" or not any(taught.values()):
        return
    families = {task.data_name: family_of(task) for task in {task.data_name: task for task in tasks}.values()}
    for name, known in taught.items():
        met = [data for data, family in families.items() if _key(family) in known]
        if met:
            raise LeakError(refusal(name, met, len(families)))


def refusal(policy: str, met: list[str], of: int) -> str:
    """The sentence of a `LeakError`."""
    shown = ", ".join(met[:5]) + (f" and {len(met) - 5} more" if len(met) > 5 else "")
    return (
        f"policy {policy!r} was trained on the families of {len(met)} of {of} data sets ({shown}): what it scores "
        "there says nothing about new data. Evaluate it on other ones, or pass leaky='mark' (--leaky mark), which "
        "marks these runs and leaves them out of the comparison"
    )


def _key(family: str) -> str:
    return family.strip().casefold()
