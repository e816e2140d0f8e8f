"""What metaal tells an import of other programs' logs: kinds of its statistics, and whose strategy is which of ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from metaal.actions import read_action
from metaal.errors import InputError, MetaalError
from metaal.foreign import ACTIONS
from metaal.statistics import FACTS, STATISTICS
from metadata_store.errors import nearest
from metadata_store.interchange import Rules
from strategy_zoo import ZooError, get, names

KNOWN = {
    "least_confidence": "leastconfident leastconfidence lc uncertainty uncertaintysampling leastconfidencesampling",
    "margin": "marginsampling marginsampler smallestmargin breakingties bt margindropout",
    "entropy": "entropysampling maxentropy maximumentropy predictiveentropy predictionentropy",
    "random": "randomsampling randomsampler rand passive uniform",
    "k_center": "coreset kcenter kcentergreedy greedycoreset coresetgreedy lightweightcoreset",
    "k_means": "kmeans kmeanssampling embeddingkmeans",
    "badge": "badgesampling",
    "bald": "baldsampling",
    "typiclust": "typicalclustering",
    "cluster_margin": "clustermarginsampling",
    "vote_entropy": "qbc querybycommittee",
    "contrastive": "cal contrastiveactivelearning",
    "discriminative": "dal discriminativeactivelearning",
}
"""What other libraries call strategies of ours; offered in messages, never taken by itself."""


def rules(strategies: Mapping[str, str | None] | None = None) -> Rules:
    """Rules of an import after which `metaal.fit` can learn from the logs.

    Parameters
    ----------
    strategies : mapping, optional
        Their name of a strategy → our spelling, or an action such as ``"margin ×2"``; None means that no decision is
        to be learnt from. Names that are spellings of ours need no entry.

    Returns
    -------
    Rules
        For ``rules=`` of `load_table`, `load_mlflow` and `load_labelbench` of `metadata_store.interchange`.

    Raises
    ------
    InputError
        One of our spellings does not exist.

    Examples
    --------
    >>> ours = rules({"MarginSampling": "margin"}).translate["action.name"]
    >>> ours("MarginSampling"), ours("k_center")
    ('margin', 'k_center')
    """
    table = {}
    for theirs, ours in (strategies or {}).items():
        try:
            table[theirs] = None if ours is None else canonical(ours)
        except (ZooError, MetaalError) as error:
            raise InputError(f"strategy {theirs!r}: {error}; metaal zoo lists all") from error

    def translate(text: str) -> str | None:
        if text in table:
            return table[text]
        try:
            return canonical(text)
        except (ZooError, MetaalError):
            raise ValueError(_advice(text)) from None

    kinds = {name: "str" for name, entry in FACTS.items() if entry.unit == "text"} | dict.fromkeys(STATISTICS, "float")
    return Rules(kinds, dict.fromkeys(ACTIONS, translate))


def canonical(text: str) -> str:
    """The one spelling of an action.

    Examples
    --------
    >>> canonical("margin x2")
    'margin ×2'
    """
    action = read_action(text)
    return str(action) if action.stop else str(replace(action, strategy=get(action.strategy).spelling))


def read_strategies(pairs: Iterable[str]) -> dict[str, str | None]:
    """What ``--strategy THEIRS=OURS`` says; ``THEIRS=`` means none.

    Raises
    ------
    InputError
        A pair has no ``=``, or a name stands twice.

    Examples
    --------
    >>> read_strategies(["MarginSampling=margin", "warmup="])
    {'MarginSampling': 'margin', 'warmup': None}
    """
    found: dict[str, str | None] = {}
    for pair in pairs:
        theirs, sign, ours = pair.partition("=")
        if not sign or not theirs:
            raise InputError(f"--strategy {pair}: expected THEIRS=OURS, such as MarginSampling=margin, or THEIRS=")
        if theirs in found:
            raise InputError(f"--strategy {pair}: {theirs!r} is named twice")
        found[theirs] = ours or None
    return found


def _advice(text: str) -> str:
    """What to say where a name is none of ours."""
    plain = re.sub(r"[^a-z0-9]", "", text.lower()).removesuffix("strategy").removesuffix("query")
    ours = [name for name in names() if name.replace("_", "") in (plain, plain.removesuffix("sampling"))]
    ours += [name for name, others in KNOWN.items() if plain in others.split()]
    if ours:
        return f"if it is our {ours[0]}, say --strategy {_quoted(f'{text}={ours[0]}')}"
    return (
        f"{nearest(text.lower(), names())} Say --strategy {_quoted(f'{text}=OURS')}, or {_quoted(f'{text}=')} for none"
    )


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[\w=.-]+", text) else f"'{text}'"
