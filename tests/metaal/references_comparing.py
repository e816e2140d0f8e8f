"""What other packages make of fixed inputs, written to references_comparing.json for the tests of `metaal.comparing`.

The packages (baycomp and scikit-posthocs, which brings statsmodels) draw in whole plotting stacks, so they are not
needed by the tests, only by this program:

    pip install baycomp scikit-posthocs
    python tests/metaal/references_comparing.py
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_suffix(".json")
SIGNED = ((6, 0.2, 0.5, 0.1), (12, 0.1, 0.12, 0.1), (20, 0.0, 0.08, 0.1), (40, -0.1, 1.0, 0.1), (57, 0.3, 2.0, 0.0))
"""Families, mean difference, its spread, rope."""
RANKED = ((12, 3), (30, 5), (57, 8))
"""Families, policies."""


def signed_inputs() -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Paired means of two policies in percentage points, and the rope."""
    found = []
    for k, (n, mean, spread, rope) in enumerate(SIGNED):
        rng = np.random.default_rng([1, k])
        a = rng.uniform(60, 90, n).round(2)
        found.append((a, (a + rng.normal(mean, spread, n)).round(2), rope))
    return found


def ranked_inputs() -> list[np.ndarray]:
    """Families × policies; one value in four is a tie."""
    found = []
    for k, (n, policies) in enumerate(RANKED):
        rng = np.random.default_rng([2, k])
        found.append((rng.normal(0, 1, (n, policies)) + 0.25 * np.arange(policies)).round(1))
    return found


def p_inputs() -> np.ndarray:
    """Sets of p values, one a row."""
    return np.random.default_rng(3).beta(0.5, 3, (4, 9)).round(4)


def make() -> dict[str, Any]:
    """The references, from the other packages."""
    import baycomp
    import pandas as pd
    import scikit_posthocs
    from statsmodels.stats.multitest import multipletests

    signed = []
    for a, b, rope in signed_inputs():
        votes = baycomp.SignedRankTest(a, b, rope, nsamples=50_000, random_state=0).probs(with_rope=True)
        signed.append([float(p) for p in votes])
    nemenyi = [
        scikit_posthocs.posthoc_nemenyi_friedman(pd.DataFrame(values)).to_numpy().round(6).tolist()
        for values in ranked_inputs()
    ]
    holm = [multipletests(p, method="holm")[1].round(10).tolist() for p in p_inputs()]
    packages = ("baycomp", "scikit-posthocs", "statsmodels", "scipy")
    return {
        "versions": {name: version(name) for name in packages},
        "signed": signed,
        "nemenyi": nemenyi,
        "holm": holm,
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(make(), indent=1) + "\n", encoding="utf-8")
