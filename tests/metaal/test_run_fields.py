"""What `ask` takes beside probabilities: every field of the zoo's view, plain functions, votes, labels as words."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

import metaal
from metaal import Fixed, Run
from metaal.errors import InputError, PolicyError
from metadata_store import open_store
from strategy_zoo import FIELDS, Mix, Narrow, Proposal, Strategy, View, names, plain, register, registry
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


def test_functions_and_classes_of_ones_own_are_evaluated_in_several_processes(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first(view: View, n: int, rng: np.random.Generator) -> Any:
        return range(n)

    names()  # what is loaded later would be forgotten with the copy
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))

    @register
    @dataclass(frozen=True)
    class Middle(Strategy):
        """Rows whose highest probability is near to a value."""

        name: ClassVar[str] = "middle_of_here"
        needs: ClassVar[tuple[str, ...]] = ("proba",)
        value: float = 0.7

        def score(self, view: View, rng: np.random.Generator) -> Any:
            return -np.abs(view.proba.max(axis=1) - self.value)  # type: ignore[union-attr]

    policies: dict[str, Any] = {"mine": first, "middle": "middle_of_here(value=0.6)", "both": Mix((first, Middle()))}
    result = metaal.evaluate(policies, suite="tiny", seeds=[0], store=tmp_path / "s", jobs=2)
    assert set(result.runs["policy"]) == {"mine", "middle", "both"}
    assert not result.runs["error"].any()


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


def test_rows_of_unequal_length_are_refused_by_name() -> None:
    for name in ("proba", "embedding", "committee", "votes"):
        with pytest.raises(InputError, match=f"^{name} is a list that can't be read as numbers"):
            memory_run("random").ask(1, ids=[0, 1], prediction=[0.0, 1.0], **{name: [[1.0], [0.5, 0.5]]})


def test_a_function_inside_of_a_composition_is_a_policy_too() -> None:
    def tail(view: View, n: int, rng: np.random.Generator) -> Any:
        return range(view.n - n, view.n)

    run = memory_run(Narrow("margin", tail, factor=3))  # type: ignore[arg-type]
    query = run.ask(1, ids=np.arange(10), proba=np.full((10, 2), 0.5))
    assert query.rows.tolist() == [2]  # the last one of the three that margin keeps
    assert run.policy.spelling == query.action == "narrow(margin, plain('tail'), factor=3)"


def test_a_run_of_a_function_of_another_process_is_read_and_told_but_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(view: View, n: int, rng: np.random.Generator) -> Any:
        return range(n)

    store, pool = open_store("memory:"), {"ids": np.arange(9), "proba": np.full((9, 2), 0.5)}
    Run("r", policy=elsewhere, store=store).ask(2, **pool)
    monkeypatch.setattr(plain, "_kept", {})
    run = Run.resume("r", store=store)
    assert run.policy.spelling == "plain('elsewhere')"
    assert run.ask(2, **pool).ids.tolist() == run.pending.ids.tolist() == [0, 1]  # type: ignore[union-attr]
    run.tell([0, 1])
    rest = {name: array[2:] for name, array in pool.items()}
    with pytest.raises(PolicyError, match=r"pass the function itself, as in Run\.resume\(path, policy="):
        run.ask(2, **rest)
    assert Run.resume("r", store=store, policy=elsewhere).ask(2, **rest).ids.tolist() == [2, 3]  # type: ignore[arg-type]


def torn() -> tuple[Run, np.ndarray]:
    """A run whose rows 0 to 2 have a label and wait for a second one."""
    run = memory_run(lambda view, n, rng: np.arange(n), budget=9)
    proba, votes = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]]), np.zeros((4, 2))
    run.ask(3, ids=np.arange(4), proba=proba, votes=votes)
    run.tell([0, 0, 0])
    votes[:3, 0] = 1
    run.ask(3, ids=np.arange(4), proba=proba, votes=votes)
    return run, proba


def test_a_row_that_is_asked_again_may_be_skipped_and_keeps_its_label() -> None:
    run, proba = torn()
    run.skip([0])
    assert run.pending is not None
    assert run.pending.ids.tolist() == [1, 2]
    assert run.labels == {0: 0, 1: 0, 2: 0}
    run.tell([1, 1])
    with pytest.raises(InputError, match="0 already has a label"):
        run.skip([0])
    assert run.ask(4, ids=np.arange(4), proba=proba, votes=np.ones((4, 2))).ids.tolist() == [1, 2, 3]


def test_surprise_counts_second_labels_and_not_the_first_ones_of_rows_that_wait() -> None:
    run, _ = torn()
    run.tell([1], ids=[1])
    assert run.history.series("surprise.accuracy.batch")[-1] == 0
    run.tell([0, 0])
    assert run.history.series("surprise.accuracy.batch")[-1] == pytest.approx(2 / 3)


def test_a_run_with_votes_and_second_labels_resumes_exactly() -> None:
    def drive(resume: bool) -> tuple[Any, ...]:
        rng, store, votes = np.random.default_rng(1), open_store("memory:"), np.zeros((40, 3))
        proba, label = rng.dirichlet(np.ones(3), 40), rng.integers(0, 3, (40, 12))
        policy = "uniform('relabel_or_new', 'margin', 'random')"
        run = Run("r", policy=policy, seed=3, budget=37, store=store)
        asked: list[Any] = []
        for loop in range(12):
            run = Run.resume("r", store=store) if resume else run
            query = run.ask(5, ids=np.arange(40), proba=proba, votes=votes)
            asked.append((query.ids.tolist(), query.action, query.stop))
            if not len(query.ids):
                break
            half = len(query.ids) // 2
            if half:
                run.tell(label[query.ids[:half], loop], ids=query.ids[:half])
            run = Run.resume("r", store=store) if resume else run
            run.tell(label[query.ids[half:], loop], ids=query.ids[half:])
            votes[query.ids, label[query.ids, loop]] += 1
        rows = [{k: v for k, v in row.items() if "seconds" not in k} for row in run._state.rows]
        return asked, run.labels, run._state.spent, repr(rows)

    asked, labels, spent, _ = once = drive(False)
    assert once == drive(True)
    assert spent == 37 == sum(len(ids) for ids, _, _ in asked)
    assert len(labels) < 37
    assert asked[-1] == ([], "stop", True)
