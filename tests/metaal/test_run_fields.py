"""What `ask` takes beside probabilities: every field of the zoo's view, plain functions, votes, labels as words."""

from typing import Any

import numpy as np
import pytest

import metaal
from metaal import Fixed, Run
from metaal.errors import InputError, PolicyError
from metadata_store import open_store
from strategy_zoo import FIELDS, Proposal, View
from strategy_zoo.testing import arrays


def memory_run(policy: Any, name: str = "r", **settings: Any) -> Run:
    return Run(name, policy=policy, seed=0, store=open_store("memory:"), **settings)


def spying(seen: dict[str, Any]) -> Any:
    def spy(view: View, n: int, rng: np.random.Generator) -> Any:
        seen.update({name: getattr(view, name) for name in FIELDS if view.has(name)})
        return np.arange(n)

    return spy


def test_every_field_of_a_view_reaches_the_strategy() -> None:
    given, seen = arrays(30) | {"classes": np.arange(4)}, {}
    run = memory_run(spying(seen))
    run.ask(3, ids=np.arange(30), **given)
    assert set(seen) == set(FIELDS)
    for name, value in given.items():
        assert callable(value) or np.array_equal(seen[name], value), name


def test_a_field_with_other_rows_than_the_ids_is_refused_by_name() -> None:
    given = arrays(30)
    for name in ("quantiles", "committee_prediction", "stochastic", "label_proba", "votes"):
        with pytest.raises(InputError, match=f"{name}: shape .* but ids has 29"):
            memory_run("random").ask(3, ids=np.arange(29), **{name: given[name]})


def test_words_in_seen_y_become_columns_where_classes_are_given() -> None:
    seen: dict[str, Any] = {}
    run = memory_run(spying(seen))
    proba = [[0.2, 0.8], [0.6, 0.4], [0.5, 0.5]]
    run.ask(1, ids=[1, 2, 3], proba=proba, classes=["no", "yes"], seen_y=["yes", "no", "yes", "perhaps"])
    assert seen["seen_y"].tolist() == [1, 0, 1, -1]


def test_a_function_is_a_policy_wherever_a_strategy_is_one() -> None:
    def last(view: View, n: int, rng: np.random.Generator) -> Any:
        return range(view.n - n, view.n)

    def best(view: View, n: int, rng: np.random.Generator) -> Proposal:
        return Proposal([0], [5.0])

    proba = np.full((10, 2), 0.5)
    assert memory_run(last).ask(2, ids=np.arange(10), proba=proba).rows.tolist() == [8, 9]
    assert memory_run(Fixed(last)).ask(2, ids=np.arange(10), proba=proba).action == "plain('last')"
    assert memory_run(best).ask(1, ids=np.arange(10), proba=proba).score.tolist() == [5.0]
    both = metaal.Uniform((last, "margin"))  # type: ignore[arg-type]
    assert both.arms == ("plain('last')", "margin")
    with pytest.raises(PolicyError, match="pass the function itself"):
        memory_run("plain('unheard')")


def test_a_function_can_be_evaluated_against_a_strategy(tmp_path: Any) -> None:
    def first(view: View, n: int, rng: np.random.Generator) -> Any:
        return range(n)

    result = metaal.evaluate({"mine": first, "random": "random"}, suite="tiny", seeds=[0], store=tmp_path / "s")
    assert set(result.runs["policy"]) == {"mine", "random"}


def test_a_row_with_votes_can_be_asked_again_and_costs_a_second_label() -> None:
    def most_torn(view: View, n: int, rng: np.random.Generator) -> Any:
        assert view.votes is not None
        return np.argsort(-view.votes.min(axis=1), kind="stable")[:n]

    run = memory_run(most_torn, budget=6)
    ids = np.arange(4)
    proba = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    votes = np.zeros((4, 2))
    votes[:2, 0] = 1
    first = run.ask(2, ids=ids, proba=proba, votes=votes)
    run.tell([0, 0])
    assert first.rows.tolist() == [0, 1]
    with pytest.raises(InputError, match="already have a label in this run"):
        run.ask(1, ids=ids, proba=proba)
    votes[0] = [1, 1]
    again = run.ask(1, ids=ids, proba=proba, votes=votes)
    assert again.ids.tolist() == [0]
    run.tell([1])
    assert run.labels == {0: 1, 1: 0}
    with pytest.raises(InputError, match="already has a label"):
        run.tell([1], ids=[0])
    assert run.ask(4, ids=ids, proba=proba, votes=votes + 1).ids.size == 3  # 6 labels, of which 3 are spent


def test_a_multi_label_task_tells_a_row_of_labels_for_each_id() -> None:
    store = open_store("memory:")
    proba = np.random.default_rng(0).random((12, 3))
    run = Run("r", policy="multilabel_margin", store=store)
    query = run.ask(2, ids=np.arange(12), label_proba=proba)
    run.tell([[0, 1, 1], [1, 0, 0]])
    for wrong in ([[0, 1]], [1], [[0, 1, 2]], [["a", "b", "c"]], [[0, 1], [1]]):
        with pytest.raises(InputError, match="expected 3 zeros and ones for each row"):
            run.change(query.ids[:1], wrong)
    run.change(query.ids[:1], [[1, 1, 1]])
    again = Run.resume("r", store=store)
    assert again.labels == {query.ids[0]: [1, 1, 1], query.ids[1]: [1, 0, 0]}
    left = np.setdiff1d(np.arange(12), query.ids)
    seen = np.array(list(again.labels.values()))
    assert len(again.ask(2, ids=left, label_proba=proba[left], seen_labels=seen).ids) == 2
