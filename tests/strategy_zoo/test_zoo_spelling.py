"""The text form of strategies: what it reads, what it prints, what it refuses."""

import sys
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategy_zoo import (
    Mix,
    Narrow,
    SpellingError,
    Strategy,
    UnknownStrategyError,
    View,
    ZooError,
    get,
    names,
    propose,
)
from strategy_zoo.plain import keep
from strategy_zoo.registry import lookup
from strategy_zoo.testing import arrays

BARE = sorted(name for name in names() if not lookup(name).example)


def leaves() -> st.SearchStrategy[Strategy]:
    return st.one_of(
        st.sampled_from(BARE).map(get),
        st.sampled_from(["euclidean", "cosine"]).map(lambda m: get(f"k_center(metric={m!r})")),
        st.floats(1e-6, 1e6).map(lambda b: get(f"power_margin(beta={b!r})")),
        st.integers(1, 10_000).map(lambda f: get(f"cluster_margin(factor={f})")),
        st.integers(1, 1000).map(lambda k: get(f"typiclust(neighbours={k})")),
    )


def compose(inner: st.SearchStrategy[Strategy]) -> st.SearchStrategy[Strategy]:
    mixes = st.lists(st.tuples(inner, st.floats(0.001, 1000)), min_size=2, max_size=4).map(
        lambda parts: Mix(tuple(p for p, _ in parts), tuple(w for _, w in parts))
    )
    equal = st.lists(inner, min_size=2, max_size=4).map(lambda parts: Mix(tuple(parts)))
    return mixes | equal | st.builds(Narrow, inner, inner, st.integers(1, 10_000))


@given(st.recursive(leaves(), compose, max_leaves=6))
@settings(max_examples=200, deadline=None)
def test_every_strategy_reads_back_from_its_spelling(strategy: Strategy) -> None:
    text = strategy.spelling
    assert get(text) == strategy
    assert get(text).spelling == text
    assert hash(get(text)) == hash(strategy)
    assert str(strategy) == repr(strategy) == text


@given(st.text(max_size=200) | st.text(alphabet="()[]{}=,.'\"\\+-*:margin_ 0129\n\x00λ", max_size=300))
@settings(max_examples=500, deadline=None)
def test_any_text_gives_a_strategy_or_a_zoo_error(text: str) -> None:
    message = ""
    try:
        assert isinstance(get(text), Strategy)
    except ZooError as error:
        message = str(error)
    assert len(message) < 2000


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (" margin ", "margin"),
        ("margin()", "margin"),
        ("k_center(metric='euclidean')", "k_center"),
        ('k_center(metric="cosine")', "k_center(metric='cosine')"),
        ("power_margin(beta=1)", "power_margin"),
        ("power_margin(beta=2)", "power_margin(beta=2.0)"),
        ("mix(margin=7, random=3)", "mix(margin=0.7, random=0.3)"),
        ("mix(margin, random)", "mix(margin=0.5, random=0.5)"),
        ("mix(margin, random, weights=[1, 3])", "mix(margin=0.25, random=0.75)"),
        ("mix(margin, margin)", "mix(margin, margin)"),
        (
            "mix(k_center(metric='cosine'), margin, weights=(0.7, 0.3))",
            "mix(k_center(metric='cosine'), margin, weights=(0.7, 0.3))",
        ),
        ("narrow(margin, k_center, factor=10)", "narrow(margin, k_center)"),
        ("narrow(filter=margin, pick=badge, factor=3)", "narrow(margin, badge, factor=3)"),
        (
            "narrow(mix(margin=1, random=1), badge())",
            "narrow(mix(margin=0.5, random=0.5), badge)",
        ),
    ],
)
def test_spellings_have_one_canonical_form(text: str, canonical: str) -> None:
    assert get(text).spelling == canonical


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("margin + 1", "at column 1"),
        ("k_center(metric='cosine'", "at column 9"),
        ("k_center(metric=1 + 1)", "at column 17"),
        ("k_center(metric=__import__('os').getcwd())", "at column 17"),
        ("(lambda: 1)()", "at column 1"),
        ("margin.__class__", "at column 1"),
        ("margin[0]", "at column 1"),
        ("mix(**margin)", "at column 7"),
        ("mix(*margin)", "at column 5"),
        ("k_center('cosine')", "positional"),
        ("k_center(metrics='cosine')", "no parameter 'metrics'; it has: metric"),
        ("k_center(metric='cos')", "expected one of 'euclidean', 'cosine'"),
        ("k_center(metric=margin)", "expected one of"),
        ("margin(beta=1)", "it has: none"),
        ("power_margin(beta=0)", "from 1e-06 to 1e"),
        ("power_margin(beta=-1)", "beta is -1"),
        ("power_margin(beta=1e999)", "beta is inf"),
        ("power_margin(beta=True)", "beta is True"),
        ("cluster_margin(factor=1.5)", "whole number"),
        ("typiclust(neighbours=0)", "from 1 to 1000"),
        ("typiclust(neighbours=False)", "whole number"),
        ("mix", "2 to 32"),
        ("mix(margin=1)", "2 to 32"),
        ("mix(margin=1, random=0)", "a weight is 0"),
        ("mix(margin=1, random='x')", "a weight is 'x'"),
        ("mix(margin=1, margin=1)", "repeated"),
        ("mix(margin, random=1)", "expected either"),
        ("mix(margin, random, weights=1)", "expected 2 numbers"),
        ("mix(margin, random, weights=(1, 2, 3))", "expected 2 numbers"),
        ("mix(margin=1e9, random=1e-9)", "leave that ingredient out"),
        ("narrow(margin)", "needs pick"),
        ("narrow(margin, k_center, badge)", "expected narrow"),
        ("narrow(margin, filter=badge, pick=badge)", "again filter"),
        ("narrow(margin, 3)", "pick is 3"),
        ("narrow(margin, badge, factor=0)", "factor is 0"),
    ],
)
def test_refused_text_says_why(text: str, words: str) -> None:
    with pytest.raises(SpellingError) as caught:
        get(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 1900,
        "mix(" * 400 + ")" * 400,
        "-" * 1900 + "1",
        "power_margin(beta=" + "-" * 1900 + "1)",
        "power_margin(beta=" + "9" * 1900 + ")",
        "k_center(metric=" + "(" * 150 + ")" * 150 + ")",
        "k_center(metric='" + "x" * 1900 + "')",
        "1+" * 900 + "1",
        "margin." * 270 + "x",
        "x" * 1_000_000,
        "(" * 1_000_000,
        "margin\x00",
        "k_center(metric='\\d')",
        "1or 2",
        "k_center(metric=f'{1}')",
        "k_center(metric=b'cosine')",
        "power_margin(beta=1j)",
        "narrow(" * 20 + "margin" + ", margin)" * 20,
        "k_center(metric='\ud800')",
        "margin; random",
        "margin\nrandom",
        "x := margin",
        "[margin for margin in ()]",
    ],
)
def test_hostile_text_is_refused_as_a_zoo_error(text: str) -> None:
    with pytest.raises(ZooError) as caught:
        get(text)
    assert len(str(caught.value)) < 700


def test_reading_never_runs_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr(sys, "exit", lambda *a: ran.append("exit"))
    for text in ("sys.exit()", "mix(sys.exit(), margin)", "k_center(metric=exit())", "exit()"):
        with pytest.raises(ZooError):
            get(text)
    assert ran == []


def test_unknown_names_offer_the_nearest_ones_and_print_without_quotes() -> None:
    with pytest.raises(UnknownStrategyError) as caught:
        get("margn")
    assert str(caught.value).startswith("no strategy is called 'margn'; did you mean margin")
    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(UnknownStrategyError, match="there are ascend_uncertainty, badge"):
        get("zzzzzz")
    with pytest.raises(UnknownStrategyError, match="entropy"):
        get("mix(margin=0.5, entropi=0.5)")


def test_get_refuses_what_is_neither_text_nor_strategy() -> None:
    with pytest.raises(SpellingError, match="given as a int"):
        get(3)  # type: ignore[arg-type]


def test_parameters_of_numpy_types_are_spelled_as_plain_numbers() -> None:
    cls = type(get("power_margin"))
    assert cls(beta=np.float64(2.5)).spelling == "power_margin(beta=2.5)"
    assert type(get("cluster_margin"))(factor=np.int64(3)).spelling == "cluster_margin(factor=3)"


def test_compositions_take_strategies_or_their_spellings() -> None:
    assert Mix(("margin", get("random")), (3, 1)) == get("mix(margin=0.75, random=0.25)")
    assert Narrow("margin", "badge") == get("narrow(margin, badge)")
    with pytest.raises(SpellingError, match="2 to 32"):
        Mix("margin")  # type: ignore[arg-type]
    with pytest.raises(SpellingError, match="given as a int"):
        Mix((3, "margin"))  # type: ignore[arg-type]


def test_a_function_is_accepted_where_a_strategy_is() -> None:
    def last(view: View, n: int, rng: np.random.Generator) -> range:
        return range(view.n - n, view.n)

    view = View(**arrays(20))
    mixed = Mix((last, "margin"))  # type: ignore[arg-type]
    assert 18 in propose(mixed, view, 2, np.random.default_rng(0)).rows  # its first row
    picked = propose(Narrow("margin", last, factor=3), view, 2, np.random.default_rng(0)).rows  # type: ignore[arg-type]
    near = np.sort(propose("margin", view, 6, np.random.default_rng(0)).rows)
    assert picked.tolist() == near[-2:].tolist()
    with pytest.raises(SpellingError, match="pass the function itself"):
        get("plain('nobody')")


def test_a_kept_function_reads_back_and_its_namesake_gets_a_number() -> None:
    one, two = (lambda view, n, rng: range(n)), (lambda view, n, rng: range(view.n - n, view.n))
    first, second = keep(get(one)), keep(get(two))
    assert first.spelling != second.spelling
    assert get(first.spelling) == first
    assert get(second.spelling) == second
    assert keep(get(one)) is first


class Chooser:
    def choose(self, view: View, n: int, rng: np.random.Generator) -> range:
        return range(n)

    __call__ = choose


def test_a_function_made_again_by_the_same_code_keeps_its_label() -> None:
    """As in a cell of a notebook that is run twice; one that holds other values is another one."""

    def made() -> list[Strategy]:
        space: dict[str, Any] = {}
        exec("def cell(view, n, rng):\n    return range(n)", globals(), space)  # noqa: S102
        return [keep(get(space["cell"])), keep(get(space["cell"]))]

    def closure(k: int) -> Strategy:
        return keep(get(lambda view, n, rng: range(k, k + n)))

    assert len({one.spelling for one in (*made(), *made())}) == 1
    assert closure(1).spelling != closure(2).spelling
    chooser = Chooser()
    assert keep(get(chooser.choose)).spelling == keep(get(chooser.choose)).spelling
    assert keep(get(chooser.choose)).spelling != keep(get(Chooser().choose)).spelling


def test_callables_without_a_name_are_called_after_their_class_or_function() -> None:
    assert get(Chooser()).spelling == "plain('Chooser')"
    assert get(partial(Chooser.choose, Chooser())).spelling == "plain('choose')"


def test_functions_inside_of_compositions_are_kept_too() -> None:
    one, two = (lambda view, n, rng: range(n)), (lambda view, n, rng: range(view.n - n, view.n))
    for made in (Mix((one, two)), Narrow("margin", Mix((two, "margin"))), Narrow(one, two)):  # type: ignore[arg-type]
        kept = keep(made)
        again = get(kept.spelling)
        for strategy in (made, again):
            view = View(**arrays(20))
            assert propose(strategy, view, 4, np.random.default_rng(0)).rows.tolist() == (
                propose(kept, view, 4, np.random.default_rng(0)).rows.tolist()
            )
    margin = get("mix(margin=0.5, random=0.5)")
    assert keep(margin) is margin


def test_compositions_need_what_their_ingredients_need() -> None:
    both = get("narrow(margin, mix(k_center=0.5, random=0.5))")
    assert both.needs == ("proba", "embedding")
    assert both.uses == ("seen_embedding",)
    assert both.task == ("classification",)
    assert both.stochastic
    assert not get("narrow(margin, k_center)").stochastic
    assert get("mix(k_center=0.5, random=0.5)").task == ("classification", "regression")
