"""Any policy with a classic rule that ends the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from metaal.actions import DEFAULT_ARM, STOP, Action, ActionSet, Decision, Policy, certain
from metaal.errors import PolicyError
from metaal.policies.parameters import real, spelled, whole
from metaal.policies.stopping_rules import RULES
from metadata_store.errors import nearest

if TYPE_CHECKING:
    from metaal.history import History

LEAST = 3


@dataclass(frozen=True)
class Stopping:
    """Let another policy decide, until a rule says that further labels are not worth asking for.

    The rules and their thresholds are those of their authors (`metaal.policies.stopping_rules.RULES`, with what is
    different); none of them needs a label beyond those that were asked for. In a set of actions without a stop the
    other policy decides alone.

    Parameters
    ----------
    inner : Policy or str
        The policy that chooses the rows.
    rule : str
        ``stabilising``, ``classification_change``, ``overall_uncertainty``, ``max_confidence``, ``entropy``,
        ``selected_accuracy``, ``min_margin``, ``confidence_drop`` or ``contradiction``.
    threshold : float, optional
        Default: the rule's own.
    loops : int, optional
        Loops that the rule looks at, 1 to 10,000. Default: the rule's own.
    least : int
        Loops that are asked whatever the rule says, 0 to 1,000,000.

    Raises
    ------
    PolicyError
        The policy, the rule or a number cannot be.

    Examples
    --------
    >>> Stopping("margin", rule="overall_uncertainty", threshold=0.05).spelling
    "stopping('margin', rule='overall_uncertainty', threshold=0.05)"

    References
    ----------
    Pullar-Strecker, Dost, Frank and Wicker 2022, Hitting the Target: Stopping Active Learning at the Cost-Based
    Optimum (a comparison of such rules); each rule names its own.
    """

    inner: Policy
    rule: str = "stabilising"
    threshold: float | None = None
    loops: int | None = None
    least: int = LEAST

    def __post_init__(self) -> None:
        from metaal.policies.reading import read_policy  # it reads this class, too

        if not isinstance(self.rule, str) or self.rule not in RULES:
            near = nearest(str(self.rule)[:60], RULES)
            raise PolicyError(f"stopping: no rule is called {self.rule!r:.60}: {near}")
        usual = RULES[self.rule]
        threshold = usual.threshold if self.threshold is None else self.threshold
        given = {
            "inner": read_policy(self.inner),
            "threshold": real("stopping", "threshold", threshold, -1e9, 1e9),
            "loops": whole("stopping", "loops", usual.loops if self.loops is None else self.loops, 1, 10_000),
            "least": whole("stopping", "least", self.least, 0, 1_000_000),
        }
        for name, value in given.items():
            object.__setattr__(self, name, value)

    @property
    def arms(self) -> tuple[str, ...]:
        """Those of the other policy."""
        return self.inner.arms

    @property
    def multipliers(self) -> tuple[float, ...]:
        """Those of the other policy."""
        return self.inner.multipliers

    @property
    def default(self) -> str:
        """The strategy that advantages are measured against, of the other policy."""
        return str(getattr(self.inner, "default", DEFAULT_ARM))

    @property
    def checksum(self) -> str:
        """That of the other policy's file."""
        return str(getattr(self.inner, "checksum", ""))

    @property
    def spelling(self) -> str:
        """Text for the log."""
        usual = RULES[self.rule]
        text = spelled("stopping", [self.inner.spelling], {"rule": (self.rule, None)})
        options = {
            "threshold": (self.threshold, usual.threshold),
            "loops": (self.loops, usual.loops),
            "least": (self.least, LEAST),
        }
        further = spelled("", [], options)[1:-1]
        return f"{text[:-1]}, {further})" if further else text

    def offers(self, history: History) -> Sequence[Action]:
        """What the other policy wants to choose among, and a stop."""
        return (*(action for action in self._inner_offers(history) if not action.stop), STOP)

    def decide(self, history: History, actions: ActionSet) -> Decision:
        """Stop where the rule holds; else what the other policy decides."""
        stop, why = self._judged(history)
        if stop and STOP in actions:
            return certain(actions, actions.index(STOP), f"stop: {why} ({self.rule})")
        own = STOP in self._inner_offers(history)  # a policy that may stop by itself goes on doing so
        kept = [k for k, action in enumerate(actions) if own or not action.stop]
        if len(kept) == len(actions):
            return self.inner.decide(history, actions)
        if not kept:
            return certain(actions, 0, "nothing else is possible")
        decision = self.inner.decide(history, _part(actions, kept)).checked(_part(actions, kept))
        size = len(actions)
        return Decision(
            _spread(decision.probabilities, kept, size, 0.0),
            f"{decision.reason}; not stopped: {why}",
            *(
                None if array is None else _spread(array, kept, size, np.nan)
                for array in (decision.advantage, decision.lower, decision.utility, decision.seconds)
            ),
        )

    def _judged(self, history: History) -> tuple[bool, str]:
        done = len(history) - 1
        if done < self.least:
            return False, f"{done} of at least {self.least} loops are done"
        # filled in by __post_init__ where they were left out
        return RULES[self.rule].holds(history, cast("float", self.threshold), cast("int", self.loops))

    def _inner_offers(self, history: History) -> Sequence[Action]:
        offers = getattr(self.inner, "offers", None)
        if offers is not None:
            return tuple(offers(history))
        return tuple(Action(arm, float(times)) for arm in self.inner.arms for times in self.inner.multipliers)


def _part(actions: ActionSet, kept: list[int]) -> ActionSet:
    """Some of the actions; their features are still computed, and remembered, by the whole set."""
    return ActionSet(
        [actions[k] for k in kept],
        features=actions.features,
        feature_names=actions.feature_names,
        unavailable=actions.unavailable,
        default=actions.default,
    )


def _spread(values: np.ndarray, kept: list[int], size: int, fill: float) -> np.ndarray:
    out = np.full(size, fill)
    out[kept] = values
    return out
