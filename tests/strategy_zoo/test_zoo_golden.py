"""Picks per spelling on a fixed view, so that a change of what a strategy does is seen and meant.

After a change that is meant, write the file again and read the difference:

    python -m tests.strategy_zoo.test_zoo_golden
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strategy_zoo import View, catalogue, get, names, propose

FILE = Path(__file__).with_name("golden.json")
SPELLINGS = [catalogued["example"] for catalogued in catalogue()] + [
    *("power_margin(beta=8.0)", "cluster_margin(factor=3)", "k_center(metric='cosine')", "typiclust(neighbours=5)"),
    *("mix(k_center(metric='cosine'), margin, weights=(0.4, 0.6))", "narrow(entropy, badge, factor=4)"),
    *("discriminative(features=0)", "relabel(by='lmu')", "multilabel_margin(over='mean')", "drop_query(share=0.0)"),
]


def fixed_view() -> View:
    """300 rows, 5 classes, 8 columns, 25 labelled; made of uniform numbers only, which no version of numpy changes."""
    rng = np.random.default_rng(20_240_229)
    raw = rng.random((300, 5)) ** 4 + 1e-3
    first = {
        "proba": raw / raw.sum(axis=1, keepdims=True),
        "embedding": rng.random((300, 8)) + np.repeat(np.arange(6) % 3, 50)[:, None],
        "seen_embedding": rng.random((25, 8)),
        "seen_y": rng.integers(0, 3, 25),
    }

    def proba(*shape: int) -> np.ndarray:
        raw = rng.random((*shape, 5)) ** 4 + 1e-3
        return raw / raw.sum(axis=-1, keepdims=True)

    return View(
        **first,
        committee=proba(4, 300),
        stochastic=proba(3, 300),
        previous=proba(300),
        seen_proba=proba(25),
        prediction=rng.random(300),
        committee_prediction=rng.random((4, 300)),
        quantiles=np.sort(rng.random((300, 3)), axis=1),
        label_proba=rng.random((300, 4)),
        seen_labels=rng.integers(0, 2, (25, 4)),
        votes=rng.integers(0, 3, (300, 5)),
        lookahead=lambda rows: _pulled(first["proba"][:20], np.asarray(rows)),
        predict=lambda points: _near(np.asarray(points), first["seen_embedding"][:5]),
    )


def _pulled(sample: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Look-ahead [k, C, E, C]: a label pulls every third evaluation row towards its class, each row in its own way."""
    pull = ((rows[:, None] + np.arange(20)) % 3 == 0)[:, None, :, None] * np.eye(5)[None, :, None, :]
    out = sample + pull * (0.2 + (rows % 17) / 40)[:, None, None, None]
    return out / out.sum(axis=-1, keepdims=True)


def _near(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Probabilities [k, 5]: the nearer one of five centres, the likelier its class."""
    weight = 1 / (0.1 + ((points[:, None] - centres) ** 2).sum(axis=2))
    return weight / weight.sum(axis=1, keepdims=True)


def picks(spelling: str) -> dict[str, Any]:
    answer = propose(spelling, fixed_view(), 12, np.random.default_rng(7))
    return {"rows": answer.rows.tolist(), "part": answer.part.tolist()}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_picks_are_those_of_the_golden_file(spelling: str) -> None:
    assert picks(spelling) == json.loads(FILE.read_text())[spelling]


def test_every_registered_strategy_has_a_row_and_every_row_is_checked() -> None:
    golden = json.loads(FILE.read_text())
    assert {get(spelling).name for spelling in golden} >= set(names())
    assert list(golden) == list(dict.fromkeys(SPELLINGS))
    assert all(get(spelling).spelling == spelling for spelling in golden)


if __name__ == "__main__":
    lines = [f"  {json.dumps(spelling)}: {json.dumps(picks(spelling))}" for spelling in dict.fromkeys(SPELLINGS)]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
