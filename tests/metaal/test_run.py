"""The run: what it accepts, what it refuses, and that the log stays whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import metaal
from metaal import Run
from metadata_store import MemoryStore, open_store


@pytest.fixture
def store() -> MemoryStore:
    return open_store("memory:")


def drive(run: Run, loop: Any, loops: int, n: int = 4) -> list[list[int]]:
    asked = []
    for _ in range(loops):
        query = run.ask(n, **loop.outputs())
        asked.append(query.ids.tolist())
        run.tell(loop.learn(query.ids), score=0.5, seconds={"fit": 0.1})
    return asked


def test_a_loop_asks_new_rows_and_logs_every_event(store: MemoryStore, loop: Any) -> None:
    run = Run("r", policy="margin", store=store)
    asked = drive(run, loop, 3)
    run.end(score=0.9)
    flat = [key for ids in asked for key in ids]
    assert len(set(flat)) == 12
    assert [record.event for record in store.records("r")] == ["begin", *["ask", "tell"] * 3, "end"]
    assert run.labels == {key: int(loop.y[key]) for key in flat}
    assert run.history.series("labels.count").tolist() == [3, 7, 11, 15]


def test_rows_are_positions_of_the_ids_in_the_pool_that_was_passed(store: MemoryStore, loop: Any) -> None:
    run = Run("r", policy="margin", store=store)
    shown = loop.outputs()
    query = run.ask(3, **shown)
    np.testing.assert_array_equal(shown["ids"][query.rows], query.ids)
    loop.learn(query.ids[:1])
    run.tell(loop.y[query.ids[:1]], ids=query.ids[:1])
    # Two rows still wait: they are in the pool, are not asked again, and positions still count from the whole pool.
    shown = loop.outputs()
    second = run.ask(3, **shown)
    assert not set(second.ids.tolist()) & set(query.ids.tolist())
    np.testing.assert_array_equal(shown["ids"][second.rows], second.ids)


def test_text_ids_and_text_labels(store: MemoryStore) -> None:
    run = Run("r", policy="margin", store=store)
    proba = [[0.9, 0.1], [0.55, 0.45], [0.7, 0.3]]
    query = run.ask(1, ids=["a", "b", "c"], proba=proba, classes=["cat", "dog"])
    assert query.ids.tolist() == ["b"]
    run.tell(["dog"])
    assert run.labels == {"b": "dog"}
    assert run.history.last("surprise.accuracy.batch") == 0.0
    assert run.history.last("surprise.confidence.batch") == pytest.approx(0.55)


def test_surprise_counts_labels_against_the_probabilities_shown(store: MemoryStore) -> None:
    run = Run("r", policy="margin", store=store)
    run.ask(2, ids=[0, 1, 2], proba=[[0.6, 0.4], [0.5, 0.5], [0.99, 0.01]])
    run.tell([0], ids=[1])
    assert run.history.last("surprise.accuracy.batch") == 1.0
    run.tell([1], ids=[0])
    assert run.history.last("surprise.accuracy.batch") == 0.5
    expected = -(np.log(0.5) + np.log(0.4)) / 2
    assert run.history.last("surprise.log_loss.batch") == pytest.approx(expected)


def test_labels_come_late_partly_and_in_another_order(store: MemoryStore, loop: Any) -> None:
    run = Run("r", policy="margin", store=store)
    first = run.ask(4, **loop.outputs())
    ids = first.ids.tolist()
    run.tell(loop.y[[ids[2], ids[0]]], ids=[ids[2], ids[0]])
    loop.learn([ids[2], ids[0]])
    assert set(run.pending.ids.tolist()) == {ids[1], ids[3]}
    second = run.ask(2, **loop.outputs())
    assert run.history.last("oracle.waiting") == 2
    run.tell(loop.y[[ids[1]]], ids=[ids[1]])
    assert run.history.last("oracle.late") == 1
    run.tell(loop.y[second.ids], ids=second.ids)
    assert run.pending.ids.tolist() == [ids[3]]
    assert run.labels[ids[2]] == loop.y[ids[2]]


def test_a_skipped_row_is_not_asked_again_and_may_still_get_a_label(store: MemoryStore, loop: Any) -> None:
    run = Run("r", policy="margin", store=store)
    query = run.ask(2, **loop.outputs())
    run.skip(query.ids[:1])
    run.tell(loop.y[query.ids[1:]])
    loop.learn(query.ids[1:])
    assert run.pending is None
    again = run.ask(5, **loop.outputs())
    assert int(query.ids[0]) not in again.ids.tolist()
    run.tell(loop.y[query.ids[:1]], ids=query.ids[:1])
    assert int(query.ids[0]) in run.labels


def test_a_label_can_be_changed_and_withdrawn(store: MemoryStore, loop: Any) -> None:
    run = Run("r", policy="margin", store=store)
    query = run.ask(2, **loop.outputs())
    run.tell([0, 1])
    run.change(query.ids[:1], [2])
    assert run.labels[int(query.ids[0])] == 2
    run.withdraw(query.ids[1:])
    assert list(run.labels) == [int(query.ids[0])]
    loop.learn(query.ids[:1])
    # The withdrawn row is in the pool again, and is still the least certain one of those left.
    assert int(query.ids[1]) in run.ask(len(loop.pool()), **loop.outputs()).ids.tolist()
    assert [record.event for record in store.records("r")][2:5] == ["tell", "change", "withdraw"]


def test_budget_cuts_the_last_query_and_then_says_stop(store: MemoryStore, loop: Any) -> None:
    run = Run("r", policy="margin", budget=5, store=store)
    assert [len(ids) for ids in drive(run, loop, 2)] == [4, 1]
    query = run.ask(4, **loop.outputs())
    assert query.stop
    assert len(query) == 0
    assert "budget" in query.reason


def test_the_last_rows_come_with_a_stop_since_there_is_nothing_to_choose(store: MemoryStore) -> None:
    run = Run("r", policy="margin", store=store)
    query = run.ask(10, ids=[5, 6], proba=[[0.5, 0.5], [0.9, 0.1]])
    assert query.stop
    assert query.ids.tolist() == [5, 6]
    run.tell([0, 1])
    assert len(run.labels) == 2


def test_a_policy_never_sees_scores_or_reports(store: MemoryStore, loop: Any) -> None:
    seen: list[str] = []

    class Spy(metaal.Uniform):
        def decide(self, history: metaal.History, actions: metaal.ActionSet) -> metaal.Decision:
            seen.extend(history.names)
            return super().decide(history, actions)

    run = Run("r", policy=Spy(("margin", "random")), store=store)
    for _ in range(3):
        run.report({"accuracy": 0.99})
        query = run.ask(3, **loop.outputs())
        run.tell(loop.learn(query.ids), score=0.7, val_f1=0.3)
    assert "user.val_f1" in seen
    assert not [name for name in seen if name.startswith(("score.", "report."))]
    assert run.history.series("score.value").tolist() == [0.7] * 3


def test_uniform_logs_the_propensity_it_drew_with(store: MemoryStore, loop: Any) -> None:
    run = Run("r", policy=metaal.Uniform(("margin", "random", "entropy")), store=store)
    drive(run, loop, 4)
    assert run.history.propensities.tolist() == [1 / 3] * 4
    assert len(set(run.history.actions)) > 1
    assert store.frame("action.propensity")["action.propensity"].dropna().tolist() == [1 / 3] * 4


def test_batch_multiplier_asks_for_more_rows(store: MemoryStore, loop: Any) -> None:
    run = Run("r", policy=metaal.Fixed("margin", 2.0), store=store)
    query = run.ask(3, **loop.outputs())
    assert len(query) == 6
    assert query.action == "margin ×2"


def test_outputs_that_no_strategy_can_use_say_why(store: MemoryStore) -> None:
    run = Run("r", policy="k_center", store=store)
    with pytest.raises(metaal.UnavailableError, match=r"k_center.*embedding"):
        run.ask(1, ids=[1, 2], proba=[[0.5, 0.5], [0.5, 0.5]])
    assert [record.event for record in store.records("r")] == ["begin"]


def test_default_policy_works_without_an_embedding(store: MemoryStore) -> None:
    run = Run("r", store=store)
    rng = np.random.default_rng(0)
    query = run.ask(3, ids=np.arange(40), proba=rng.dirichlet([1, 1, 1], 40))
    assert len(query) == 3
    assert query.action.startswith("margin")


BAD_ASKS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "n zero": ({"n": 0}, metaal.InputError, "whole number ≥ 1"),
    "n a float": ({"n": 2.5}, metaal.InputError, "whole number ≥ 1"),
    "rows missing": ({"proba": [[0.5, 0.5]]}, metaal.InputError, r"proba: shape \(1, 2\) has 1 rows, but ids has 3"),
    "one dimension": ({"proba": [0.5, 0.2, 0.1]}, metaal.InputError, "proba"),
    "not summing to one": ({"proba": [[0.5, 0.5], [0.9, 0.3], [0.5, 0.5]]}, metaal.InputError, "sum"),
    "negative": ({"proba": [[0.5, 0.5], [1.5, -0.5], [0.5, 0.5]]}, metaal.InputError, "proba"),
    "NaN": ({"proba": [[0.5, 0.5], [np.nan, 0.5], [0.5, 0.5]]}, metaal.InputError, "NaN|nan|finite"),
    "NaN embedding": ({"embedding": [[0.5], [np.inf], [0.5]]}, metaal.InputError, "finite|inf"),
    "repeated ids": ({"ids": [1, 2, 2]}, metaal.InputError, "repeat"),
    "float ids": ({"ids": [1.0, 2.0, 3.0]}, metaal.InputError, "whole numbers or text"),
    "mixed ids": ({"ids": [1, "a", None]}, metaal.InputError, "mixture|kind"),
    "empty pool": ({"ids": [], "proba": np.zeros((0, 2))}, metaal.EmptyPoolError, "empty"),
    "classes": ({"classes": ["a", "b", "c"]}, metaal.InputError, "classes"),
    "two-dimensional ids": ({"ids": [[1], [2], [3]]}, metaal.InputError, "one dimension"),
    "no outputs": ({"proba": None}, metaal.MetaalError, "."),
}


@pytest.mark.parametrize("case", BAD_ASKS)
def test_a_bad_ask_is_refused_and_leaves_the_log_whole(store: MemoryStore, case: str) -> None:
    change, error, words = BAD_ASKS[case]
    arguments = {"n": 1, "ids": [1, 2, 3], "proba": [[0.5, 0.5], [0.9, 0.1], [0.6, 0.4]], **change}
    run = Run("r", policy="margin", store=store)
    with pytest.raises(error, match=words):
        run.ask(arguments.pop("n"), **arguments)
    assert [record.event for record in store.records("r")] == ["begin"]
    assert len(run.ask(1, ids=[1, 2, 3], proba=[[0.5, 0.5], [0.9, 0.1], [0.6, 0.4]])) == 1


def bad_tells() -> dict[str, tuple[Any, type[Exception], str]]:
    return {
        "too few labels": (lambda run, ids: run.tell([0]), metaal.InputError, "got 1, expected 2"),
        "too many for ids": (lambda run, ids: run.tell([0, 1], ids=ids[:1]), metaal.InputError, "got 2, expected 1"),
        "never asked": (lambda run, ids: run.tell([0], ids=[10**6]), metaal.UnknownIdError, "never asked"),
        "repeated": (lambda run, ids: run.tell([0, 0], ids=[ids[0], ids[0]]), metaal.InputError, "repeat"),
        "NaN label": (lambda run, ids: run.tell([0.0, float("nan")]), metaal.InputError, "entry 1"),
        "no label": (lambda run, ids: run.tell([0, None]), metaal.InputError, "labels"),
        "text for numbers": (lambda run, ids: run.tell([0], ids=["a"]), metaal.InputError, "whole numbers"),
        "empty": (lambda run, ids: run.tell([], ids=[]), metaal.InputError, "none"),
        "score": (lambda run, ids: run.tell([0, 1], score=float("nan")), metaal.InputError, "score"),
        "seconds": (lambda run, ids: run.tell([0, 1], seconds={"lunch": 1.0}), metaal.InputError, "lunch"),
        "negative seconds": (lambda run, ids: run.tell([0, 1], seconds=-1.0), metaal.InputError, "≥ 0"),
        "statistic": (lambda run, ids: run.tell([0, 1], Val=1.0), metaal.InputError, "lower-case"),
        "statistic text": (lambda run, ids: run.tell([0, 1], f1="good"), metaal.InputError, "finite number"),
        "change early": (lambda run, ids: run.change(ids[:1], [1]), metaal.InputError, "no label yet"),
        "withdraw early": (lambda run, ids: run.withdraw(ids[:1]), metaal.InputError, "no label"),
        "skip unknown": (lambda run, ids: run.skip([10**6]), metaal.UnknownIdError, "never asked"),
    }


@pytest.mark.parametrize("case", bad_tells())
def test_a_bad_answer_is_refused_and_leaves_the_log_whole(store: MemoryStore, loop: Any, case: str) -> None:
    call, error, words = bad_tells()[case]
    run = Run("r", policy="margin", store=store)
    ids = run.ask(2, **loop.outputs()).ids
    with pytest.raises(error, match=words):
        call(run, ids)
    assert [record.event for record in store.records("r")] == ["begin", "ask"]
    run.tell([0, 1])
    assert len(run.labels) == 2


def test_calls_out_of_turn(store: MemoryStore, loop: Any) -> None:
    run = Run("r", policy="margin", store=store)
    for call in (lambda: run.tell([1]), lambda: run.skip([1]), lambda: run.change([1], [1])):
        with pytest.raises(metaal.OutOfTurnError, match="before ask"):
            call()
    query = run.ask(2, **loop.outputs())
    with pytest.raises(metaal.OutOfTurnError, match="no answer yet"):
        run.ask(2, **loop.outputs())
    run.tell(loop.learn(query.ids))
    with pytest.raises(metaal.InputError, match="already has a label"):
        run.tell([0, 0], ids=query.ids)
    with pytest.raises(metaal.InputError, match="already have a label"):
        run.ask(2, **loop.outputs(ids=np.concatenate([query.ids[:1], loop.pool()[1:]])))
    run.end()
    for verb in (lambda: run.ask(2, **loop.outputs()), lambda: run.tell([1]), run.end):
        with pytest.raises(metaal.OutOfTurnError, match="end"):
            verb()


def test_inputs_are_never_written(store: MemoryStore, loop: Any) -> None:
    shown = loop.outputs()
    before = {name: np.array(value, copy=True) for name, value in shown.items()}
    for value in shown.values():
        value.flags.writeable = False
    run = Run("r", policy="uniform", store=store)
    run.ask(5, **shown)
    for name, value in shown.items():
        np.testing.assert_array_equal(value, before[name])


def test_the_same_seed_gives_the_same_run_and_another_seed_another(loop: Any) -> None:
    asked = {}
    for key, seed in (("a", 0), ("b", 0), ("c", 1)):
        run = Run("r", policy="uniform", seed=seed, store=open_store("memory:"))
        asked[key] = drive(run, type(loop)(), 5)
    assert asked["a"] == asked["b"]
    assert asked["a"] != asked["c"]


def test_why_and_repr_are_one_line(store: MemoryStore, loop: Any) -> None:
    run = Run("r", policy="schedule", store=store)
    assert "nothing" in run.why()
    query = run.ask(2, **loop.outputs())
    for text in (run.why(), repr(run), repr(query), repr(run.history)):
        assert "\n" not in text
        assert len(text) < 300
    assert "stage 1 of 3" in run.why()


def test_a_plain_seed_is_needed(store: MemoryStore) -> None:
    for seed in (-1, 1.5, True, "x"):
        with pytest.raises(metaal.InputError, match="seed"):
            Run("r", policy="margin", seed=seed, store=store)  # type: ignore[arg-type]


def test_softmax() -> None:
    rows = metaal.softmax([[1000.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(rows, [[1, 0], [0.5, 0.5]])
    with pytest.raises(metaal.InputError):
        metaal.softmax([1.0, 2.0])


def test_large_pools_are_previewed_on_a_sample_and_asked_as_a_whole(store: MemoryStore) -> None:
    from metaal.turn import PREVIEW

    rng = np.random.default_rng(0)
    size = PREVIEW + 500
    proba = rng.dirichlet([1, 1, 1], size)
    embedding = rng.normal(size=(size, 2))
    run = Run("r", policy=metaal.Schedule((("margin", 1), ("cluster_margin", 0))), store=store)
    query = run.ask(50, ids=np.arange(size), proba=proba, embedding=embedding)
    top = np.sort(proba, axis=1)
    best = np.argsort(top[:, -1] - top[:, -2], kind="stable")[:50]
    assert set(query.rows.tolist()) == set(best.tolist())
    previews = store.arrays("r", 0, "preview.features")
    assert previews.shape[0] == 2
    # The previews are of other rows than the query, so they are less certain by a little.
    margin = previews[store.arrays("r", 0, "preview.strategy").tolist().index("margin")][0]
    assert run.history.last("query.margin.mean") <= margin < run.history.last("query.margin.mean") + 0.01


LISTS: dict[str, tuple[Any, str]] = {
    "a mapping": ({1: 0, 2: 1}, "dict"),
    "a set": ({0, 1}, "set"),
    "text with a missing one": (["a", float("nan")], "mixture"),
    "numbers and text": ([1, "a"], "mixture"),
    "rows": ([[0], [1]], "one dimension"),
    "None": ([None, "a"], "mixture"),
}


@pytest.mark.parametrize("case", LISTS)
def test_labels_keep_their_meaning_or_are_refused(store: MemoryStore, loop: Any, case: str) -> None:
    """Nothing is turned into text, and no key is taken for a label."""
    labels, words = LISTS[case]
    run = Run("r", policy="margin", store=store)
    run.ask(2, **loop.outputs(classes=None))
    with pytest.raises(metaal.InputError, match=words):
        run.tell(labels)
    assert run.labels == {}


@pytest.mark.parametrize(
    "ids",
    [
        np.arange(5, dtype=np.int32),
        np.arange(5, dtype=np.uint64),
        [np.int64(k) for k in range(5)],
        list("abcde"),
        np.array(list("abcde"), dtype=object),
        [np.str_(c) for c in "abcde"],
        range(5),
    ],
)
def test_ids_of_every_usual_kind(store: MemoryStore, ids: Any) -> None:
    run = Run("r", policy="margin", store=store)
    proba = [[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.8, 0.2], [0.95, 0.05]]
    query = run.ask(2, ids=ids, proba=proba)
    assert query.ids.tolist() == [list(ids)[1], list(ids)[2]]
    run.tell(1, ids=query.ids[0])
    run.skip(query.ids[1])
    assert list(run.labels.values()) == [1]


def test_a_label_of_an_unseen_class_counts_as_wrong(store: MemoryStore) -> None:
    run = Run("r", policy="margin", store=store)
    run.ask(2, ids=[0, 1, 2], proba=[[0.6, 0.4], [0.5, 0.5], [0.9, 0.1]], classes=["a", "b"])
    run.tell(["a", "c"], ids=[0, 1])
    assert run.history.last("surprise.accuracy.batch") == 0.5
    assert run.history.last("surprise.log_loss.batch") == pytest.approx(-(np.log(0.6) + np.log(0.02)) / 2)
    with pytest.raises(metaal.InputError, match="of one kind"):
        Run("q", policy="margin", store=store).ask(
            1, ids=[0, 1], proba=[[0.6, 0.4], [0.5, 0.5]], classes=["a", "b"], seen_y=[0, 1]
        )


def test_a_run_has_one_writer(store: MemoryStore, loop: Any) -> None:
    first = Run("r", policy="margin", store=store)
    query = first.ask(2, **loop.outputs())
    second = Run("r", policy="margin", store=store)
    first.tell([0, 1])
    with pytest.raises(metaal.OutOfTurnError, match="another process"):
        second.skip(query.ids)
    assert [record.event for record in store.records("r")] == ["begin", "ask", "tell"]
    Run.resume("r", store=store).change(query.ids[:1], [1])
    with pytest.raises(metaal.OutOfTurnError, match=r"Run\.resume"):
        first.withdraw(query.ids[:1])


def test_a_batch_that_takes_all_that_is_left_says_stop_whatever_its_multiplier(store: MemoryStore) -> None:
    run = Run("r", policy=metaal.Fixed("margin", 2.0), store=store)
    query = run.ask(2, ids=[0, 1, 2], proba=[[0.6, 0.4], [0.5, 0.5], [0.9, 0.1]])
    assert len(query) == 3
    assert query.stop


def test_a_withdrawn_row_may_get_its_label_later(store: MemoryStore, loop: Any) -> None:
    run = Run("r", policy="margin", store=store)
    query = run.ask(2, **loop.outputs())
    run.tell([0, 1])
    run.withdraw(query.ids[:1])
    run.tell([2], ids=query.ids[:1])
    assert run.labels[int(query.ids[0])] == 2


def test_rows_scored_counts_those_that_wait(store: MemoryStore, loop: Any) -> None:
    run = Run("r", policy="margin", store=store)
    query = run.ask(4, **loop.outputs())
    run.tell(loop.learn(query.ids[:1]), ids=query.ids[:1])
    passed = len(loop.pool())
    run.ask(4, **loop.outputs())
    assert run.history.last("cost.rows.scored") == passed
    assert run.history.last("pool.size") == passed - 3


def test_several_scores_are_logged_and_hidden(store: MemoryStore, loop: Any) -> None:
    run = Run("r", policy="margin", store=store)
    run.ask(2, **loop.outputs())
    run.tell([0, 1], score={"value": 0.5, "log_loss": 1.25})
    assert run.history.last("score.log_loss") == 1.25
    with pytest.raises(metaal.InputError, match="score"):
        run.tell([0], ids=[run.ask(2, **loop.outputs(ids=loop.pool() + 1000)).ids[0]], score={"Log Loss": 1})


def test_a_pending_query_comes_back_for_the_same_rows_only(store: MemoryStore) -> None:
    """A model that was fitted again may differ in the last bits; the query is the one that was asked."""
    rng = np.random.default_rng(0)
    embedding = rng.normal(size=(9, 2))
    asked = Run("a", policy="k_center", store=store).ask(2, ids=range(9), embedding=embedding)
    again = Run.resume("a", store=store).ask(2, ids=range(9), embedding=embedding + 1e-6)
    np.testing.assert_array_equal(again.ids, asked.ids)
    for n, ids in ((3, range(9)), (2, range(1, 10))):
        with pytest.raises(metaal.OutOfTurnError, match="other rows"):
            Run.resume("a", store=store).ask(n, ids=ids, embedding=embedding)
    wide = Run("b", policy="k_center", store=store)
    wide.ask(2, ids=np.array(list("abcdefghi"), dtype="U30"), embedding=embedding)
    again = Run.resume("b", store=store).ask(2, ids=list("abcdefghi"), embedding=embedding)
    assert len(again) == 2


def test_the_digest_sees_every_output() -> None:
    rng = np.random.default_rng(0)
    shown = {"ids": range(9), "proba": rng.dirichlet([1, 1], 9), "embedding": rng.normal(size=(9, 2))}
    shown |= {"committee": rng.dirichlet([1, 1], (3, 9)), "seen_embedding": rng.normal(size=(4, 2))}
    digests = set()
    for name in (None, "embedding", "committee", "seen_embedding", "proba"):
        store = open_store("memory:")
        changed = {**shown} if name is None else {**shown, name: shown[name][..., ::-1]}
        Run("r", policy="margin", store=store).ask(2, **changed)
        digests.add(store.records("r")[-1].values["state.digest"])
    assert len(digests) == 5


def test_a_run_needs_a_store_and_a_name(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(metaal.InputError, match="store/name"):
        Run("tickets")
    assert not list(tmp_path.iterdir())
    with pytest.raises(metaal.InputError, match="budget"):
        Run("runs/tickets", budget=0)
    with pytest.raises(metaal.InputError, match="tags"):
        Run("runs/tickets", tags={"Bad Name": 1})


def test_tables_and_hidden_entries_are_not_read_as_labels(store: MemoryStore, loop: Any) -> None:
    import pandas as pd

    run = Run("r", policy="margin", store=store)
    query = run.ask(2, **loop.outputs())
    frame = pd.DataFrame({"id": query.ids, "label": [0, 1]})
    with pytest.raises(metaal.InputError, match="one dimension"):
        run.tell(frame)
    with pytest.raises(metaal.InputError, match="masked"):
        run.tell(np.ma.array([0, 1], mask=[True, False]))
    labels = dict(zip(query.ids.tolist(), [0, 1], strict=True))
    run.tell(labels.values(), ids=labels.keys())
    assert run.labels == labels
    second = run.ask(
        2,
        **loop.outputs(
            ids=np.setdiff1d(loop.pool(), query.ids),
            **{name: loop.outputs()[name][~np.isin(loop.pool(), query.ids)] for name in ("proba", "embedding")},
        ),
    )
    with pytest.raises(metaal.InputError, match="one kind"):
        run.tell(["a", "b"], ids=second.ids)


def test_a_call_whose_fate_was_unknown_is_settled_by_the_next(tmp_path: Any, loop: Any, monkeypatch: Any) -> None:
    """A failed sync: the record may be stored or not; told again, it is stored once."""
    import os

    from metadata_store import UnknownStateError

    def broken(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    run = Run(tmp_path / "s" / "r", policy="margin")
    query = run.ask(2, **loop.outputs())
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        patch.setattr(os, "fdatasync", broken)
        with pytest.raises(UnknownStateError):
            run.tell([0, 1])
    run.tell([0, 1])
    assert run.labels == dict(zip(query.ids.tolist(), [0, 1], strict=True))
    run.close()
    with open_store(tmp_path / "s") as store_again:
        assert [record.event for record in store_again.records("r")] == ["begin", "ask", "tell"]


def test_a_stop_that_was_logged_is_not_logged_again(store: MemoryStore, loop: Any) -> None:
    run = Run("r", policy="margin", budget=2, store=store)
    run.tell(loop.learn(run.ask(2, **loop.outputs()).ids))
    for _ in range(3):
        assert Run.resume("r", store=store).ask(2, **loop.outputs()).stop
    assert [record.event for record in store.records("r")] == ["begin", "ask", "tell", "ask"]
