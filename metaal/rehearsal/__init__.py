"""Rehearsal: labelled data played as if its labels had to be asked for."""

from __future__ import annotations

from metaal.rehearsal.data import Dataset, builtin_names, load_data, read_table
from metaal.rehearsal.learners import LEARNERS, make_learner
from metaal.rehearsal.playing import Trace, play, read_trace
from metaal.rehearsal.suites import SUITES, suite
from metaal.rehearsal.task import Seeds, Task

__all__ = [
    "LEARNERS",
    "SUITES",
    "Dataset",
    "Seeds",
    "Task",
    "Trace",
    "builtin_names",
    "load_data",
    "make_learner",
    "play",
    "read_table",
    "read_trace",
    "suite",
]
