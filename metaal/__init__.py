"""metaal: active learning with a learned query policy.

Three ways in: `Run` plugs into a loop that you own (ask/tell), `fit` trains a policy on logged runs, `evaluate`
compares policies and strategies. Importing this package stays light; what needs pandas, scikit-learn or LightGBM is
loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaal.actions import ARMS, Action, ActionSet, Decision, Policy
from metaal.errors import (
    EmptyPoolError,
    EvaluationError,
    FitError,
    InputError,
    LeakError,
    MetaalError,
    MismatchError,
    OutOfTurnError,
    PolicyError,
    PolicyFileError,
    TaskError,
    UnavailableError,
    UnknownIdError,
)
from metaal.history import History
from metaal.inputs import softmax
from metaal.policies import Fixed, Learned, Schedule, Uniform, load, read_policy
from metaal.prices import Prices
from metaal.query import Query
from metaal.run import Run
from metaal.statistics import STATISTICS, describe

if TYPE_CHECKING:
    from metaal.estimation import estimate
    from metaal.evaluation import evaluate
    from metaal.model_outputs import outputs
    from metaal.rehearsal import Dataset, Seeds, Task, play
    from metaal.result import Result
    from metaal.training import fit

__version__ = "0.1.0"

_LATER = {
    "estimate": "metaal.estimation",
    "evaluate": "metaal.evaluation",
    "fit": "metaal.training",
    "outputs": "metaal.model_outputs",
    "play": "metaal.rehearsal",
    "Dataset": "metaal.rehearsal",
    "Seeds": "metaal.rehearsal",
    "Task": "metaal.rehearsal",
    "Result": "metaal.result",
}

__all__ = [
    "ARMS",
    "STATISTICS",
    "Action",
    "ActionSet",
    "Dataset",
    "Decision",
    "EmptyPoolError",
    "EvaluationError",
    "FitError",
    "Fixed",
    "History",
    "InputError",
    "LeakError",
    "Learned",
    "MetaalError",
    "MismatchError",
    "OutOfTurnError",
    "Policy",
    "PolicyError",
    "PolicyFileError",
    "Prices",
    "Query",
    "Result",
    "Run",
    "Schedule",
    "Seeds",
    "Task",
    "TaskError",
    "UnavailableError",
    "Uniform",
    "UnknownIdError",
    "describe",
    "estimate",
    "evaluate",
    "fit",
    "load",
    "outputs",
    "play",
    "read_policy",
    "softmax",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        from importlib import import_module

        value = getattr(import_module(_LATER[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'metaal' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
