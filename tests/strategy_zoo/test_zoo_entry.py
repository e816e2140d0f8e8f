"""The one entry, the registry and plugins."""

import importlib.metadata
import json
from dataclasses import MISSING, dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from strategy_zoo import (
    Proposal,
    Strategy,
    UnmetNeedError,
    View,
    ZooError,
    catalogue,
    get,
    names,
    propose,
    register,
    registry,
    unmet,
)
from strategy_zoo.strategy import default_of
from strategy_zoo.testing import arrays

VIEW = View(**arrays(20))
RNG = np.random.default_rng(0)


def test_a_plain_function_is_a_strategy() -> None:
    answer = propose(lambda view, n, rng: [5, 3, 4], VIEW, 3, RNG)
    assert answer.rows.tolist() == [5, 3, 4]
    assert answer.score.tolist() == sorted(answer.score, reverse=True)
    made = propose(lambda view, n, rng: Proposal([2], [7.0]), VIEW, 1, RNG)
    assert made.score.tolist() == [7.0]
    assert len(propose(lambda view, n, rng: np.arange(n), VIEW, 99, RNG)) == 20


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([1, 2], "2 rows, expected exactly 3"),
        ([1, 2, 2], "row 2 more than once"),
        ([1, 2, 20], "row 20, expected rows from 0 to 19"),
        ([1, 2, -1], "row -1"),
        ([0.1, 0.2, 0.3], "whole numbers"),
        (np.ones(20, bool), "not a mask"),
        ([[1, 2, 3]], "shape (1, 3)"),
        (None, "whole numbers"),
        ([[1], [1, 2]], "expected 3 rows"),
    ],
)
def test_a_wrong_answer_names_the_culprit(rows: Any, words: str) -> None:
    def culprit(view: View, n: int, rng: np.random.Generator) -> Any:
        return rows

    with pytest.raises(ZooError) as caught:
        propose(culprit, VIEW, 3, RNG)
    assert words in str(caught.value)
    assert str(caught.value).startswith("culprit answered")


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "3", None])
def test_n_must_be_a_positive_whole_number(n: Any) -> None:
    with pytest.raises(ZooError, match="n is "):
        propose("margin", VIEW, n, RNG)


def test_other_arguments_are_checked_in_words() -> None:
    with pytest.raises(ZooError, match=r"rng is a int.*default_rng"):
        propose("margin", VIEW, 3, 0)  # type: ignore[arg-type]
    with pytest.raises(ZooError, match="view is a dict"):
        propose("margin", {}, 3, RNG)  # type: ignore[arg-type]
    with pytest.raises(ZooError, match="got the class Foreign"):
        propose(Foreign, VIEW, 3, RNG)  # type: ignore[arg-type]
    with pytest.raises(ZooError, match="given as a NoneType"):
        propose(None, VIEW, 3, RNG)  # type: ignore[arg-type]


def test_numpy_integers_are_fine_and_more_than_the_pool_means_all() -> None:
    assert sorted(propose("margin", VIEW, np.int64(500), RNG).rows) == list(range(20))


def test_an_empty_pool_gives_an_empty_proposal() -> None:
    assert len(propose("margin", View(proba=np.empty((0, 3))), 5, RNG)) == 0


def test_unmet_needs_are_said_in_words() -> None:
    view = View(proba=[[0.5, 0.5]])
    assert unmet("margin", view) is None
    assert unmet("k_center(metric='cosine')", view) == (
        "k_center(metric='cosine') needs embedding, which the view does not hold; "
        "pass embedding= to View (it holds proba)"
    )
    reason = unmet("mix(badge=0.5, random=0.5)", View(prediction=[1.0]))
    assert reason is not None
    assert "proba and embedding" in reason
    with pytest.raises(UnmetNeedError, match="k_center needs embedding"):
        propose("k_center", view, 1, RNG)
    with pytest.raises(UnmetNeedError, match="does not hold proba"):
        get("margin").propose(View(prediction=[1.0]), 1, RNG)
    with pytest.raises(ZooError, match="no score by row"):
        get("badge").score(VIEW, RNG)


def test_catalogue_tells_everything_about_every_strategy() -> None:
    table = catalogue()
    assert [entry["name"] for entry in table] == names() == sorted(names())
    for entry in table:
        assert set(entry) >= {
            *("name", "family", "kind", "needs", "task", "growth", "stochastic", "reference", "summary", "parameters")
        }
        assert entry["summary"].endswith(".")
        assert entry["reference"]
    json.dumps(table)
    by_name = {entry["name"]: entry for entry in table}
    assert by_name["k_center"]["parameters"] == {"metric": "euclidean"}
    assert by_name["narrow"]["parameters"] == {"filter": "(required)", "pick": "(required)", "factor": 10}


def test_a_proposal_of_words_is_refused() -> None:
    with pytest.raises(ZooError, match="score can't be read as numbers"):
        Proposal([1], ["high"])


# --- registration ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Foreign(Strategy):
    """The first rows."""

    name: ClassVar[str] = "foreign"
    kind = "batch"
    reference: ClassVar[str] = "Nobody 2024, Nothing"

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        return Proposal(np.arange(n), np.zeros(n))


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    names()
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    monkeypatch.setattr(registry, "_loaded", {"own"})


def offer(monkeypatch: pytest.MonkeyPatch, **loaders: Any) -> None:
    def entry_points(*, group: str) -> list[Any]:
        assert group == "metaal.strategies"
        return [SimpleNamespace(name=name, value=f"pkg:{name}", load=load) for name, load in loaders.items()]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)


@pytest.mark.usefixtures("scratch")
def test_another_package_registers_through_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, foreign=lambda: Foreign)
    assert "foreign" in names()
    assert get("foreign").spelling == repr(Foreign()) == "foreign"
    assert propose("mix(foreign=0.5, margin=0.5)", VIEW, 4, RNG).rows[0] == 0


@pytest.mark.usefixtures("scratch")
def test_a_broken_entry_point_gives_a_warning_and_the_others_still_load(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise ImportError("no module named lost")

    offer(monkeypatch, bad=broken, foreign=lambda: Foreign, odd=lambda: int)
    with pytest.warns(UserWarning, match="can't be used") as caught:
        assert "foreign" in names()
    words = [str(warning.message) for warning in caught]
    assert len(words) == 2
    assert "'bad' (pkg:bad)" in words[0]
    assert "no module named lost" in words[0]
    assert "int isn't a Strategy" in words[1]
    assert get("margin")


@pytest.mark.usefixtures("scratch")
def test_entry_points_are_read_on_the_first_unknown_name_only(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def load() -> Any:
        read.append(1)
        return Foreign

    offer(monkeypatch, foreign=load)
    get("margin")
    assert read == []
    get("foreign")
    names()
    assert read == [1]


@pytest.mark.usefixtures("scratch")
@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"name": "margin"}, "is taken by strategy_zoo.strategies.margin.Margin"),
        ({"name": "two words"}, "ASCII identifier"),
        ({"name": "lambda"}, "ASCII identifier"),
        ({"name": "weights"}, "reserved"),
        ({"name": ""}, "ASCII identifier"),
        ({"kind": "odd"}, "expected one of rowwise, batch"),
        ({"needs": ("probs",)}, "needs probs"),
        ({"needs": "proba"}, r"write needs = \('proba',\)"),
        ({"task": "regression"}, r"write task = \('regression',\)"),
        ({"kind": "rowwise"}, "doesn't define score; define it, or set kind = 'batch'"),
        ({"propose": Strategy.propose}, "doesn't define propose; define it, or set kind = 'rowwise'"),
        ({"__annotations__": {"k": int}}, r"no default for k; give one, or set example on the class.*wrong\(k="),
    ],
)
def test_register_refuses_what_breaks_the_contract(members: dict[str, Any], words: str) -> None:
    cls = dataclass(frozen=True)(type("Wrong", (Foreign,), {"__module__": __name__, "name": "wrong", **members}))
    with pytest.raises(ZooError, match=words):
        register(cls)


@pytest.mark.usefixtures("scratch")
def test_classes_from_outside_are_found_in_spellings() -> None:
    register(Foreign)
    assert registry.foreign(["margin", "mix(foreign=0.5, margin=0.5)"]) == [Foreign]
    assert registry.foreign(["margin", "k_center(metric='cosine')"]) == []


def test_a_default_is_found_in_a_class_with_a_missing_of_another_process() -> None:
    missing = type(MISSING)
    assert default_of(SimpleNamespace(default=0.7, default_factory=missing())) == 0.7  # type: ignore[arg-type]
    assert default_of(SimpleNamespace(default=missing(), default_factory=missing())) is MISSING  # type: ignore[arg-type]


@pytest.mark.usefixtures("scratch")
def test_register_wants_a_frozen_dataclass_and_takes_the_same_class_twice() -> None:
    plain = type("Plain", (Foreign,), {"name": "plain"})
    with pytest.raises(ZooError, match="frozen dataclass"):
        register(plain)
    register(Foreign)
    assert register(Foreign) is Foreign
