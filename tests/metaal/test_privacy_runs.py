"""A run in a private store: nothing that identifies a row reaches the disk, and the run goes on as far as it can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import metaal
from metaal import Run
from metaal.privacy import RULES
from metaal.statistics import STATISTICS
from metadata_store import Record, Store, interchange, open_store
from metadata_store.privacy import Privacy, PrivacyError, PrivateStore, private
from tests.metadata_store.canaries import KEY, opened, search

NOTE, TAG, CLASS, TASK = "Zacharias-Q7 note", "Wintermute-tag-88", "diagnosis-Ω-canary", "task of Mrs. Quux"
RAW, SCORE = 7391.482036614907, 4821.739477267261
TEXTS = [NOTE, TAG, CLASS, TASK]


class Pool:
    """The caller's side: a pool whose ids, probabilities and labels are all canaries."""

    def __init__(self, text: bool, rows: int = 400) -> None:
        rng = np.random.default_rng(5)
        numbers = rng.integers(2**52, 2**62, rows)
        self.ids = np.array([f"patient-{n:x}" for n in numbers]) if text else numbers
        self.proba = np.round(rng.dirichlet([1, 1, 1], rows), 12)
        self.proba[:, 2] = 1 - self.proba[:, :2].sum(1)
        self.embedding = rng.normal(size=(rows, 4)) * 1000
        self.classes = np.array([f"{CLASS}-{k}" for k in range(3)])
        self.labels = self.classes[rng.integers(0, 3, rows)]
        self.left = np.ones(rows, bool)

    def outputs(self) -> dict[str, Any]:
        left, seen = self.left, ~self.left
        shown = {"ids": self.ids[left], "proba": self.proba[left], "embedding": self.embedding[left]}
        if seen.any():
            shown |= {"seen_embedding": self.embedding[seen], "seen_y": self.labels[seen]}
        return {**shown, "classes": self.classes}

    def learn(self, ids: Any) -> np.ndarray:
        rows = [self.ids.tolist().index(key) for key in ids.tolist()]
        self.left[rows] = False
        return self.labels[rows]

    def canaries(self) -> list[Any]:
        # the rows of the first hundred: all kinds of places, and a search that does not take minutes
        sensitive = [*self.ids.tolist(), *self.proba[:100, 0].tolist(), *self.embedding[:50, 0].tolist()]
        return [*sensitive, *TEXTS, RAW, SCORE, KEY]


def drive(run: Run, pool: Pool, loops: int, n: int = 12) -> list[list[Any]]:
    asked = []
    for loop in range(loops):
        query = run.ask(n, **pool.outputs())
        asked.append(query.ids.tolist())
        labels = pool.learn(query.ids)
        run.tell(labels[1:], ids=query.ids[1:], score=SCORE, seconds={"fit": 0.1}, raw=RAW)
        run.skip(query.ids[:1]) if loop else run.tell(labels[:1], ids=query.ids[:1])
        run.report({"raw": RAW})
    return asked


def play(store: Store, pool: Pool) -> list[list[Any]]:
    run = Run(
        "tickets", policy="uniform", seed=3, store=store, task=TASK, tags={"learner": TAG, "note": NOTE, "n": RAW}
    )
    asked = drive(run, pool, 4)
    run.change(asked[0][:1], [f"{CLASS}-1"])
    run.withdraw(asked[0][1:2])
    run.end(score=SCORE)
    return asked


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("level", ["L1", "L2", "L3"])
def test_no_canary_of_a_full_run_is_on_disk_below_level_3(tmp_path: Path, level: str, text: bool) -> None:
    pool = Pool(text)
    store = opened(tmp_path / "s", level)
    asked = play(store, pool)
    store.close()
    with opened(tmp_path / "s", level) as store:
        records = store.count("tickets")
        assert store.compact().records == records
        assert store.count("tickets") == records
    found = search(tmp_path, pool.canaries())
    if level != "L3":
        assert found == set()
        return
    assert {key for ids in asked for key in ids} <= found
    assert {*TEXTS, RAW, SCORE} <= found
    assert set(pool.proba[:100, 0].tolist()) & found


def test_level_0_keeps_a_run_in_memory_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with private(open_store("memory:"), "L0") as store:
        asked = play(store, Pool(text=True))
        assert store.records("tickets")[1].arrays["query.ids"].tolist() == asked[0]
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("level", ["L1", "L2"])
def test_what_is_shared_of_a_full_store_has_no_canary(tmp_path: Path, level: str) -> None:
    pool = Pool(text=True)
    with open_store("memory:") as store:
        play(store, pool)
        wanted = Privacy("L2", key=KEY, rules=RULES) if level == "L2" else Privacy("L1", rules=RULES)
        for name in ("all.jsonl", "all.csv", "all.parquet"):
            interchange.export(store, tmp_path / name, privacy=wanted)
    assert search(tmp_path, pool.canaries()) == set()


@pytest.mark.parametrize("level", ["L0", "L1", "L2"])
@pytest.mark.parametrize("policy", ["uniform", "badge", "learned"])
def test_a_run_asks_the_same_rows_at_every_level(tmp_path: Path, level: str, policy: str) -> None:
    """The process that began it knows everything: the level changes what is written, and nothing else."""
    open_run = Run("r", policy=policy, seed=1, store=open_store("memory:"))
    expected = drive(open_run, Pool(text=False), 3)
    store = private(open_store("memory:"), "L0") if level == "L0" else opened(tmp_path / "s", level)
    run = Run("r", policy=policy, seed=1, store=store)
    assert drive(run, Pool(text=False), 3) == expected
    assert run.labels == open_run.labels
    timeless = [name for name in run.history.names if not name.startswith("cost.")]
    for name in timeless:
        np.testing.assert_array_equal(run.history.series(name), open_run.history.series(name))
    store.close()


def test_level_1_keeps_the_statistics_that_a_policy_learns_from(tmp_path: Path) -> None:
    with opened(tmp_path / "s", "L1") as store:
        play(store, Pool(text=False))
        begin, ask = store.records("tickets")[:2]
    assert begin.values["run.policy"] == "uniform"
    assert begin.values["run.seed"] == 3
    assert not {"run.task", "tag.learner", "tag.note"} & set(begin.values)
    assert set(ask.arrays) == {"actions", "actions.probability", "preview.strategy", "preview.features"}
    assert ask.values["pool.size"] == 400
    assert ask.values["query.count"] == 10
    assert {"pool.margin.q05", "action.strategy", "action.propensity", "query.margin.mean", "space.dimension"} <= set(
        ask.values
    )
    assert not {"state.digest", "state.pool", "decision.reason"} & set(ask.values)
    counts = [
        name for name, value in ask.values.items() if name in STATISTICS and STATISTICS[name].unit in ("rows", "labels")
    ]
    assert len(counts) >= 6
    assert all(ask.values[name] % 10 == 0 for name in counts)


def test_every_statistic_of_rows_and_labels_has_a_rule_that_rounds_it() -> None:
    for name, entry in STATISTICS.items():
        if entry.unit in ("rows", "labels"):
            assert RULES.of_value(name, 1.0).kind == "count", name


def test_every_array_of_a_run_has_a_rule_of_its_own() -> None:
    """An array that is added to the log later is kept nowhere below L3 until somebody says what it is."""
    store = open_store("memory:")
    play(store, Pool(text=False))
    names = {name for record in store.records("tickets") for name in record.arrays}
    for name in names:
        rule = RULES.of_array(name, np.zeros(0))
        expected = "id" if name.endswith("ids") else None
        assert expected is None or rule.kind == expected, name
    assert RULES.of_array("something.new", np.zeros(0)).kind == "sample"
    assert RULES.of_value("something.new", "text").kind == "text"


def test_a_pool_below_100_rows_is_refused_at_level_1_and_the_run_stays_as_it_was(tmp_path: Path) -> None:
    pool = Pool(text=False, rows=115)
    with opened(tmp_path / "s", "L1") as store:
        run = Run("r", policy="margin", store=store)
        drive(run, pool, 1, n=20)
        before = store.count("r")
        with pytest.raises(PrivacyError, match="a pool of 95 rows is too small"):
            run.ask(12, **pool.outputs())
        assert store.count("r") == before
        assert run.pending is None
        assert len(run.labels) == 20
        run.end()


def test_statistics_of_a_batch_of_a_few_rows_are_not_kept(tmp_path: Path) -> None:
    with opened(tmp_path / "s", "L1") as store:
        run = Run("r", policy="margin", store=store)
        drive(run, Pool(text=False), 2, n=3)
        for record in store.records("r"):
            assert not [
                name for name in record.values if name.startswith(("query.m", "query.e", "query.d", "surprise."))
            ]
            assert "preview.features" not in record.arrays
        assert run.history.last("surprise.accuracy.batch") >= 0


# --------------------------------------------------------------------- going on


def test_at_level_1_only_the_process_that_began_a_run_goes_on_and_others_read_it(tmp_path: Path) -> None:
    pool = Pool(text=True)
    with opened(tmp_path / "s", "L1") as store:
        drive(Run("r", policy="margin", store=store), pool, 2)
    for run in (Run.resume(tmp_path / "s" / "r"), Run(tmp_path / "s" / "r", policy="margin")):
        with run:
            assert run.history.series("pool.size").tolist() == [400, 390]
            assert "not kept" in run.why()
            ids = pool.ids[:2]
            calls = [
                lambda: run.ask(12, **pool.outputs()),  # noqa: B023
                lambda: run.tell(["a", "b"]),  # noqa: B023
                lambda: run.tell(["a", "b"], ids=ids),  # noqa: B023
                lambda: run.skip(ids),  # noqa: B023
                lambda: run.change(ids, ["a", "b"]),  # noqa: B023
                lambda: run.withdraw(ids),  # noqa: B023
                run.end,
                lambda: run.report({"f1": 0.5}),  # noqa: B023
            ]
            for call in calls:
                with pytest.raises(PrivacyError, match="only the process that began it"):
                    call()


@pytest.mark.parametrize("text", [False, True])
def test_at_level_2_a_run_goes_on_in_another_process_with_the_callers_ids(tmp_path: Path, text: bool) -> None:
    pool = Pool(text)
    with opened(tmp_path / "s", "L2") as store:
        run = Run("r", policy="margin", store=store, budget=60)
        asked = drive(run, pool, 2)
        skipped = asked[1][0]
        pool.left[pool.ids.tolist().index(skipped)] = True  # a skipped row stays in the caller's pool
        pending = run.ask(12, **pool.outputs())
        first = run.labels
    with opened(tmp_path / "s", "L2") as store:
        run = Run.resume("r", store=store)
        assert len(run.labels) == len(first)
        assert set(run.labels.values()) == {None}
        with pytest.raises(metaal.InputError, match="pass ids="):
            run.tell(pool.labels[:12])
        again = run.ask(12, **pool.outputs())
        assert again.ids.tolist() == pending.ids.tolist()
        np.testing.assert_array_equal(pool.outputs()["ids"][again.rows], again.ids)
        assert run.pending is not None
        assert run.pending.ids.tolist() == pending.ids.tolist()
        with pytest.raises(metaal.InputError, match="already has a label"):
            run.tell(["x"], ids=asked[0][:1])
        assert set(run.labels) >= set(asked[0][:1])
        with pytest.raises(metaal.UnknownIdError):
            run.skip(["nobody"] if text else [17])
        run.tell(pool.learn(again.ids))
        query = run.ask(12, **pool.outputs())
        assert not {skipped} & set(query.ids.tolist())
        assert len(run.history) == 4
        run.tell(pool.learn(query.ids), ids=query.ids)
        assert len(run.labels) == len(first) + 24
        run.withdraw(asked[0][2:3])
        run.change(asked[0][3:4], [CLASS])
        assert run.labels[asked[0][3]] == CLASS
        run.end()
        hashed = [record.arrays["ids"].tolist() for record in store.records("r") if record.event == "tell"]
        told = [key for ids in hashed for key in ids]
        assert len(told) == len(set(told)) == len(first) + 24  # nothing was hashed twice
        assert set(Privacy("L2", key=KEY).hashes(asked[0]).tolist()) <= set(told)


def test_at_level_2_a_stop_that_is_asked_for_again_is_not_logged_again(tmp_path: Path) -> None:
    """Here and in the next process: the pool is recognised by its keyed digest."""
    pool = Pool(text=False)
    for _ in range(2):
        with opened(tmp_path / "s", "L2") as store:
            run = Run("r", policy="margin", store=store, budget=12)
            if run.pending is None and not run.labels:
                drive(run, pool, 1)
            assert run.ask(12, **pool.outputs()).stop
            before = store.count("r")
            assert run.ask(12, **pool.outputs()).stop
            assert store.count("r") == before
    assert before == 6  # begin, ask, two tells, report, stop; and nothing by the second process


def test_at_level_2_another_pool_does_not_take_the_pending_query(tmp_path: Path) -> None:
    pool = Pool(text=False)
    with opened(tmp_path / "s", "L2") as store:
        Run("r", policy="margin", store=store).ask(12, **pool.outputs())
    with opened(tmp_path / "s", "L2") as store, pytest.raises(metaal.OutOfTurnError, match="still pending"):
        Run.resume("r", store=store).ask(11, **pool.outputs())


def test_settings_are_compared_as_far_as_they_were_kept(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "policy": "margin",
        "seed": 123_457,
        "tags": {"weight": 0.123456, "learner": "logistic"},
    }
    for level in ("L1", "L2"):
        with opened(tmp_path / level, level) as store:
            Run("r", store=store, stream="secret stream", **settings)
            Run("r", store=store, stream="secret stream", **settings)
            with pytest.raises(metaal.MismatchError, match="seed"):
                Run("r", store=store, **{**settings, "seed": 4})
            assert store.records("r")[0].values["tag.learner"] == "logistic"
            assert "run.stream" not in store.records("r")[0].values


def test_a_policy_whose_text_was_not_kept_must_be_passed_again(tmp_path: Path) -> None:
    def mine(view: Any, n: int, rng: Any) -> Any:
        return np.arange(n)

    pool = Pool(text=False)
    with opened(tmp_path / "s", "L2") as store:
        run = Run("r", policy=mine, store=store)
        assert "run.policy" not in store.records("r")[0].values
        run.tell(pool.learn(run.ask(12, **pool.outputs()).ids))
        with pytest.raises(metaal.PolicyError, match="policy="):
            Run.resume("r", store=store).ask(12, **pool.outputs())
        Run.resume("r", store=store, policy=mine).ask(12, **pool.outputs())


def test_a_level_2_store_without_its_key_can_be_read(tmp_path: Path) -> None:
    pool = Pool(text=False)
    with opened(tmp_path / "s", "L2") as store:
        drive(Run("r", policy="margin", store=store), pool, 2)
    with Run.resume(tmp_path / "s" / "r") as run:
        assert len(run.history) == 2
        with pytest.raises(PrivacyError, match="none was given"):
            run.ask(12, **pool.outputs())


def test_a_path_to_a_private_store_is_opened_at_its_level(tmp_path: Path) -> None:
    """Nobody has to remember the level: it is the store's."""
    opened(tmp_path / "s", "L1").close()
    pool = Pool(text=True)
    with Run(tmp_path / "s" / "r", policy="margin", tags={"note": NOTE}) as run:
        drive(run, pool, 1)
    assert search(tmp_path, pool.canaries()) == set()


def test_the_callers_own_rules_are_not_replaced(tmp_path: Path) -> None:
    from metadata_store.privacy import Rules

    store = PrivateStore(open_store("memory:"), Privacy("L1", rules=Rules()))
    run = Run("r", policy="margin", store=store)
    assert run._journal.store is store
    assert "run.policy" not in store.records("r")[0].values


def test_texts_of_strategies_are_kept_and_others_are_not() -> None:
    privacy = Privacy("L1", rules=RULES)

    def kept(**texts: str) -> set[str]:
        values = {name.replace("__", "."): text for name, text in texts.items()}
        return set(privacy.apply(Record("r", 0, "ask", values)).values) - {"privacy.dropped"}

    known = {"run__policy": "uniform('margin', 'random')", "action__name": "margin ×1.5", "action__strategy": ""}
    assert len(kept(**known)) == 3
    assert len(kept(run__policy="schedule(('random', 1), ('margin', 0))", run__default="cluster_margin")) == 2
    unknown = {
        "run__policy": "uniform('margin', 'Mrs. X')",
        "action__name": "margin ×Mrs. X",
        "action__strategy": "plain('Mrs. X')",
        "run__default": "margin  ",
        "tag__learner": "Mrs. X",
    }
    assert kept(**unknown) == set()
    assert kept(run__policy="/home/mrs/x.metaal") == set()
