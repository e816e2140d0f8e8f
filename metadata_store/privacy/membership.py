"""How well logged confidences tell which rows were labelled: the area under the curve of the simplest attack.

A model is surer of the rows that it was trained on than of others, so whoever sees the confidences of rows and knows
nothing else can sort them by it. The area under the curve is the chance that a labelled row has a higher confidence
than one without a label: 0.5 tells nothing; far from it, on either side, tells.

References
----------
Shokri, Stronati, Song and Shmatikov 2017, Membership Inference Attacks against Machine Learning Models.
Yeom, Giacomelli, Fredrikson and Jha 2018, Privacy Risk in Machine Learning: Analyzing the Connection to Overfitting.
Salem, Zhang, Humbert, Berrang, Fritz and Backes 2019, ML-Leaks: Model and Data Independent Membership Inference
Attacks and Defenses on Machine Learning Models (the confidence alone, without a model of the attacker's, is theirs).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..record import Record
from .rules import Rules

FEWEST = 10


@dataclass(frozen=True)
class Attack:
    """What an attack by one column came to.

    Parameters
    ----------
    auc : in [0, 1], pairs within one record only, so that no drift over loops counts.
    labelled, others : rows on both sides.
    status : "labelled before" (in the training set of the model that said it) or "labelled later".
    """

    auc: float
    labelled: int
    others: int
    status: str


def mann_whitney(members: np.ndarray, others: np.ndarray) -> float:
    """Return how many of the pairs (member, other) have the member higher, ties counting a half.

    Examples
    --------
    >>> mann_whitney(np.array([0.9, 0.5]), np.array([0.5, 0.1]))
    3.5
    """
    ordered = np.sort(others)
    below = np.searchsorted(ordered, members, "left") + np.searchsorted(ordered, members, "right")
    return float(below.sum()) / 2


def attack(records: Iterable[list[Record]], rules: Rules) -> dict[str, Attack]:
    """Attack with every array that has a number, or a row of probabilities, for each of some ids.

    Parameters
    ----------
    records : the records of each run, in order.
    rules : say which events give labels to which ids.

    Returns
    -------
    dict : by array name, where each side has at least 10 rows; a row that is shown in several loops counts each time.

    Examples
    --------
    >>> ids = np.arange(40)
    >>> sure = Record("r", 1, "ask", {}, {"all.ids": ids, "all.proba": np.where(ids < 20, 0.9, 0.6)})
    >>> attack([[Record("r", 0, "tell", {}, {"ids": ids[:20]}), sure]], Rules())["all.proba"].auc
    1.0
    """
    sums: dict[tuple[str, str], np.ndarray] = {}
    for run in records:
        ever = {key for record in run for key in _ids(record, rules.labelled)}
        told: set[Any] = set()
        for record in run:
            for name, ids, sure in _shown(record):
                for status, wanted in (("labelled before", told), ("labelled later", ever - told)):
                    rest = told | ever if status == "labelled later" else wanted
                    is_in = np.array([key in wanted for key in ids], bool)
                    is_out = np.array([key not in rest for key in ids], bool)
                    total = sums.setdefault((name, status), np.zeros(4))
                    pairs = float(is_in.sum()) * float(is_out.sum())
                    total += [mann_whitney(sure[is_in], sure[is_out]), pairs, is_in.sum(), is_out.sum()]
            told |= set(_ids(record, rules.labelled))
            told -= set(_ids(record, rules.withdrawn))
    found: dict[str, Attack] = {}
    for (name, status), (above, pairs, labelled, others) in sums.items():
        if pairs and labelled >= FEWEST and others >= FEWEST and name not in found:
            found[name] = Attack(float(above / pairs), int(labelled), int(others), status)
    return found


def _ids(record: Record, where: tuple[tuple[str, str], ...]) -> list[Any]:
    return [
        key
        for event, name in where
        if event == record.event and name in record.arrays
        for key in record.arrays[name].ravel().tolist()
    ]


def _shown(record: Record) -> Iterable[tuple[str, list[Any], np.ndarray]]:
    """Yield (name, ids, confidence of each id): an array stands beside the ids that share its prefix, else all ids."""
    for name, array in record.arrays.items():
        prefix = f"{name.split('.', 1)[0]}."
        ids = record.arrays.get(f"{prefix}ids", record.arrays.get("ids"))
        if ids is None or ids is array or array.dtype.kind not in "iuf" or array.ndim not in (1, 2):
            continue
        if ids.ndim != 1 or len(array) != len(ids) or not array.size or name.endswith(("ids", "labels")):
            continue
        sure = array.astype(np.float64)
        # ranks count down from the best; of a row of probabilities the highest is the confidence
        sure = -sure if name.endswith("rank") else sure.max(1) if sure.ndim == 2 else sure
        yield name, ids.tolist(), np.where(np.isnan(sure), -np.inf, sure)
