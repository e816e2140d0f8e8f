"""The learned policy: predicts each action's advantage over a strong default from the batch that it would ask for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.actions import Action, ActionSet, Decision, certain
from metaal.errors import PolicyFileError
from metaal.features import PROPOSAL, action_features, action_names, state_features
from metaal.policies.arms import check_arms, check_multipliers
from metaal.policies.policyfile import read_policy_file, write_policy_file
from metaal.prices import Prices
from metaal.trees import Trees

if TYPE_CHECKING:
    from metaal.history import History

FOREIGN_SHARE = 0.2
"""Share of the state features that may lie outside of the training range before the default is taken."""
MOST_TREES, MOST_PAIRS = 100_000, 1_000
"""What a policy file may hold in all: a foreign one must not keep a decision busy for minutes."""


@dataclass(frozen=True, eq=False)
class Learned:
    """Deviates from the default action only where the gain is predicted with confidence.

    Made by `metaal.fit`, read by `metaal.load`. Every action is described by the state of the run and by the features
    of its own proposal, as they are and less the default's; several LightGBM ensembles, each trained without a quarter
    of the tasks, predict its advantage. The mean of them is the prediction, and ``gate`` standard deviations below it
    the cautious bound.

    Parameters
    ----------
    members : tuple of Trees
        Advantage in units of ``scale``.
    seconds : Trees or None
        Natural logarithm of the compute seconds of one loop.
    low, high : f8[F]
        Range of each feature in training.
    scale : float
        Score that one unit of the members' output stands for.
    gate : float
        Standard deviations, ≥ 0; infinite means never to deviate.
    pairs : tuple of (str, float)
        Strategy and batch multiplier of every action that the logs held; the policy deviates to no other one. Margin
        is offered besides, for where the default cannot run.
    facts : dict
        The model card.
    spelling, checksum : str
        Path and checksum of the file that it was read from; a run is not continued with a file that has changed.
    """

    members: tuple[Trees, ...]
    seconds: Trees | None
    low: np.ndarray
    high: np.ndarray
    scale: float
    gate: float
    pairs: tuple[tuple[str, float], ...]
    default: str
    prices: Prices
    facts: dict[str, Any] = field(default_factory=dict)
    spelling: str = "fitted"
    checksum: str = ""

    @property
    def arms(self) -> tuple[str, ...]:
        """The strategies that it may choose."""
        return tuple(dict.fromkeys([self.default, "margin", *(arm for arm, _ in self.pairs)]))

    @property
    def multipliers(self) -> tuple[float, ...]:
        """The batch multipliers that it may choose."""
        return tuple(sorted({1.0, *(multiplier for _, multiplier in self.pairs)}))

    def decide(self, history: History, actions: ActionSet) -> Decision:
        """Take the action of the highest predicted utility among those whose cautious bound is above the default's."""
        safe = self._safe(actions)
        if safe != Action(self.default):
            return certain(actions, actions.index(safe), f"{self.default} is not possible, so the safe choice is taken")
        at = actions.index(safe)
        if not self.members or np.isinf(self.gate):
            return certain(actions, at, "the default, since the logged runs show no certain gain from deviating")
        state = state_features(history)
        foreign = self._foreign(state)
        if foreign > FOREIGN_SHARE:
            return certain(
                actions, at, f"the default, since {foreign:.0%} of the state lies outside of the training range"
            )
        default = actions.features(self.default)
        # Actions that the logs never held stay out, whatever a tree would say of them; their previews are not paid for.
        known = np.array([(a.strategy, a.multiplier) in self.pairs or a == safe for a in actions])
        held = [a for a, ok in zip(actions, known, strict=True) if ok]
        x = np.stack([action_features(state, actions.features(a.strategy), default, a.multiplier) for a in held])
        # Labels per round grow with the multiplier: for one batch's worth of them 1/m rounds are needed.
        rounds = np.array([1 / a.multiplier - 1 for a in actions])
        with np.errstate(over="ignore", invalid="ignore"):  # a number that overflows is not a gain: see `allowed`
            seconds = 0.0
            if self.seconds is not None:
                seconds = float(np.exp(np.clip(self.seconds.predict(x[:1])[0], -20, 20)))  # reads the state alone
            votes = np.full((len(self.members), len(actions)), np.nan)
            votes[:, known] = np.stack([member.predict(x) for member in self.members]) * self.scale
            # The default has no advantage over itself, nor has another name for the very same batch.
            same = [k for k, a in enumerate(actions) if a.multiplier == 1 and known[k] and self._same(actions, a)]
            votes[:, [at, *same]] = 0.0
            mean, deviation = votes.mean(0), votes.std(0)
            lower = mean - self.gate * deviation
            extra = np.array([-self.prices.utility(seconds=seconds * r, rounds=float(r)) for r in rounds])
            utility = self.prices.point * 100 * mean - extra
            cautious = self.prices.point * 100 * lower - extra
        utility[at] = 0.0
        allowed = (cautious > 0) & np.isfinite(utility) & known
        allowed[at] = True
        best = self._best(actions, np.where(allowed, utility, -np.inf), at)
        if best == at:
            most = f"{100 * mean[known].max():+.2f} pp"
            why = f"the default; nothing else is predicted to be better with confidence (at most {most})"
        else:
            why = (
                f"predicted {100 * mean[best]:+.2f} pp over {self.default} (cautious {100 * lower[best]:+.2f} pp), "
                f"worth {utility[best]:+.2f} in your prices"
            )
        decision = certain(actions, best, why)
        return Decision(decision.probabilities, why, mean, lower, utility, np.full(len(actions), seconds))

    def _same(self, actions: ActionSet, action: Action) -> bool:
        return bool(actions.features(action.strategy)[PROPOSAL.index("overlap.default")] == 1.0)

    def _safe(self, actions: ActionSet) -> Action:
        for name in (self.default, "margin"):
            if Action(name) in actions:
                return Action(name)
        return min(actions, key=lambda a: (a.stop, a.multiplier != 1, *self._rank(a)))

    def _rank(self, action: Action) -> tuple[int, str, float]:
        """An order of actions that does not depend on how they are listed: of equals, the policy takes the first."""
        pair = (action.strategy, action.multiplier)
        return (self.pairs.index(pair) if pair in self.pairs else len(self.pairs), *pair)

    def _best(self, actions: ActionSet, utility: np.ndarray, default: int) -> int:
        ties = np.flatnonzero(utility == utility.max()).tolist()
        return default if default in ties else min(ties, key=lambda k: self._rank(actions[k]))

    def _foreign(self, state: np.ndarray) -> float:
        """Share of the known state features that lie outside of the training range; 1 where nothing is known."""
        low, high = self.low[: len(state)], self.high[: len(state)]
        known = np.isfinite(state)
        if not known.any():
            return 1.0
        with np.errstate(over="ignore"):
            slack = 0.1 * (high - low) + 1e-9
            outside = known & ((state < low - slack) | (state > high + slack) | ~np.isfinite(low))
        return float(outside.sum() / known.sum())

    def card(self) -> str:
        """The model card as text: what it learnt from, what was measured, when it falls back."""
        lines = [f"policy {self.spelling}"]
        for key, value in self.facts.items():
            if isinstance(value, dict) and any(isinstance(item, str) and len(item) > 20 for item in value.values()):
                lines += [f"  {key}:", *(f"    {name}: {item}" for name, item in value.items())]
            elif isinstance(value, dict):
                lines.append(f"  {key}: " + ", ".join(f"{name} {item}" for name, item in value.items()))
            else:
                lines.append(f"  {key}: {value}")
        gate = (
            "never deviates from the default"
            if np.isinf(self.gate)
            else f"{self.gate:g} standard deviations of the members"
        )
        lines += [
            f"  default action: {self.default}",
            f"  actions: {', '.join(str(Action(arm, m)) for arm, m in self.pairs)}",
            f"  gate: {gate}",
            "  prices: " + ", ".join(f"{name} {price:g}" for name, price in asdict(self.prices).items()),
            f"  falls back to the default where over {FOREIGN_SHARE:.0%} of the state is outside of the "
            "training range, "
            "and to margin where the default cannot run",
        ]
        return "\n".join(lines)

    def save(self, path: str | Path) -> None:
        """Write the policy to a file (data only, no pickle)."""
        arrays: dict[str, np.ndarray] = {"low": self.low, "high": self.high}
        ensembles = [*self.members, *([self.seconds] if self.seconds is not None else [])]
        for number, trees in enumerate(ensembles):
            arrays |= {f"{number}.{name}": array for name, array in trees.arrays().items()}
        head = {
            "kind": "learned",
            "members": len(self.members),
            "seconds": self.seconds is not None,
            "scale": self.scale,
            "gate": None if np.isinf(self.gate) else self.gate,
            "pairs": [[arm, multiplier] for arm, multiplier in self.pairs],
            "default": self.default,
            "prices": asdict(self.prices),
            "facts": self.facts,
            "features": list(action_names()),
        }
        write_policy_file(path, head, arrays)


def load(path: str | Path) -> Learned:
    """Read a policy that ``save`` wrote.

    Raises
    ------
    PolicyFileError
        The file is missing, damaged, foreign, or made for other features than this version computes.
    """
    head, arrays, checksum = read_policy_file(path)
    try:
        return _build(head, arrays, f"{Path(path)}", checksum)
    except PolicyFileError as error:
        raise PolicyFileError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise PolicyFileError(f"{path}: the head of the file does not fit ({error!r}); checksum {checksum}") from error


def _build(head: dict[str, Any], arrays: dict[str, np.ndarray], spelling: str, checksum: str) -> Learned:
    if head["kind"] != "learned" or head["features"] != list(action_names()):
        raise PolicyFileError("made for other features than this version of metaal computes; fit it again")
    count = int(head["members"])
    if not 0 <= count <= 1000:
        raise PolicyFileError(f"{count} members")
    names = tuple(Trees.__dataclass_fields__)
    ensembles = [
        Trees(**{name: arrays[f"{number}.{name}"] for name in names}) for number in range(count + bool(head["seconds"]))
    ]
    width = len(action_names())
    if any(trees.feature.max(initial=-1) >= width for trees in ensembles):
        raise PolicyFileError(f"a tree reads a feature past the {width} that exist")
    if sum(len(trees.root) for trees in ensembles) > MOST_TREES or len(head["pairs"]) > MOST_PAIRS:
        raise PolicyFileError(f"more than {MOST_TREES} trees or {MOST_PAIRS} actions; a decision would take too long")
    for edge in (arrays["low"], arrays["high"]):
        if edge.dtype != np.float64 or len(edge) != width or np.isinf(edge).any():
            raise PolicyFileError(f"the training range does not have {width} numbers")
    gate, scale = float("inf") if head["gate"] is None else float(head["gate"]), float(head["scale"])
    if not gate >= 0 or not np.isfinite(scale) or scale <= 0:
        raise PolicyFileError(f"gate {gate} or scale {scale} is not a number that makes sense")
    return Learned(
        members=tuple(ensembles[:count]),
        seconds=ensembles[count] if head["seconds"] else None,
        low=arrays["low"],
        high=arrays["high"],
        scale=scale,
        gate=gate,
        pairs=tuple((check_arms([arm])[0], check_multipliers([multiplier])[0]) for arm, multiplier in head["pairs"]),
        default=check_arms([head["default"]])[0],
        prices=Prices(**head["prices"]),
        facts=dict(head["facts"]),
        spelling=spelling,
        checksum=checksum,
    )


def load_shipped() -> Learned:
    """The learned policy that ships with the package; its card says what it was trained on."""
    with resources.as_file(resources.files("metaal.policies") / "learned.metaal") as path:
        return replace(load(path), spelling="learned", checksum="")


def untrained(default: str, prices: Prices, facts: dict[str, Any]) -> Learned:
    """A policy without a model: always the default."""
    width = len(action_names())
    nothing = np.full(width, np.nan)
    return Learned((), None, nothing, nothing, 1.0, float("inf"), ((default, 1.0),), default, prices, facts)


__all__ = ["PROPOSAL", "Learned", "load", "load_shipped", "untrained"]
