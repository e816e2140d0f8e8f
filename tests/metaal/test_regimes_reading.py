"""The text of a regime: one spelling each, read without evaluating anything."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metaal
from metaal.rehearsal import REGIMES, Layout, Regime, read_regime
from metaal.rehearsal.regimes import CLEAN, Change, change, changes
from metaal.rehearsal.regimes.imbalance import Imbalance
from metaal.rehearsal.regimes.noise import Noise


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("clean", "clean"),
        (" noise( rate = .30, kind = 'uniform' ) ", "noise(rate=0.3)"),
        ('noise(kind="fatigue",rate=1)', "noise(rate=1.0,kind='fatigue')"),
        ("imbalance(ratio=0.01)+noise(rate=0.3)+batch(size=5,growth=1.25)",) * 2,
        ("noise(rate=0.1) + imbalance(ratio=1)", "noise(rate=0.1)+imbalance(ratio=1.0)"),
        ("clean+cold_start()+clean", "cold_start"),
        ("(cold_start+unseen)+shift(tilt=2)", "cold_start+unseen+shift(tilt=2.0)"),
        ("batch(growth=1)", "batch"),
    ],
)
def test_a_regime_has_one_spelling(text: str, canonical: str) -> None:
    regime = read_regime(text)
    assert str(regime) == regime.spelling == canonical
    assert read_regime(canonical) == regime
    assert hash(read_regime(canonical)) == hash(regime)
    assert pickle.loads(pickle.dumps(regime)) == regime  # noqa: S301


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "0 characters"),
        ("noise" * 200, "1000 characters"),
        ("nois(rate=0.3)", "did you mean 'noise'"),
        ("noise", r"rate.*write for example noise\(rate=\.\.\.\)"),
        ("noise(0.3)", "by name: rate, kind, after"),
        ("noise(rate=0.3,rate=0.2)", "repeated"),
        ("noise(rates=0.3)", "no parameter 'rates'; it has rate"),
        ("noise(**{'rate': 1})", r"\*\*"),
        ("noise(rate=open('x'))", "only numbers and quoted texts"),
        ("noise(rate=1e3)", "from 0|above 0 up to 1"),
        ("noise(rate=0)", "above 0 up to 1"),
        ("noise(rate=True)", "expected a number"),
        ("noise(rate='a')", "expected a number"),
        ("noise(rate=-0.1)", "expected a number"),
        ("noise(rate=0.1,kind='rude')", "'uniform', 'confusion', 'fatigue'"),
        ("noise(rate=0.1,kind=3)", "expected one of"),
        ("noise(rate=0.1,after=0)", "whole number ≥ 1"),
        ("noise(rate=0.1,after=1.5)", "whole number"),
        ("imbalance(ratio=2)", "up to 1"),
        ("redundancy(copies=0)", "≥ 1"),
        ("batch(growth=0.5)", "from 1 up to 100"),
        ("shift(tilt=1)-noise(rate=0.1)", "not a change"),
        ("3", "not a change"),
        ("noise(rate=0.3) +", "can't read"),
        ("__import__('os').system('x')", "not a change"),
        ("[noise(rate=0.1)]", "not a change"),
        ("+".join(["unseen"] * 13), "13 changes"),
        ("noise(rate=" + "(" * 300 + ")", "can't read"),
        ("\0", "can't read"),
    ],
)
def test_what_is_no_regime_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(metaal.TaskError, match=words):
        read_regime(text)
    with pytest.raises(metaal.TaskError, match=words):
        metaal.Task("iris", regime=text)


@given(st.text(max_size=60))
def test_no_text_ends_in_another_error(text: str) -> None:
    try:
        regime = read_regime(text)
    except metaal.TaskError:
        return
    assert read_regime(str(regime)) == regime


def test_changes_are_taken_as_they_are() -> None:
    noise = Noise(rate=0.2)
    assert read_regime(noise) == read_regime([noise]) == Regime((noise,))
    assert read_regime(Regime((noise,))).changes == (noise,)
    assert read_regime([]) == CLEAN
    assert not CLEAN
    for wrong in (3, ["noise(rate=0.3)"], None):
        with pytest.raises(metaal.TaskError, match="expected a text"):
            read_regime(wrong)  # type: ignore[arg-type]


def test_facts_name_every_parameter_and_number_what_comes_twice() -> None:
    facts = read_regime("noise(rate=0.3)+imbalance(ratio=0.01)+noise(rate=0.1,kind='fatigue')").facts
    assert facts == {
        **{"noise.rate": 0.3, "noise.kind": "uniform", "noise.after": 100.0, "imbalance.ratio": 0.01},
        **{"imbalance.rare": 0.5, "noise2.rate": 0.1, "noise2.kind": "fatigue", "noise2.after": 100.0},
    }


def test_all_regimes_are_listed_and_documented() -> None:
    wanted = {"batch", "cold_start", "imbalance", "noise", "noise_columns", "redundancy", "shift", "unseen"}
    assert set(REGIMES) == wanted
    assert len(REGIMES) == len(wanted)
    assert REGIMES["imbalance"] is Imbalance
    for name, cls in REGIMES.items():
        assert cls.name == name
        doc = cls.__doc__ or ""
        assert doc.split("\n")[0].endswith((".", ","))
        assert all(f"    {parameter.name} : " in doc for parameter in fields(cls)), name


@pytest.fixture
def no_kept_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "_found", dict(REGIMES))


@pytest.mark.usefixtures("no_kept_changes")
def test_a_third_party_change_is_one_class() -> None:
    @change
    @dataclass(frozen=True)
    class Halved(Change):
        """Half of the pool."""

        name: ClassVar[str] = "halved"

        def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
            return layout.take(np.arange(len(layout.pool_y) // 2))

    task = metaal.Task("wine", regime="halved")
    assert len(task.lay_out().pool_y) == 44
    assert task.name == "wine~logistic~b10~halved"


def test_what_breaks_the_contract_cannot_be_registered() -> None:
    class Loose(Change):
        name: ClassVar[str] = "loose"

    @dataclass(frozen=True)
    class Taken(Change):
        name: ClassVar[str] = "noise"

    @dataclass(frozen=True)
    class Called(Change):
        name: ClassVar[str] = "clean"

    cases: list[tuple[Any, str]] = [(Loose, "frozen"), (Taken, "taken"), (Called, "other than clean")]
    for cls, words in cases:
        with pytest.raises(metaal.TaskError, match=words):
            change(cls)


class Offered:
    """An entry point of another package."""

    def __init__(self, load: Any) -> None:
        self.name, self.value, self.load = "theirs", "their.package", load


@pytest.mark.usefixtures("no_kept_changes")
def test_changes_of_other_packages_are_found_and_broken_ones_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def good() -> None:
        @change
        @dataclass(frozen=True)
        class Same(Change):
            name: ClassVar[str] = "same"

    def bad() -> None:
        raise ImportError("no such module")

    monkeypatch.setattr(changes, "_loaded", {"own"})
    monkeypatch.setattr(
        metadata, "entry_points", lambda group: [Offered(bad), Offered(good)] if "regimes" in group else []
    )
    with pytest.warns(UserWarning, match=r"'theirs' \(their.package\).*ImportError: no such module"):
        assert str(read_regime("same")) == "same"
    assert "same" in REGIMES
