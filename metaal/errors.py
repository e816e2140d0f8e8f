"""Everything that metaal raises on purpose.

MetaalError
├── InputError (ValueError)            arrays, ids, labels or numbers that cannot be right
│   ├── UnknownIdError (KeyError)      an id that was never asked
│   └── EmptyPoolError                 nothing left to choose from
├── OutOfTurnError (RuntimeError)      ask, tell or end at a moment that does not allow it
├── MismatchError (ValueError)         a run continued with other settings than it began with
├── UnavailableError (ValueError)      a strategy or policy that these outputs cannot feed
├── PolicyError (ValueError)           a policy text that cannot be read
│   └── PolicyFileError                a policy file that is damaged, foreign or too new
├── FitError (ValueError)              logged runs that cannot train a policy
├── TaskError (ValueError)             labelled data that cannot be rehearsed on
├── SealedError (RuntimeError)         test labels that something else than the report tried to read
└── EvaluationError (RuntimeError)     some runs of an evaluation failed; carries the result
    └── LeakError                      a policy would be judged on data of a family that it was trained on
"""

from __future__ import annotations

from typing import Any


class MetaalError(Exception):
    """Base of every error of this package."""


class InputError(MetaalError, ValueError):
    """An argument is wrong; nothing was logged."""


class UnknownIdError(InputError, KeyError):
    """An id that this run never asked for."""

    # KeyError prints the repr of its argument, which would show our sentence in quotes.
    __str__ = ValueError.__str__


class EmptyPoolError(InputError):
    """The pool has no row that could be asked."""


class OutOfTurnError(MetaalError, RuntimeError):
    """A call at the wrong moment of the run; nothing was logged."""


class MismatchError(MetaalError, ValueError):
    """A run is continued with settings that differ from those it began with."""


class UnavailableError(MetaalError, ValueError):
    """No action is possible with the outputs that were passed."""


class PolicyError(MetaalError, ValueError):
    """A policy text or parameter that cannot be read."""


class PolicyFileError(PolicyError):
    """A policy file that is damaged, foreign, or of a newer format."""


class FitError(MetaalError, ValueError):
    """The logged runs cannot train a policy."""


class TaskError(MetaalError, ValueError):
    """The labelled data cannot be turned into a task."""


class SealedError(MetaalError, RuntimeError):
    """Test labels were read by something else than the report."""


class EvaluationError(MetaalError, RuntimeError):
    """Some runs of an evaluation failed; the rest was finished first.

    Parameters
    ----------
    message : str
    result : Result
        What was measured, with each error in its row.
    """

    def __init__(self, message: str, result: Any = None) -> None:
        super().__init__(message)
        self.result = result


class LeakError(EvaluationError):
    """A policy would be judged on data of a family that it was trained on."""
