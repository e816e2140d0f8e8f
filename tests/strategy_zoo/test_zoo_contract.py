"""Every strategy keeps the contract, check by check; and each check fires when a strategy breaks it."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import strategy_zoo._arrays as arrays_module
import strategy_zoo.testing as testing_module
from strategy_zoo import Proposal, Strategy, get, names, register, registry
from strategy_zoo.strategy import top
from strategy_zoo.testing import CHECKS, check_strategy

SPELLINGS = [registry.lookup(name).example or name for name in names()] + [
    "k_center(metric='cosine')",
    "power_margin(beta=4.0)",
    "cluster_margin(factor=2)",
    "typiclust(neighbours=3)",
    "mix(k_center(metric='cosine'), margin, weights=(0.25, 0.75))",
    "mix(margin=0.5, k_center=0.5)",
    "narrow(entropy, badge, factor=3)",
    "narrow(mix(margin=0.5, random=0.5), typiclust)",
]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_strategy_keeps_the_contract(spelling: str, check: str) -> None:
    CHECKS[check](get(spelling))


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the registry, so that the strategies below are gone after the test."""
    names()
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))


class Base(Strategy):
    """A strategy that keeps the contract, to be broken in one way at a time."""

    family: ClassVar[str] = "test"
    needs: ClassVar[tuple[str, ...]] = ("proba",)
    growth: ClassVar[str] = "U"
    reference: ClassVar[str] = "Nobody 2024, Nothing"

    def score(self, view: Any, rng: Any) -> Any:
        return view.proba.max(axis=1)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U)


@dataclass(frozen=True)
class Good(Base):
    """Keeps the contract, and has the repr of a plain dataclass until it is registered."""

    name: ClassVar[str] = "good"
    power: int = 1


def broken(**members: Any) -> Strategy:
    """The base with some members replaced, registered under a name of its own."""
    cls = type("Broken", (Base,), {"__doc__": "Broken.", "name": "broken", "__module__": __name__, **members})
    return register(dataclass(frozen=True, repr=False)(cls))()


def from_rows(rule: Any) -> dict[str, Any]:
    def propose(self: Any, view: Any, n: int, rng: Any) -> Proposal:
        rows = np.asarray(rule(view, n, rng))
        return Proposal(rows, np.zeros(len(rows)))

    return {"kind": "batch", "propose": propose}


def global_draw(self: Any, view: Any, rng: Any) -> Any:
    np.random.random()  # noqa: NPY002
    return view.proba.max(axis=1)


def change_input(self: Any, view: Any, rng: Any) -> Any:
    base = view.proba.base
    base.flags.writeable = True
    base[0] = base[0][::-1].copy()
    return view.proba.max(axis=1)


def whole_matrix(self: Any, view: Any, n: int, rng: Any) -> Any:
    return Proposal(top((view.proba[:, :1] - view.proba[:, 0]).sum(axis=1), n), np.zeros(n))


BREAKS: list[tuple[str, dict[str, Any], str]] = [
    ("declares_itself", {"reference": ""}, "reference is empty"),
    ("declares_itself", {"reference": "Somebody, Something"}, "no year"),
    (
        "same_generator_same_rows",
        {"stochastic": True, "score": lambda s, v, r: np.random.default_rng().random(v.n)},
        "differ",
    ),
    ("ignores_global_state", {"score": global_draw}, "global generator"),
    ("deterministic_unless_declared", {"score": lambda s, v, r: r.random(v.n)}, "stochastic is False"),
    ("exactly_n_unique_rows", from_rows(lambda v, n, r: np.zeros(n, int)), "twice"),
    ("exactly_n_unique_rows", from_rows(lambda v, n, r: np.arange(1)), "instead of"),
    ("exactly_n_unique_rows", from_rows(lambda v, n, r: np.arange(n) + 1), "out of range"),
    ("scores_are_ordered", {"propose": from_rows(lambda v, n, r: np.arange(n))["propose"]}, "best scores"),
    ("rows_may_be_permuted", from_rows(lambda v, n, r: np.arange(n)), "another order"),
    ("classes_may_be_permuted", {"score": lambda s, v, r: v.proba[:, 0]}, "classes in another order"),
    ("degenerate_pools", {"score": lambda s, v, r: 1 / (v.proba.max(axis=1) < 1)}, "one-hot"),
    ("needs_are_enough", {"score": lambda s, v, r: v.proba[:, 0] + v.embedding[:, 0]}, "reads embedding"),
    ("cost_grows", {"cost": lambda s, U, L, C, D, n: 1.0}, "doesn't grow"),
    ("memory_grows_linearly", {"kind": "batch", "propose": whole_matrix}, "pool x pool"),
    ("blocks_may_be_merged", {"score": lambda s, v, r: v.proba[:, 0] / v.proba[:, 0].sum()}, "blocks of 20"),
    ("inputs_stay_untouched", {"score": change_input}, "it changed proba"),
]


@pytest.mark.usefixtures("scratch")
@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize(("check", "members", "words"), BREAKS)
def test_check_fires_on_a_strategy_that_breaks_it(check: str, members: dict[str, Any], words: str) -> None:
    strategy = broken(**members)
    with pytest.raises((AssertionError, ValueError), match=words):
        CHECKS[check](strategy)


@pytest.mark.usefixtures("scratch")
def test_check_strategy_names_the_check_and_the_strategy() -> None:
    strategy = broken(score=lambda s, v, r: v.proba[:, 0])
    with pytest.raises(AssertionError, match="broken fails classes_may_be_permuted: "):
        check_strategy(strategy)


@pytest.mark.usefixtures("scratch")
def test_a_good_third_party_strategy_passes_all_checks() -> None:
    register(Good)
    check_strategy(Good())
    check_strategy("good(power=2)")


@pytest.mark.usefixtures("scratch")
def test_text_reads_back_fires_on_a_parameter_that_the_text_forgets() -> None:
    @register
    @dataclass(frozen=True, repr=False)
    class Forgetful(Base):
        """Its spelling has no parameter."""

        name: ClassVar[str] = "forgetful"
        power: int = 1
        spelling = "forgetful"  # type: ignore[assignment]

    CHECKS["text_reads_back"](Forgetful())
    with pytest.raises(AssertionError, match="unequal"):
        CHECKS["text_reads_back"](Forgetful(2))


@pytest.mark.usefixtures("scratch")
def test_pickles_fires_on_a_class_that_cannot_be_found_again() -> None:
    with pytest.raises(Exception, match=r"pickle|attribute"):
        CHECKS["pickles"](broken(__qualname__="nowhere.Broken"))


def test_is_frozen_fires_on_a_strategy_that_can_be_changed() -> None:
    loose = type("Loose", (Good,), {"__setattr__": object.__setattr__})
    with pytest.raises(AssertionError, match="can be changed"):
        CHECKS["is_frozen"](loose())


@pytest.mark.usefixtures("scratch")
def test_answer_is_read_only_fires_on_an_answer_that_can_be_written_to() -> None:
    def propose(self: Any, view: Any, n: int, rng: Any) -> Proposal:
        answer = Proposal(np.arange(n), np.zeros(n))
        object.__setattr__(answer, "rows", np.arange(n))
        return answer

    with pytest.raises(AssertionError, match="rows of the answer can be written to"):
        CHECKS["answer_is_read_only"](broken(kind="batch", propose=propose))


@pytest.mark.usefixtures("scratch")
def test_float32_and_float64_agree_fires_when_the_two_calls_differ() -> None:
    calls = itertools.count()
    rule = from_rows(lambda v, n, r: (np.arange(n) + next(calls)) % v.n)
    with pytest.raises(AssertionError, match="float32 and float64 give different answers"):
        CHECKS["float32_and_float64_agree"](broken(**rule))


@pytest.mark.usefixtures("scratch")
def test_nan_is_refused_fires_when_the_view_lets_it_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays_module, "_check_finite", lambda *args: None)
    monkeypatch.setattr(arrays_module, "_check_simplex", lambda *args: None)
    with pytest.raises(AssertionError, match="NaN in proba went through"):
        CHECKS["nan_is_refused"](broken(**from_rows(lambda v, n, r: np.arange(n))))


@pytest.mark.usefixtures("scratch")
def test_needs_are_needed_fires_when_the_reason_does_not_name_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing_module, "unmet", lambda strategy, view: "something is missing")
    with pytest.raises(AssertionError, match="doesn't say that proba is missing"):
        CHECKS["needs_are_needed"](broken())


def test_every_check_is_shown_to_fire() -> None:
    text = Path(__file__).read_text()
    fired = {check for check, _, _ in BREAKS} | {check for check in CHECKS if f"def test_{check}_fires_" in text}
    assert fired == set(CHECKS)


def test_spellings_cover_every_registered_strategy() -> None:
    assert {get(spelling).name for spelling in SPELLINGS} == set(names())
