"""What a policy sees and says: actions, the set of those possible now, and a decision over them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args, runtime_checkable

import numpy as np

from metaal.errors import InputError, UnavailableError

if TYPE_CHECKING:
    from metaal.history import History

DEFAULT_ARM = "cluster_margin"
"""The strong static rule that advantages are measured against (science: the baseline to beat at small batches)."""

ARMS = ("cluster_margin", "margin", "balanced_margin", "typiclust", "badge", "power_margin", "k_center", "random")
"""The strategies that exploring and learned policies choose among unless told otherwise."""


Refit = Literal["full", "warm", "skip"]
"""How the model is trained on the new labels: from scratch, from the last model's parameters, or not this time."""


@dataclass(frozen=True)
class Action:
    """One thing that could be done in this loop.

    Parameters
    ----------
    strategy : str
        Canonical spelling of a strategy; empty for a stop.
    multiplier : float
        Rows to ask for, as a multiple of the ``n`` of ``ask``; > 0.
    share : float
        Share of the pool, in (0, 1], to compute outputs for in the next loop.
    refit : str
        ``"full"``, ``"warm"`` or ``"skip"``: the training that follows these labels.
    stop : bool
        Ask for nothing and end here.

    Examples
    --------
    >>> str(Action("margin", 4.0, share=0.25, refit="skip"))
    'margin ×4, share 0.25, skip'
    """

    strategy: str
    multiplier: float = 1.0
    share: float = 1.0
    refit: Refit = "full"
    stop: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or self.refit not in get_args(Refit):
            raise InputError(
                f"action: got share {self.share!r} and refit {self.refit!r}, expected a share of the pool in (0, 1] "
                f"and one of {', '.join(get_args(Refit))}"
            )

    @property
    def plain(self) -> bool:
        """Whether it is a strategy at the caller's batch, the whole pool and a full training."""
        return self == Action(self.strategy)

    def __str__(self) -> str:
        if self.stop:
            return "stop"
        text = self.strategy if self.multiplier == 1 else f"{self.strategy} ×{self.multiplier:g}"
        text += "" if self.share == 1 else f", share {self.share:g}"
        return text if self.refit == "full" else f"{text}, {self.refit}"


_FURTHER = re.compile(r"^(?P<head>.*?)(, share (?P<share>[0-9.e-]+))?(, (?P<refit>warm|skip))?$", re.DOTALL)


def read_action(text: str) -> Action:
    """The action that a text, as `str` gives it, stands for.

    Parameters
    ----------
    text : str
        A strategy's spelling, then ``×`` (or ``x`` after a blank) and the multiplier, ``, share`` and the share,
        ``, warm`` or ``, skip``; or ``stop``.

    Raises
    ------
    InputError
        It is none.

    Examples
    --------
    >>> read_action("margin ×4, share 0.25, skip")
    Action(strategy='margin', multiplier=4.0, share=0.25, refit='skip', stop=False)
    """
    if text == "stop":
        return STOP
    found = _FURTHER.match(text.strip())
    head = found["head"] if found else ""
    parts = re.match(r"^(?P<arm>.*\S)\s+[×x](?P<number>[0-9.e+-]+)$", head, re.DOTALL)
    try:
        if found is None or not head:
            raise ValueError(text)
        share, refit = float(found["share"] or 1.0), found["refit"] or "full"
        if parts is None:
            return Action(head, 1.0, share, refit)  # type: ignore[arg-type]
        return Action(parts["arm"], float(parts["number"]), share, refit)  # type: ignore[arg-type]
    except ValueError as error:
        raise InputError(
            f"action {text!r}: expected a strategy and what is changed, such as 'margin', 'margin ×4', "
            "'margin, share 0.25', 'margin ×2, skip', or 'stop'"
        ) from error


STOP = Action("", stop=True)


class ActionSet(Sequence[Action]):
    """The actions that are possible now, with the features of each one's own proposal.

    Features are computed when they are first read, so that a policy which never looks pays nothing.

    Parameters
    ----------
    actions : sequence of Action
        At least one, without repeats.
    features : callable
        Spelling of a strategy → f8[P], the features of the rows that it would ask for.
    feature_names : tuple of str
        The P names.
    unavailable : mapping of str to str
        Spellings that were wanted and cannot run, with the reason in words.
    default : str
        Spelling of the action that advantages are measured against.
    """

    def __init__(
        self,
        actions: Sequence[Action],
        *,
        features: Callable[[str], np.ndarray],
        feature_names: tuple[str, ...],
        unavailable: Mapping[str, str] | None = None,
        default: str = DEFAULT_ARM,
    ) -> None:
        if len(set(actions)) != len(actions):
            raise InputError(f"actions repeat: {', '.join(map(str, actions))}; pass each one once")
        self._actions = tuple(actions)
        self._features = features
        self._seen: dict[str, np.ndarray] = {}
        self.feature_names = feature_names
        self.unavailable = dict(unavailable or {})
        self.default = default
        if not actions:
            raise UnavailableError("no action is possible: " + self.reasons())

    def __len__(self) -> int:
        return len(self._actions)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self._actions[index]

    def __iter__(self) -> Iterator[Action]:
        return iter(self._actions)

    def reasons(self) -> str:
        """Why the unavailable strategies cannot run, in one line."""
        return "; ".join(f"{name}: {why}" for name, why in self.unavailable.items()) or "nothing was asked for"

    def features(self, strategy: str) -> np.ndarray:
        """Features f8[P] of the batch that ``strategy`` would ask for (NaN where unknown)."""
        if strategy not in self._seen:
            self._seen[strategy] = self._features(strategy)
        return self._seen[strategy]

    @property
    def previewed(self) -> dict[str, np.ndarray]:
        """The features that have been computed so far, by strategy."""
        return dict(self._seen)

    def permuted(self, order: Sequence[int]) -> ActionSet:
        """The same set in another order."""
        return ActionSet(
            [self._actions[i] for i in order],
            features=self.features,
            feature_names=self.feature_names,
            unavailable=self.unavailable,
            default=self.default,
        )


@dataclass(frozen=True, eq=False)
class Decision:
    """Probabilities over the actions, and why.

    Parameters
    ----------
    probabilities : f8[A]
        ≥ 0, sum 1, in the order of the action set.
    reason : str
        One line in words.
    advantage, lower, utility : f8[A], optional
        Predicted gain over the default action in score (mean, cautious bound), and in the user's currency.
    seconds : f8[A], optional
        Predicted compute for one batch's worth of labels.
    """

    probabilities: np.ndarray
    reason: str = ""
    advantage: np.ndarray | None = None
    lower: np.ndarray | None = None
    utility: np.ndarray | None = None
    seconds: np.ndarray | None = None

    def checked(self, actions: ActionSet) -> Decision:
        """Return self, or raise if the probabilities are not a distribution over ``actions``."""
        p = np.asarray(self.probabilities, dtype=np.float64)
        if p.shape != (len(actions),) or not np.isfinite(p).all() or (p < 0).any() or abs(p.sum() - 1) > 1e-9:
            raise InputError(
                f"the policy returned probabilities of shape {p.shape} with sum {p.sum():.6g}; expected {len(actions)} "
                "numbers ≥ 0 that sum to 1, one for each action"
            )
        return self


def certain(actions: ActionSet, index: int, reason: str) -> Decision:
    """Decision that takes action ``index`` for sure."""
    probabilities = np.zeros(len(actions))
    probabilities[index] = 1.0
    return Decision(probabilities, reason)


@runtime_checkable
class Policy(Protocol):
    """Chooses among the actions that are possible now; keeps no hidden state.

    ``arms`` are the strategy spellings that it may choose, ``multipliers`` the batch multipliers; the run offers the
    product of both, as far as the outputs passed to ``ask`` allow. ``spelling`` is the text that is logged.

    A policy may also have a method ``offers(history) -> sequence of Action``: what it wants to choose among in this
    loop instead of that product, such as another multiplier every time, or `STOP`. Their strategies must be among its
    ``arms``.
    """

    @property
    def arms(self) -> tuple[str, ...]:
        """Strategy spellings to be offered."""
        ...

    @property
    def multipliers(self) -> tuple[float, ...]:
        """Batch multipliers to be offered."""
        ...

    @property
    def spelling(self) -> str:
        """Text that identifies the policy in the log."""
        ...

    def decide(self, history: History, actions: ActionSet) -> Decision:
        """Return probabilities over ``actions``; must not change ``history``."""
        ...
