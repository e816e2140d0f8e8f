"""Picks per spelling on a fixed view, so that a change of what a strategy does is seen and meant.

After a change that is meant, write the file again and read the difference:

    python -m tests.strategy_zoo.test_zoo_golden
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strategy_zoo import View, get, names, propose

FILE = Path(__file__).with_name("golden.json")
SPELLINGS = [
    *("random", "least_confidence", "margin", "entropy", "power_margin", "power_margin(beta=8.0)"),
    *("cluster_margin", "cluster_margin(factor=3)", "balanced_margin", "k_center", "k_center(metric='cosine')"),
    *("typiclust", "typiclust(neighbours=5)", "badge", "mix(margin=0.7, random=0.3)"),
    *("mix(k_center(metric='cosine'), margin, weights=(0.4, 0.6))", "narrow(margin, k_center)"),
    "narrow(entropy, badge, factor=4)",
]


def fixed_view() -> View:
    """300 rows, 5 classes, 8 columns, 25 labelled; made of uniform numbers only, which no version of numpy changes."""
    rng = np.random.default_rng(20_240_229)
    raw = rng.random((300, 5)) ** 4 + 1e-3
    return View(
        proba=raw / raw.sum(axis=1, keepdims=True),
        embedding=rng.random((300, 8)) + np.repeat(np.arange(6) % 3, 50)[:, None],
        seen_embedding=rng.random((25, 8)),
        seen_y=rng.integers(0, 3, 25),
    )


def picks(spelling: str) -> dict[str, Any]:
    answer = propose(spelling, fixed_view(), 12, np.random.default_rng(7))
    return {"rows": answer.rows.tolist(), "part": answer.part.tolist()}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_picks_are_those_of_the_golden_file(spelling: str) -> None:
    assert picks(spelling) == json.loads(FILE.read_text())[spelling]


def test_every_registered_strategy_has_a_row_and_every_row_is_checked() -> None:
    golden = json.loads(FILE.read_text())
    assert {get(spelling).name for spelling in golden} >= set(names())
    assert list(golden) == SPELLINGS
    assert all(get(spelling).spelling == spelling for spelling in golden)


if __name__ == "__main__":
    lines = [f"  {json.dumps(spelling)}: {json.dumps(picks(spelling))}" for spelling in SPELLINGS]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
