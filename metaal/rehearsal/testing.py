"""The contracts of learners, regimes and data sources, as checks that anyone can run on their own.

    from metaal.rehearsal.testing import check_learner, check_regime, check_source
    check_learner("stump")                         # the name under which it was registered
    check_regime("blur(width=0.1)")                # a spelling with the parameters that it is to be tried with
    check_source(read_mine, "hens")                # the function of the entry point, and a text that it can read

Each check raises AssertionError with words. `LEARNER_CHECKS`, `REGIME_CHECKS` and `SOURCE_CHECKS` map names to checks,
so that a test suite can show one line for each.
"""

from __future__ import annotations

from metaal.rehearsal.testing_learners import LEARNER_CHECKS, check_learner
from metaal.rehearsal.testing_regimes import REGIME_CHECKS, check_regime
from metaal.rehearsal.testing_sources import SOURCE_CHECKS, check_source

__all__ = [
    "LEARNER_CHECKS",
    "REGIME_CHECKS",
    "SOURCE_CHECKS",
    "check_learner",
    "check_regime",
    "check_source",
]
