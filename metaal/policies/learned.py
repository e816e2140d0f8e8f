"""The learned policy: predicts each action's advantage over a strong default from the batch that it would ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.actions import STOP, Action, ActionSet, Decision, certain, read_action
from metaal.errors import PolicyError
from metaal.features import action_features, action_names, state_features
from metaal.policies.costs import Costs
from metaal.prices import Prices
from metaal.trees import Trees, joined

if TYPE_CHECKING:
    from metaal.history import History

FOREIGN_SHARE = 0.2
"""Share of the state features that may lie outside of the training range before the default is taken."""
HORIZON = 3
"""Batches over which an advantage is a mean: the action's own, and two of the default's."""
AHEAD = (1, 3, 6, 10)
"""Batches of the default after which the gain of going on is predicted."""
HEADS = ("advantage", "low", "high", "first", "fit", "score", "select", *(f"ahead{k}" for k in AHEAD))
"""What is predicted: the advantage (several members) and its 10 and 90 % quantiles, from the state and the action's own
proposal · the same from the state and the action's number alone (first stage) · logarithms of seconds · the gain in
score of going on with the default."""


@dataclass(frozen=True, eq=False)
class Learned:
    """Deviates from the default action only where the gain is predicted with confidence.

    Made by `metaal.fit`, read by `metaal.load`. A first stage looks at the state of the run alone and names the arms
    whose proposals are worth computing. Every action of these is then described by the state and by the features of its
    own proposal, as they are and less the default's; several LightGBM ensembles, each trained without a quarter of the
    families, predict its advantage. The mean of them is the prediction, and ``gate`` standard deviations below it the
    cautious bound. Costs are predicted too, in seconds of the machine that the run's own costs tell of, and the action
    of the highest utility in the user's prices is taken among those whose cautious utility is above the default's.

    Parameters
    ----------
    heads : mapping of str to tuple of Trees
        See `HEADS`; any may be missing but ``advantage``. Advantages are in units of ``scale``.
    low, high : f8[F]
        Range of each feature in training.
    scale : float
        Score (0 to 1) that one unit of the members' output stands for.
    gate : float
        Standard deviations, ≥ 0; infinite means never to deviate.
    actions : tuple of str
        Texts of the actions that were learnt, the default first; the policy deviates to no other one. Margin is offered
        besides, for where the default cannot run.
    default : str
    prices : Prices
    previews : int
        Arms, the default's not counted, whose proposals are computed in a loop; 0 means all.
    explore : float
        Probability in [0, 1) of drawing from all actions alike, so that the log can train and judge other policies.
    facts : dict
        The model card.
    spelling, checksum : str
        Path and checksum of the file that it was read from; a run is not continued with a file that has changed.
    """

    heads: Mapping[str, tuple[Trees, ...]]
    low: np.ndarray
    high: np.ndarray
    scale: float
    gate: float
    actions: tuple[str, ...]
    default: str
    prices: Prices
    previews: int = 0
    explore: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    spelling: str = "fitted"
    checksum: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.explore < 1:
            raise PolicyError(f"explore: got {self.explore!r}, expected a probability in [0, 1)")

    @property
    def arms(self) -> tuple[str, ...]:
        """The strategies that it may choose."""
        return tuple(dict.fromkeys([self.default, "margin", *(action.strategy for action in self._known)]))

    @property
    def multipliers(self) -> tuple[float, ...]:
        """The batch multipliers that it may choose."""
        return tuple(sorted({1.0, *(action.multiplier for action in self._known)}))

    def offers(self, history: History) -> tuple[Action, ...]:
        """Every action that was learnt, margin besides, and to stop where the prices say what the end is worth."""
        stop = (STOP,) if self.prices.final > 0 and any(f"ahead{k}" in self.heads for k in AHEAD) else ()
        return tuple(dict.fromkeys((Action(self.default), Action("margin"), *self._known, *stop)))

    def at(self, prices: Prices) -> Learned:
        """The same policy at other prices."""
        return replace(self, prices=prices)

    def exploring(self, share: float) -> Learned:
        """The same policy, with a chance of ``share`` in [0, 1) of drawing from all actions alike in each loop."""
        return replace(self, explore=float(share))

    # ------------------------------------------------------------- deciding

    def decide(self, history: History, actions: ActionSet) -> Decision:
        """Take the action of the highest predicted utility among those whose cautious bound is above the default's."""
        safe = self._safe(actions)
        at = actions.index(safe)
        if safe != Action(self.default):
            return certain(actions, at, f"{self.default} is not possible, so the safe choice is taken")
        if not self.heads.get("advantage") or np.isinf(self.gate):
            return self._explored(
                actions, at, "the default, since the logged runs show no certain gain from deviating", {}
            )
        state = state_features(history)
        foreign = self._foreign(state)
        if foreign > FOREIGN_SHARE:
            why = f"the default, since {foreign:.0%} of the state lies outside of the training range"
            return self._explored(actions, at, why, {})
        arms = self._shortlist(state, actions)
        held = [k for k, a in enumerate(actions) if k == at or (str(a) in self._place and a.strategy in arms)]
        default = actions.features(self.default)
        x = np.stack([action_features(state, actions.features(actions[k].strategy), default, actions[k]) for k in held])
        ends = self._stops(history, actions, x[held.index(at)])
        if ends is not None:
            return ends
        mean, deviation = self._advantages(actions, held, at, x)
        costs = self._costs(history, actions, held, at, x)
        best, told = self._best(actions, at, mean, deviation, costs, self.prices)
        why = self._why(actions, at, best, mean, mean - self.gate * deviation, told["utility"], costs, x, held)
        facts = {"advantage": mean, "lower": mean - self.gate * deviation, **told, "seconds": costs.loop}
        return self._explored(actions, best, why, facts)

    def _shortlist(self, state: np.ndarray, actions: ActionSet) -> set[str]:
        """The arms whose proposals are computed: the default's, and those that the first stage thinks best of."""
        arms = list(dict.fromkeys(a.strategy for a in actions if str(a) in self._place and a.strategy != self.default))
        if not self.heads.get("first") or not self.previews or len(arms) <= self.previews:
            return {self.default, *arms}
        known = [a for a in actions if str(a) in self._place]
        guess = self._predict("first", np.stack([first_features(state, self._place[str(a)], a) for a in known]))[0]
        hope = {arm: max(g for g, a in zip(guess, known, strict=True) if a.strategy == arm) for arm in arms}
        arms.sort(key=lambda arm: (-hope[arm], min(self._place[str(a)] for a in known if a.strategy == arm)))
        return {self.default, *arms[: self.previews]}

    def _advantages(
        self, actions: ActionSet, held: Sequence[int], at: int, x: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation f8[A] of the members' predictions, in score; NaN for what was not previewed."""
        mean, deviation = np.full(len(actions), np.nan), np.full(len(actions), np.nan)
        with np.errstate(over="ignore", invalid="ignore"):  # a number that overflows is not a gain: see `_best`
            found, spread = self._predict("advantage", x)
            mean[list(held)], deviation[list(held)] = found * self.scale, spread * self.scale
        # The default has no advantage over itself, nor has another name for the very same batch.
        for k in held:
            plain = Action(actions[k].strategy) == actions[k]
            if k == at or (plain and actions.features(actions[k].strategy)[-1] == 1.0):  # overlap with the default
                mean[k] = deviation[k] = 0.0
        return mean, deviation

    def _costs(self, history: History, actions: ActionSet, held: Sequence[int], at: int, x: np.ndarray) -> Costs:
        """Seconds of a loop by action, on the machine of this run."""
        phases = {}
        for phase in ("fit", "score", "select"):
            seconds = np.full(len(actions), np.nan)
            if phase in self.heads:
                seconds[list(held)] = np.exp(np.clip(self._predict(phase, x)[0], -20, 20))
            phases[phase] = seconds
        return Costs.of(actions, phases, history, at)

    def _best(
        self,
        actions: ActionSet,
        at: int,
        mean: np.ndarray,
        deviation: np.ndarray,
        costs: Costs,
        prices: Prices,
    ) -> tuple[int, dict[str, np.ndarray]]:
        """The action taken at some prices, and the utility f8[A] of each one over the default's, a batch of labels."""
        batches = np.array([1.0 if a.stop else a.multiplier for a in actions])
        # An advantage is a mean over the action's own batches and what follows; one decision answers for its own.
        worth = prices.point * 100 * (batches + HORIZON - 1) / batches
        saved = costs.saved(prices)
        with np.errstate(over="ignore", invalid="ignore"):
            utility = worth * mean + saved
            cautious = worth * (mean - self.gate * deviation) + saved
        utility[at] = 0.0
        allowed = (cautious > 0) & np.isfinite(utility)
        allowed[at] = True
        value = np.where(allowed, utility, -np.inf)
        ties = np.flatnonzero(value == value.max()).tolist()
        best = at if at in ties else min(ties, key=lambda k: self._rank(actions[k]))
        return best, {"utility": utility}

    def _stops(self, history: History, actions: ActionSet, x: np.ndarray) -> Decision | None:
        """To stop, where no number of further batches is predicted to be worth its price."""
        if STOP not in actions:
            return None
        batch, second = history.last("loop.batch"), 0.0
        for phase in ("fit", "score"):
            past = history.get(f"cost.{phase}.seconds")
            second += float(past[np.isfinite(past)][-1]) if np.isfinite(past).any() else 0.0
        price = batch * self.prices.label + second * self.prices.second + self.prices.round
        net = {}
        for k in AHEAD:
            if f"ahead{k}" in self.heads:
                gain, spread = self._predict(f"ahead{k}", x[None])
                net[k] = 100 * self.prices.final * float(gain[0] + spread[0]) - k * price
        if not net or max(net.values()) > 0:
            return None
        k = max(net, key=lambda key: net[key])
        gain = net[k] + k * price
        why = (
            f"stop: {k * batch:g} more labels are predicted to be worth {gain:.3g} in your prices and to cost "
            f"{k * price:.3g}"
        )
        return certain(actions, actions.index(STOP), why)

    def _why(
        self,
        actions: ActionSet,
        at: int,
        best: int,
        mean: np.ndarray,
        lower: np.ndarray,
        utility: np.ndarray,
        costs: Costs,
        x: np.ndarray,
        held: Sequence[int],
    ) -> str:
        """One line: what was chosen, what it is expected to give and to cost, and what other prices would have chosen."""
        if best == at:
            most = f"{100 * np.nanmax(mean):+.2f} pp"
            why = f"the default; nothing else is predicted to be better with confidence (at most {most})"
        else:
            why = f"predicted {100 * mean[best]:+.2f} pp over {self.default} (cautious {100 * lower[best]:+.2f} pp"
            if "low" in self.heads and "high" in self.heads:
                row = x[[held.index(best)]]
                ends = [100 * self.scale * float(self._predict(name, row)[0][0]) for name in ("low", "high")]
                why += f", 8 of 10 times {min(ends):+.1f} to {max(ends):+.1f}"
            why += f"), worth {utility[best]:+.2f} in your prices"
        action = actions[best]
        less = costs.loop[at] - costs.loop[best] if np.isfinite(costs.loop[[at, best]]).all() else 0.0
        if action != actions[at] and (action.multiplier != 1 or abs(less) > 0.001):
            why += f"; {1 / action.multiplier:.3g} rounds a batch of labels, {-less:+.2g} s"
        dear = replace(self.prices, second=10 * self.prices.second, round=10 * self.prices.round + self.prices.label * 10)
        other = self._best(actions, at, mean, (mean - lower) / self.gate if self.gate else mean * 0, costs, dear)[0]
        return why if other == best else f"{why}; with dear rounds it would be {actions[other]}"

    def _explored(self, actions: ActionSet, best: int, why: str, facts: Mapping[str, Any]) -> Decision:
        """The decision, mixed with the chance of exploring."""
        decision = certain(actions, best, why)
        p = decision.probabilities
        if self.explore:
            going = np.array([not action.stop for action in actions], dtype=np.float64)
            p = (1 - self.explore) * p + self.explore * going / going.sum()
            why += f" (or, with probability {self.explore:g}, any action)"
        return Decision(p, why, **facts)

    def _safe(self, actions: ActionSet) -> Action:
        for name in (self.default, "margin"):
            if Action(name) in actions:
                return Action(name)
        return min(actions, key=lambda a: (a.stop, a != Action(a.strategy), *self._rank(a)))

    def _rank(self, action: Action) -> tuple[int, str]:
        """An order of actions that does not depend on how they are listed: of equals, the policy takes the first."""
        return self._place.get(str(action), len(self.actions)), str(action)

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

    def _predict(self, head: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation f8[A] of a head's members."""
        if head not in self._walked:
            members = self.heads[head]
            starts = np.cumsum([0, *(len(trees.root) for trees in members[:-1])])
            self._walked[head] = joined(members), starts
        trees, starts = self._walked[head]
        votes = np.add.reduceat(trees.leaves(x), starts, axis=1)
        return votes.mean(1), votes.std(1)

    @cached_property
    def _walked(self) -> dict[str, tuple[Trees, np.ndarray]]:
        return {}

    @cached_property
    def _known(self) -> tuple[Action, ...]:
        return tuple(read_action(text) for text in self.actions)

    @cached_property
    def _place(self) -> dict[str, int]:
        return {text: k for k, text in enumerate(self.actions)}

    # -------------------------------------------------------------- keeping

    def card(self) -> str:
        """The model card as text: what it learnt from, what was measured, when it falls back."""
        lines = [f"policy {self.spelling}"]
        for key, value in self.facts.items():
            if isinstance(value, dict) and any(isinstance(item, str) and len(item) > 20 for item in value.values()):
                lines += [f"  {key}:", *(f"    {name}: {item}" for name, item in value.items())]
            elif isinstance(value, dict):
                lines.append(f"  {key}: " + ", ".join(f"{name} {item}" for name, item in value.items()))
            elif isinstance(value, list):
                lines.append(f"  {key}: {len(value)}: {', '.join(map(str, value))}")
            else:
                lines.append(f"  {key}: {value}")
        gate = (
            "never deviates from the default"
            if np.isinf(self.gate)
            else f"{self.gate:g} standard deviations of the members"
        )
        looks = f"the {self.previews} most promising arms" if self.previews else "all arms"
        lines += [
            f"  default action: {self.default}",
            f"  actions: {'; '.join(self.actions)}",
            f"  previews: {looks} beside the default",
            f"  gate: {gate}",
            "  prices: " + ", ".join(f"{name} {price:g}" for name, price in asdict(self.prices).items()),
            f"  falls back to the default where over {FOREIGN_SHARE:.0%} of the state is outside of the training range, "
            "and to margin where the default cannot run",
        ]
        return "\n".join(lines)

    def save(self, path: Any) -> None:
        """Write the policy to a file (data only, no pickle)."""
        from metaal.policies.learnedfile import save

        save(self, path)


def first_features(state: np.ndarray, place: int, action: Action) -> np.ndarray:
    """Features f8[S + 5] of the first stage: the state, the action's number in the policy, how it is carried out."""
    how = [float(place), np.log2(action.multiplier), np.log2(action.share)]
    return np.concatenate([state, how, [action.refit == "warm", action.refit == "skip"]])


def untrained(default: str, prices: Prices, facts: dict[str, Any]) -> Learned:
    """A policy without a model: always the default."""
    nothing = np.full(len(action_names()), np.nan)
    return Learned({}, nothing, nothing, 1.0, float("inf"), (default,), default, prices, facts=facts)
