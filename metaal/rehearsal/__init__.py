"""Rehearsal: labelled data played as if its labels had to be asked for."""

from __future__ import annotations

from metaal.rehearsal.branching import Branches, branch
from metaal.rehearsal.dataset import Dataset, make_dataset
from metaal.rehearsal.exploring import Exploring
from metaal.rehearsal.layout import Layout
from metaal.rehearsal.learners import LEARNERS, make_learner
from metaal.rehearsal.outcomes import read_branches
from metaal.rehearsal.playing import Trace, play, read_trace
from metaal.rehearsal.regimes import REGIMES, Regime, read_regime
from metaal.rehearsal.rehearsing import rehearse
from metaal.rehearsal.sealed import Sealed, SealedError
from metaal.rehearsal.sources import Source, builtin_names, data_name, load_data, read_table, sources
from metaal.rehearsal.suitefile import SUITES, Suite, read_suite, suite
from metaal.rehearsal.task import Seeds, Task

__all__ = [
    "LEARNERS",
    "REGIMES",
    "SUITES",
    "Branches",
    "Dataset",
    "Exploring",
    "Layout",
    "Regime",
    "Sealed",
    "SealedError",
    "Seeds",
    "Source",
    "Suite",
    "Task",
    "Trace",
    "branch",
    "builtin_names",
    "data_name",
    "load_data",
    "make_dataset",
    "make_learner",
    "play",
    "read_branches",
    "read_regime",
    "read_suite",
    "read_table",
    "read_trace",
    "rehearse",
    "sources",
    "suite",
]
