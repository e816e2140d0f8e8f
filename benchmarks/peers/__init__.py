"""Strategies of other packages, played by our runs beside ours: same splits, same models, same process.

Each is a plain function ``f(view, n, rng) -> rows``, which is what the zoo takes as a strategy, so that it is a policy
as any other: ``metaal.evaluate({"theirs": rival("skactiveml.badge"), "ours": "badge"}, …)``. The package that it calls
is imported at the first call. ``python -m benchmarks.run --peers`` plays all of them that are installed.

skactiveml  scikit-activeml's pool strategies, with a classifier that answers with the view's probabilities
modal       modAL's sampling functions, likewise
albl        Active Learning by Learning, after its paper and libact's published behaviour
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from benchmarks.peers import albl, modal, skactiveml
from metaal import Fixed
from metaal.errors import InputError
from metadata_store.errors import nearest
from strategy_zoo.plain import Plain, Rule

PEERS: Mapping[str, Rule] = {
    **{f"skactiveml.{name}": rule for name, rule in skactiveml.RULES.items()},
    **{f"modal.{name}": rule for name, rule in modal.RULES.items()},
    **albl.RULES,
}
"""Name → function. Always the same objects: a function's name is kept for as long as the process lives."""

NEEDS = {"skactiveml": "skactiveml", "modal": "modAL"}
"""First part of a name → the module that it cannot do without."""


def rival(name: str) -> Fixed:
    """The policy that always asks as this peer does.

    Raises
    ------
    InputError
        There is no such peer; the nearest names are shown.

    Examples
    --------
    >>> rival("modal.margin").spelling
    "plain('modal.margin')"
    """
    if name not in PEERS:
        raise InputError(f"no peer {name!r}; {nearest(name, sorted(PEERS))} Expected one of {', '.join(PEERS)}")
    return Fixed(Plain(PEERS[name], name))  # type: ignore[arg-type]  # whatever a strategy can be made of


def installed() -> list[str]:
    """The peers whose package is here."""
    return [name for name in PEERS if (need := NEEDS.get(name.split(".")[0])) is None or find_spec(need)]
