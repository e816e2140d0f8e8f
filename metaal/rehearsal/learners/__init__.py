"""The models that rehearsals train: small, quick, of different kinds; one file each.

A new learner is a new file in this folder with a function under ``@learner(...)``; another package offers one through
the entry point group ``metaal.learners``.
"""

from __future__ import annotations

from metaal.rehearsal.learners.fitted import Fitted, fit_learner
from metaal.rehearsal.learners.registry import LEARNERS, Learner, find_learner, learner, make_learner

__all__ = ["LEARNERS", "Fitted", "Learner", "find_learner", "fit_learner", "learner", "make_learner"]
