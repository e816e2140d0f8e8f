"""The contracts of learners, regimes and sources: everything that ships keeps them, and every check of them fires."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from metaal.errors import TaskError
from metaal.rehearsal import LEARNERS, REGIMES, Layout, load_data, make_dataset
from metaal.rehearsal.learners import Learner
from metaal.rehearsal.regimes import Change, change, changes, read_regime
from metaal.rehearsal.sources.openml import read_openml
from metaal.rehearsal.testing import (
    LEARNER_CHECKS,
    REGIME_CHECKS,
    SOURCE_CHECKS,
    check_learner,
    check_regime,
    check_source,
)

SPELLINGS = (
    *("batch(size=3,growth=1.5)", "batch(share=0.25)", "cold_start(labels=2)", "imbalance(ratio=0.01)"),
    *("noise(rate=0.3)", "noise(rate=0.3,kind='confusion')", "noise(rate=0.3,kind='fatigue',after=20)"),
    *("noise_columns(count=5)", "redundancy(copies=3)", "shift(tilt=2)", "unseen"),
)


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_that_ships_keeps_the_contract(name: str) -> None:
    check_learner(name)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_regime_that_ships_keeps_the_contract(spelling: str) -> None:
    check_regime(spelling)


def test_no_regime_is_left_out() -> None:
    assert {read_regime(spelling).changes[0].name for spelling in SPELLINGS} == set(REGIMES)


def read_plain(text: str, target: str | None = None, *, family: str = "", kind: str | None = None) -> Any:
    """A source that keeps the contract: what load_data reads."""
    return load_data(text, target, family, kind=kind)


@pytest.mark.parametrize("text", ["iris", "diabetes"])
def test_the_sources_that_ship_keep_the_contract(text: str) -> None:
    check_source(read_plain, text)


def test_a_file_and_a_set_of_a_manifest_keep_it(tmp_path: Any) -> None:
    rows = [f"{k % 7},{(k * k) % 11},{'yes' if k % 3 else 'no'}" for k in range(60)]
    (tmp_path / "mine.csv").write_text("\n".join(["a,b,bought", *rows]), encoding="utf-8")
    check_source(read_plain, str(tmp_path / "mine.csv"))
    manifest = "name,file,target,family\nhens,mine.csv,bought,birds\ngone,gone.parquet,y,birds\n"
    (tmp_path / "manifest.csv").write_text(manifest, encoding="utf-8")
    check_source(read_plain, f"{tmp_path / 'manifest.csv'}#hens")
    with pytest.raises(TaskError, match=r"gone\.parquet: no such file"):
        load_data(f"{tmp_path / 'manifest.csv'}#gone")


def test_a_built_in_set_has_no_other_target() -> None:
    with pytest.raises(TaskError, match="target 'price', but a built-in set has one target"):
        load_data("iris", "price")


def test_openml_has_the_signature_of_a_source() -> None:
    """Its contract is checked in test_data_openml against a server of this machine."""
    with pytest.raises(TaskError, match="abc"):
        read_openml("abc", None, family="", kind=None)


# ------------------------------------------------------------- the checks of a learner fire


class NoBayes(GaussianNB):
    """Naive Bayes, to be broken in one way at a time."""


class Twice(GaussianNB):
    def __init__(self, number: int = 0) -> None:
        super().__init__()
        self.number = number


class Crashing(GaussianNB):
    def fit(self, X: Any, y: Any) -> Any:
        if len(X) < 5:
            raise ValueError("want five rows")
        return super().fit(X, y)


class Forgetful(GaussianNB):
    def fit(self, X: Any, y: Any) -> Any:
        np.random.random()  # noqa: NPY002 - the fault that is to be found
        return super().fit(X, y)


class Comparing(GaussianNB):
    def predict_proba(self, X: Any) -> Any:
        return super().predict_proba(X - X.mean(0))


class Writing(GaussianNB):
    def fit(self, X: Any, y: Any) -> Any:
        X -= X.mean(0)
        return super().fit(X, y)


class Locked(GaussianNB):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


SMOOTH = {"var_smoothing": 1e-3}
_numbers = iter(range(10**6))
_alone = GaussianNB(**SMOOTH)


def smoothed(cls: Any) -> Any:
    """A maker of such an estimator, which survives few rows."""
    return lambda seed: cls().set_params(**SMOOTH) if cls is not Twice else cls(next(_numbers))


GOOD = Learner("good", "classification", "A learner that is as it should be.", smoothed(NoBayes))
BAD_LEARNERS: dict[str, tuple[Learner, str]] = {
    "declares_itself": (replace(GOOD, summary="good"), "begin the docstring with a sentence"),
    "makes_a_new_estimator": (replace(GOOD, make=lambda seed: _alone), "same object twice"),
    "works_on_one_core": (replace(GOOD, make=lambda seed: RandomForestClassifier(n_jobs=-1)), "set n_jobs=1"),
    "survives_few_rows": (replace(GOOD, make=smoothed(Crashing)), "one row a class: ValueError: want five"),
    "repeats_with_its_seed": (replace(GOOD, make=lambda seed: DecisionTreeClassifier(splitter="random")), "seed"),
    "learns": (replace(GOOD, make=lambda seed: DummyClassifier()), "accuracy .* always the commonest"),
    "answers_each_row_for_itself": (replace(GOOD, make=smoothed(Comparing)), "answers otherwise"),
    "leaves_its_input_alone": (replace(GOOD, make=smoothed(Writing)), "writes into its input"),
    "goes_to_another_process": (replace(GOOD, make=lambda seed: Locked()), "cannot be pickled"),
}


def test_a_learner_that_is_as_it_should_be_passes() -> None:
    check_learner(GOOD)


def test_every_check_of_a_learner_has_one_that_breaks_it() -> None:
    assert set(BAD_LEARNERS) == set(LEARNER_CHECKS)


@pytest.mark.parametrize("check", LEARNER_CHECKS)
def test_the_check_of_a_learner_fires(check: str) -> None:
    broken, words = BAD_LEARNERS[check]
    with pytest.raises((AssertionError, ValueError), match=words):
        LEARNER_CHECKS[check](broken)


@pytest.mark.parametrize(
    ("check", "make", "words"),
    [
        ("repeats_with_its_seed", smoothed(Forgetful), "numpy's global generator"),
        ("makes_a_new_estimator", smoothed(Twice), "differs from call to call"),
        ("makes_a_new_estimator", lambda seed: object(), r"has no fit\(\)"),
        ("makes_a_new_estimator", lambda seed: GaussianNB().fit([[0.0], [1.0]], [0, 1]), "fitted already"),
    ],
)
def test_the_checks_of_a_learner_see_further_faults(check: str, make: Any, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        LEARNER_CHECKS[check](replace(GOOD, make=make))


# ------------------------------------------------------------- the checks of a regime fire


@pytest.fixture(autouse=True)
def no_kept_regimes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test registers is gone after it."""
    assert len(REGIMES)  # its own are there before the copy is made
    monkeypatch.setattr(changes, "_found", dict(changes._found))
    return


@dataclass(frozen=True)
class Blur(Change):
    """The features are blurred, as an example of a change that keeps the contract."""

    name: ClassVar[str] = "blur"
    width: float = 0.1

    def __post_init__(self) -> None:
        self.number("width", 0.0, 10.0)

    def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
        return replace(layout, pool_x=layout.pool_x + self.width * rng.standard_normal(layout.pool_x.shape))


@dataclass(frozen=True)
class Listed(Blur):
    """Its parameter is a list, which no text spells."""

    name: ClassVar[str] = "blur"
    width: Any = field(default=(1, 2))

    def __post_init__(self) -> None:
        pass


@dataclass(frozen=True)
class Silent(Blur):
    name: ClassVar[str] = "blur"


Silent.__doc__ = ""


@dataclass(frozen=True)
class InPlace(Blur):
    """It writes into what it is given."""

    def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
        layout.pool_x[0] = 0.0
        return layout


@dataclass(frozen=True)
class Unseeded(Blur):
    """It draws from nowhere."""

    def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
        return super().apply(layout, np.random.default_rng())


@dataclass(frozen=True)
class Liar(Blur):
    """It changes the truth of the guide."""

    def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
        return replace(layout, guide_y=layout.guide_y[::-1].copy())


@dataclass(frozen=True)
class Narrow(Blur):
    """It drops a column of the pool alone."""

    def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
        return replace(layout, pool_x=layout.pool_x[:, 1:])


@dataclass(eq=False)
class Moody:
    """An oracle that remembers how often it was asked."""

    base: Any
    calls: int = 0

    def tell(self, rows: np.ndarray, asked: int) -> np.ndarray:
        self.calls += 1
        told: np.ndarray = self.base.tell(rows, asked)
        return told if self.calls % 2 else told[::-1].copy()

    def take(self, rows: np.ndarray) -> Moody:
        return Moody(self.base.take(rows))


@dataclass(frozen=True)
class Remembering(Blur):
    """Its oracle has a memory."""

    def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
        return replace(layout, oracle=Moody(layout.oracle))


BAD_REGIMES: dict[str, tuple[Change, str]] = {
    "spelling_reads_back": (Blur(), "cannot be read back.*put @change above"),
    "says_what_it_does": (Silent(), "no docstring"),
    "leaves_its_input_alone": (InPlace(), "writes into its input"),
    "repeats_with_its_seed": (Unseeded(), "the same seed gives another layout"),
    "keeps_the_truth": (Liar(), "changes the guide's labels"),
    "lays_out_what_fits": (Narrow(), r"the splits have \[2, 3\] columns"),
    "its_oracle_has_no_memory": (Remembering(), "asked again, it answers otherwise"),
    "can_be_played_and_branched": (Remembering(), "no state can be built again"),
}


def test_a_regime_that_is_as_it_should_be_passes() -> None:
    change(Blur)
    check_regime("blur(width=0.5)")
    with pytest.raises(AssertionError, match="2 changes; check them one by one"):
        check_regime("blur+cold_start")


def test_every_check_of_a_regime_has_one_that_breaks_it() -> None:
    assert set(BAD_REGIMES) == set(REGIME_CHECKS)


@pytest.mark.parametrize("check", REGIME_CHECKS)
def test_the_check_of_a_regime_fires(check: str) -> None:
    broken, words = BAD_REGIMES[check]
    if check != "spelling_reads_back":  # its fault is that it is not registered
        change(type(broken))
    with pytest.raises(AssertionError, match=words):
        REGIME_CHECKS[check](broken)


def test_a_failing_check_is_named_with_the_regime() -> None:
    change(Liar)
    with pytest.raises(AssertionError, match=r"regime blur\(width=0\.2\) fails keeps_the_truth: four classes"):
        check_regime("blur(width=0.2)")


def test_the_checks_of_a_regime_see_further_faults() -> None:
    class Refusing(Blur):
        def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
            raise TaskError("never")

    class Breaking(Blur):
        def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
            raise KeyError("x")

    class Peeking(Blur):
        def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
            layout.test_y.open()
            return layout

    class Losing(Blur):
        def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
            return layout.take(np.flatnonzero(layout.pool_y != layout.pool_y[0]))

    class Elsewhere(Blur):
        seed: ClassVar[Any] = "initial"

    keeps = REGIME_CHECKS["keeps_the_truth"]
    for broken, words in (
        (Refusing(), "refuses classifications and regressions alike"),
        (Breaking(), "KeyError: 'x'; refuse what cannot be with a TaskError"),
        (Peeking(), "SealedError"),
        (Losing(), r"the classes \[\d\] are gone from the pool"),
    ):
        with pytest.raises(AssertionError, match=words):
            keeps(broken)
    with pytest.raises(AssertionError, match="cannot be read back"):
        REGIME_CHECKS["spelling_reads_back"](Listed())
    REGIME_CHECKS["repeats_with_its_seed"](Elsewhere())  # another seed is fine, as long as it is the one that it names


# ------------------------------------------------------------- the checks of a source fire


def reading(**changes: Any) -> Any:
    """A source of 60 rows that keeps the contract but for what is said."""

    def read(text: str, target: str | None = None, *, family: str = "", kind: str | None = None) -> Any:
        if text != "hens" and not changes.get("anything"):
            raise changes.get("error", TaskError)(f"no data {text!r}; expected hens")
        if target not in (None, "eggs"):
            raise TaskError(f"no column {target!r}; expected eggs")
        rng = np.random.default_rng(None if changes.get("unseeded") else 0)
        frame = pd.DataFrame(rng.normal(size=(60, 2)), columns=changes.get("columns", ["weight", "age"]))
        y = np.array(["few", "many"])[(np.arange(60) % 2)]
        if changes.get("leak"):
            frame["size"] = np.where(y == "few", 3.0, 8.0)
        if changes.get("stubborn"):
            kind = None
        found = make_dataset("hens", frame, y, family="" if changes.get("orphan") else family, kind=kind)
        if changes.get("broken"):
            found = replace(found, X=frame.assign(note=[threading.Lock()] * 60))
        return found

    return read


BAD_SOURCES: dict[str, tuple[Any, str]] = {
    "gives_a_dataset": (reading(columns=["a", "a"]), "two columns have the same name"),
    "repeats": (reading(unseeded=True), "other features"),
    "takes_a_family": (reading(orphan=True), "leaves out the family="),
    "obeys_the_kind": (reading(stubborn=True), "asked for a regression it gives a classification"),
    "refuses_what_is_not_there": (reading(anything=True), "is read without an error"),
    "keeps_the_answer_out": (reading(leak=True), "the column 'size' is the target"),
    "can_be_rehearsed": (reading(broken=True), "pickle"),
}


def test_a_source_that_is_as_it_should_be_passes() -> None:
    check_source(reading(), "hens")


def test_every_check_of_a_source_has_one_that_breaks_it() -> None:
    assert set(BAD_SOURCES) == set(SOURCE_CHECKS)


@pytest.mark.parametrize("check", SOURCE_CHECKS)
def test_the_check_of_a_source_fires(check: str) -> None:
    broken, words = BAD_SOURCES[check]
    with pytest.raises((AssertionError, TypeError), match=words):
        SOURCE_CHECKS[check](broken, "hens")


def test_an_error_of_another_kind_is_no_refusal() -> None:
    with pytest.raises(AssertionError, match=r"KeyError.*raise a TaskError"):
        check_source(reading(error=KeyError), "hens")
    with pytest.raises(AssertionError, match="source read of 'eggs' fails gives_a_dataset: it cannot read 'eggs'"):
        check_source(reading(), "eggs")
