"""Who decides: policies, and how one is read from text.

A new policy is one new file; third parties announce a factory under the entry point group ``metaal.policies``.
"""

from __future__ import annotations

from metaal.policies.fixed import Fixed
from metaal.policies.learned import Learned
from metaal.policies.learnedfile import load
from metaal.policies.reading import read_policy
from metaal.policies.schedule import HAND_SCHEDULE, Schedule
from metaal.policies.uniform import Uniform

__all__ = ["HAND_SCHEDULE", "Fixed", "Learned", "Schedule", "Uniform", "load", "read_policy"]
