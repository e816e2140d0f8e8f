"""Regimes: what makes a loop harder than a clean one, as small changes of a task that can be composed.

``imbalance(ratio=0.01)+noise(rate=0.3)+batch(size=5,growth=1.25)`` is a regime of three changes, applied from left to
right; ``clean`` is the regime of none. A new change is a new file in this folder with a class under ``@change``;
another package offers one through the entry point group ``metaal.regimes``. Regression is no change: it comes with the
data (`metaal.rehearsal.Dataset.kind`).
"""

from __future__ import annotations

from metaal.rehearsal.regimes.changes import REGIMES, Change, change
from metaal.rehearsal.regimes.regime import CLEAN, Regime, read_regime

__all__ = ["CLEAN", "REGIMES", "Change", "Regime", "change", "read_regime"]
