"""The literature check follows the published protocol, goes on after a kill, and compares as it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from benchmarks.literature import campaign as campaigns
from benchmarks.literature.__main__ import main
from benchmarks.literature.campaign import COLUMNS, LEFT_OUT, campaign, read_runs, write_facts
from benchmarks.literature.comparing import LEAST, by_chance, compared, lift, markdown, summary
from benchmarks.literature.protocol import INITIAL, RULES, USUAL, Start, aubc, by_votes, machine, play, run, start
from benchmarks.literature.published import known_sets, published
from metaal import Run
from metadata_store import open_store


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray]:
    """Sixty rows of a real set, few enough to be asked for one by one."""
    x, y = load_breast_cancer(return_X_y=True)
    chosen = np.random.default_rng(0).permutation(len(y))[:60]
    return x[chosen][:, :6], y[chosen].astype(np.int64)


@pytest.fixture
def here(rows: tuple[np.ndarray, np.ndarray]) -> Start:
    found = start(*rows, "demo", 0)
    assert found is not None
    return found


def test_the_split_is_the_published_one(rows: tuple[np.ndarray, np.ndarray], here: Start) -> None:
    x, y = rows
    assert (len(here.pool_y), len(here.test_y)) == (36, 24)
    assert here.pool_x.mean(axis=0) == pytest.approx(np.zeros(6), abs=1e-12)
    assert here.pool_x.std(axis=0) == pytest.approx(np.ones(6))
    both = np.concatenate([here.pool_x, here.test_x])
    spread = x.std(axis=0) / both.std(axis=0)
    assert np.sort(both * spread + (x.mean(axis=0) - both.mean(axis=0) * spread), axis=0) == pytest.approx(
        np.sort(x, axis=0)
    )
    again, other = start(x, y, "demo", 0), start(x, y, "demo", 1)
    assert again is not None
    assert np.array_equal(again.pool_x, here.pool_x)
    assert other is not None
    assert not np.array_equal(other.pool_x, here.pool_x)


def test_a_repeat_with_labels_of_one_class_is_left_out(rows: tuple[np.ndarray, np.ndarray]) -> None:
    x, _ = rows
    rare = np.zeros(60, dtype=np.int64)
    rare[0] = 1
    found = [start(x, rare, "rare", repeat) for repeat in range(20)]
    assert 0 < sum(split is not None for split in found) < 20
    assert all(1 in split.pool_y[:INITIAL] for split in found if split is not None)
    assert run(x, np.zeros(60, dtype=np.int64), "none", 0, "random") is None


@pytest.mark.parametrize("strategy", RULES)
def test_every_row_is_asked_for_once_and_all_end_alike(here: Start, strategy: str) -> None:
    accuracy, asked = play(here, RULES[strategy], np.random.default_rng(0))
    assert sorted(asked) == list(range(INITIAL, 36))
    assert len(accuracy) == 17
    svm = SVC(C=1.0, gamma="auto")
    first = svm.fit(here.pool_x[:INITIAL], here.pool_y[:INITIAL]).score(here.test_x, here.test_y)
    last = svm.fit(here.pool_x, here.pool_y).score(here.test_x, here.test_y)
    assert accuracy[[0, -1]] == pytest.approx([first, last])


def test_margin_asks_for_the_row_next_to_the_boundary(here: Start) -> None:
    """As an independent loop around scikit-learn's machine does."""
    _, asked = play(here, RULES["margin"], np.random.default_rng(0))
    seen = list(range(INITIAL))
    for row in asked:
        svm = SVC(C=1.0, gamma="auto").fit(here.pool_x[seen], here.pool_y[seen])
        left = np.setdiff1d(np.arange(36), seen)
        assert row == left[np.abs(svm.decision_function(here.pool_x[left])).argmin()]
        seen.append(row)


def test_a_run_of_metaal_asks_for_the_same_rows(here: Start) -> None:
    """The loop of the check is short; asking and telling through a run gives what it gives."""
    for strategy in ("margin", "k_center"):
        _, asked = play(here, RULES[strategy], np.random.default_rng(0))
        run = Run("demo", policy=strategy, seed=0, store=open_store("memory:"))
        seen, told = list(range(INITIAL)), []
        while len(seen) < 36:
            model = machine().fit(here.pool_x[seen], here.pool_y[seen])
            left = np.setdiff1d(np.arange(36), seen)
            x = here.pool_x[left]
            proba = model.predict_proba(x)
            query = run.ask(1, ids=left, proba=proba, embedding=x, seen_embedding=here.pool_x[seen])
            run.tell(here.pool_y[query.ids])
            seen += query.ids.tolist()
            told += query.ids.tolist()
        assert told == asked.tolist()


def test_the_committee_votes_hard_and_has_both_classes(here: Start) -> None:
    left = np.arange(INITIAL, 36)
    votes = by_votes(here, np.arange(INITIAL), left, None, np.random.default_rng(0))["committee"]
    assert votes.shape == (4, 16, 2)
    assert set(votes.ravel()) == {0.0, 1.0}
    assert (votes.sum(axis=2) == 1).all()
    bag = np.random.default_rng(0).choice(np.arange(INITIAL), INITIAL)
    first = LogisticRegression().fit(here.pool_x[bag], here.pool_y[bag]).predict(here.pool_x[left])
    assert votes[0].argmax(axis=1).tolist() == first.tolist()


def test_the_area_divides_by_the_number_of_queries() -> None:
    accuracy = np.random.default_rng(0).random(9)
    summed = sum((accuracy[k] + accuracy[k + 1]) / 2 for k in range(1, 8))
    assert aubc(accuracy) == pytest.approx(summed / 8)


@pytest.fixture
def data(tmp_path: Path, rows: tuple[np.ndarray, np.ndarray]) -> Path:
    """A folder as the real one is, with two sets and three that only one side has."""
    folder = tmp_path / "data"
    (folder / "published").mkdir(parents=True)
    (folder / "dev").mkdir()
    x, y = rows
    manifest = []
    for name, count in (("ours_b", 60), ("ours_a", 50), ("alone", 40)):
        table = pd.DataFrame(x[:count].astype(np.float32), columns=[f"x{k}" for k in range(6)])
        table.assign(target=y[:count].astype(np.int16)).to_parquet(folder / "dev" / f"{name}.parquet")
        manifest.append({"name": name, "rows": count, "features": 6})
    pd.DataFrame(manifest).to_csv(folder / "dev_manifest.csv", index=False)
    pd.DataFrame([{"name": "other", "rows": 9, "features": 1}]).to_csv(folder / "train_manifest.csv", index=False)
    names = [("ours_b", "b", "same file"), ("ours_a", "a", "same rows; one-hot here"), ("gone", "g", "same file")]
    pd.DataFrame(names, columns=["name", "lu2023", "match"]).to_csv(folder / "published" / "names.csv", index=False)
    lines = [
        {"dataset": name, "strategy": rule.published, "aubc": 0.9, "std": 0.05, "status": ""}
        for name in "abg"
        for rule in RULES.values()
    ]
    lines[1] |= {"aubc": np.nan, "std": np.nan, "status": "TLE"}
    pd.DataFrame(lines).to_csv(folder / "published" / "lu2023_aubc_summary.csv", index=False)
    pair = {"dataset": "b", "query_model": "RBFSVM", "task_model": "RBFSVM", "repeats": 137, "aubc": 0.9, "std": 0.05}
    pd.DataFrame([pair]).to_csv(folder / "published" / "lu2023_margin_model_pairs.csv", index=False)
    return folder


def test_sets_that_both_have_come_cheapest_first(data: Path) -> None:
    sets = known_sets(data)
    assert [(known.name, known.theirs, known.repeats) for known in sets] == [("ours_a", "a", 150), ("ours_b", "b", 137)]
    numbers = published(data, sets)
    assert set(numbers["ours_a"]) == {"random", "k_center", "qbc", "albl"}  # what took too long there has no number
    assert numbers["ours_b"]["margin"] == {"aubc": 0.9, "std": 0.05, "repeats": 137}


def test_a_campaign_that_was_killed_goes_on(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, broken = tmp_path / "whole.csv", tmp_path / "broken.csv"
    for file in (whole, broken):
        campaign(data, strategies=("random", "margin"), repeats=2, file=file)
    text = broken.read_text(encoding="utf-8")
    broken.write_text(text[: text.rindex("\n", 0, -5) + 12], encoding="utf-8")  # torn within the last line
    played: list[Any] = []
    monkeypatch.setattr(campaigns, "run", lambda *words: played.append(words[2:]) or run(*words))
    campaign(data, strategies=("random", "margin"), repeats=2, file=broken)
    assert played == [("ours_b", 1, "margin")]
    one, two = (read_runs(file).drop(columns="seconds") for file in (whole, broken))
    pd.testing.assert_frame_equal(one, two)
    assert len(one) == 8


def test_names_that_are_not_known_are_refused_with_those_that_are(data: Path, tmp_path: Path) -> None:
    for words in ({"sets": ["c"]}, {"strategies": ["marginal"]}):
        with pytest.raises(ValueError, match=r"unknown: (c|marginal); expected sets among a, b, strategies among \["):
            campaign(data, repeats=1, file=tmp_path / "runs.csv", **words)
    with pytest.raises(SystemExit, match="nothing was run yet"):
        main(["report", "--file", str(tmp_path / "none.csv")])


def made(data: Path, file: Path) -> pd.DataFrame:
    """Runs whose means are known: b reproduced but for k_center, a of other features."""
    rng = np.random.default_rng(0)
    shift = {"random": 0.0, "margin": 0.001, "k_center": 0.05, "qbc": -0.002}
    lines = []
    for name in ("ours_a", "ours_b"):
        for strategy in USUAL:
            values = 0.9 + shift[strategy] + 0.02 * (rng.random(20) - 0.5)
            lines += [[name, strategy, k, v, v + 0.01, 0.5, 0.9, 16, 0.1] for k, v in enumerate(values)]
            lines.append([name, strategy, 20, LEFT_OUT, 0, 0, 0, 0, 0])
    pd.DataFrame(lines, columns=COLUMNS).to_csv(file, index=False)
    write_facts(data, file)
    return pd.DataFrame(lines, columns=COLUMNS)


def test_differences_are_in_combined_standard_errors(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    runs = made(data, file)
    table = compared(file)
    assert table["strategy"].tolist() == ["random", "k_center", "qbc", *USUAL]
    assert table["same"].tolist() == [False] * 3 + [True] * 4
    for row in table.to_dict("records"):
        name = {"a": "ours_a", "b": "ours_b"}[row["set"]]
        mine = runs[(runs["set"] == name) & (runs["strategy"] == row["strategy"]) & (runs["aubc"] > 0)]["aubc"]
        theirs = 137 if row["set"] == "b" else 150
        error = np.sqrt(mine.var(ddof=1) / 20 + 0.05**2 / theirs)
        assert row["repeats"] == 20
        assert row["errors"] == pytest.approx((mine.mean() - 0.9) / error)
        assert row["within"] == (abs(row["errors"]) <= 2.5)
    assert table.loc[table["strategy"] == "k_center", "within"].tolist() == [False, False]
    assert by_chance(table) == pytest.approx(7 * 0.0124193, rel=1e-4)
    assert lift(table[table["same"]], "k_center")[1] == 0.0
    said = summary(file)
    assert said.startswith("3 of 4 means on 1 sets are within 2.5 standard errors")
    assert "the farthest is `k_center` on b" in said
    assert said.endswith("Not counted: a (other features).")
    assert markdown(file).count("| other features |") == 3


def test_few_repeats_are_not_compared(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    made(data, file)
    read_runs(file).query(f"repeat < {LEAST - 1}").to_csv(file, index=False)
    assert len(compared(file)) == 0
    assert summary(file) == f"No set has {LEAST} repeats yet."


def test_the_committed_runs_reproduce_the_published_means() -> None:
    """Farther off than chance allows would be a defect of a strategy, or of the protocol."""
    table = compared()
    facts = json.loads(campaigns.FILE.with_suffix(".json").read_text(encoding="utf-8"))
    assert facts["runs"] == len(read_runs())
    same = table[table["same"]]
    assert len(same) >= 20
    assert (~same["within"]).sum() <= np.ceil(by_chance(same))
    assert same["errors"].abs().max() < 4
