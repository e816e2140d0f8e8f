"""A user's own file: what is wrong is said at once, what is left out is said, sizes fit the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from metaal.errors import TaskError
from metaal.evaluating.own_data import described, own_tasks, pool_size, read_own, sizes, start_size
from metaal.rehearsal import Dataset, load_data

pytestmark = pytest.mark.filterwarnings("ignore:.*left out")


def messy(folder: Path, name: str = "tickets.csv", **columns: Any) -> str:
    """A semicolon-separated export with a mark of byte order, ids, dates, free text, gaps and rare classes."""
    rng = np.random.default_rng(0)
    count = 240
    a, b = rng.normal(size=(2, count)).round(3)
    table = pd.DataFrame(
        {
            "ticket_id": rng.permutation(10 * count)[:count],
            "Opened": pd.date_range("2024-01-01", periods=count, freq="h").astype(str),
            "a": a,
            "b;c": np.where(np.arange(count) % 9 == 0, np.nan, b),
            "population": rng.permutation(10**6)[:count],
            "subject": [f'Ticket {k}, "urgent"\nplease' for k in range(count)],
            "vip": rng.choice(["yes", "no", "?"], count),
            "kind": np.select([a > 0.6, a < -0.3], ["refund", "question"], "complaint"),
        }
        | columns
    )
    table.to_csv(folder / name, sep=";", index=False, encoding="utf-8-sig")
    return str(folder / name)


def test_a_messy_export_can_be_evaluated_on_and_it_is_said_what_was_left_out(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="free text .* subject"):
        own = read_own(messy(tmp_path), "kind")
    assert set(own.data.X) == {"Opened", "a", "b;c", "population", "vip"}
    assert own.data.classes == ("complaint", "question", "refund")
    assert own.notes == ("tickets: left out as ids (whole numbers, another one in every row): ticket_id",)


def test_the_likely_column_is_taken_and_named(tmp_path: Path) -> None:
    own = read_own(messy(tmp_path))
    assert own.target == "kind"
    own.data.X.assign(label=own.data.y).to_parquet(tmp_path / "t.parquet")
    assert read_own(str(tmp_path / "t.parquet")).target == "label"
    assert read_own("iris").target == ""
    assert "3 classes in 'kind'" in described(own, own_tasks(own), 5, 4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"target": "nothing"}, "no column 'nothing'.*The columns are ticket_id"),
        ({"target": "subject"}, "240 classes in 240 rows; is the target the right column"),
        ({"target": "a"}, r"the target 'a' has \d+ different numbers, so it names no classes; pass --kind regression"),
        ({"target": "a", "kind": "classification"}, "is a regression, and a classification was asked for.*--kind reg"),
        ({"target": "ticket_id"}, "is the target the right column; or is it a regression .--kind regression"),
        ({"target": "kind", "kind": "regression"}, "a regression needs numbers.*--kind classification"),
        ({"target": "one"}, "240 labelled rows of one class; .*is 'one' the right --target"),
        ({"target": "rare"}, r"2 of 4 classes have fewer than 4 rows.*'legal' \(1\), 'spam' \(3\).*--drop-rare"),
        ({"target": "empty"}, "0 labelled rows"),
    ],
)
def test_what_cannot_be_learnt_is_said(tmp_path: Path, words: dict[str, Any], message: str) -> None:
    rare = np.array(["a", "b"] * 120, dtype=object)
    rare[[5, 50, 100]], rare[7] = "spam", "legal"
    path = messy(tmp_path, one="same", rare=rare, empty=np.nan)
    with pytest.raises(TaskError, match=message):
        read_own(path, **words)


def test_files_that_are_not_there_or_not_tables(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "latin.csv").write_bytes("größe,kind\n1,a\n".encode("latin-1") * 40)
    for name, message in (("no.csv", "no such file"), ("empty.csv", "cannot be read"), ("latin.csv", "not UTF-8")):
        with pytest.raises(TaskError, match=message):
            read_own(str(tmp_path / name), "kind")


def test_rare_classes_can_be_left_out(tmp_path: Path) -> None:
    kind = np.array(["a", "b", "c"] * 80, dtype=object)
    kind[[5, 50, 100]], kind[7] = "spam", "legal"
    path = messy(tmp_path, kind=kind)
    own = read_own(path, "kind", drop_rare=True)
    assert own.data.classes == ("a", "b", "c")
    assert len(own.data.y) == len(own.data.X) == 236
    assert "4 rows of classes with fewer than 4 are left out: 'legal' (1), 'spam' (3)" in own.notes[1]
    whole = load_data(path, "kind")
    kept = [whole.classes[code] for code in whole.y if whole.classes[code] in "abc"]
    assert [own.data.classes[code] for code in own.data.y] == kept
    only = np.array([f"k{k // 2}" for k in range(100)] + ["big"] * 140, dtype=object)
    with pytest.raises(TaskError, match="1 of 51 classes have 4 rows or more"):
        read_own(messy(tmp_path, kind=only), "kind", drop_rare=True)


@pytest.mark.parametrize(
    ("name", "values", "dropped"),
    [
        ("n", np.arange(240), True),  # counts the rows
        ("n", 5000 - np.arange(240), True),
        ("orderNo", np.arange(240) * 7, True),
        ("row_id", np.arange(240) * 7.0, True),
        ("ID", np.arange(240) * 7, True),
        ("width", np.arange(240) * 7, False),  # a word that only holds "id"
        ("index", np.arange(240) % 200, False),  # not another one in every row
        ("income", np.arange(240) ** 2, False),
        ("row", np.arange(240) + 0.5, False),
    ],
)
def test_columns_that_only_number_the_rows_are_left_out(
    tmp_path: Path, name: str, values: np.ndarray, dropped: bool
) -> None:
    own = read_own(messy(tmp_path, **{name: values}), "kind")
    assert (name not in own.data.X) == dropped
    assert any(name in note.rpartition(": ")[2] for note in own.notes) == dropped


def test_a_table_of_ids_alone_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"id": np.arange(60), "kind": ["a", "b"] * 30}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(TaskError, match=r"only numbers the rows \(id\); add features"):
        read_own(str(tmp_path / "t.csv"), "kind")


def test_numbers_are_predicted_if_asked_for_or_where_the_source_says_so(tmp_path: Path) -> None:
    own = read_own(messy(tmp_path), "a", kind="regression")
    assert own.data.kind == "regression"
    assert [task.learner_name for task in own_tasks(own)] == ["ridge"]
    assert "a number from -" in described(own, own_tasks(own), 2, 3)
    assert read_own("diabetes").data.kind == "regression"


@pytest.mark.parametrize("rows", [30, 45, 80, 150, 600, 5_000, 100_000])
@pytest.mark.parametrize("classes", [0, 2, 5, 10])
def test_sizes_leave_room_in_the_pool_and_give_a_curve(rows: int, classes: int) -> None:
    y = np.arange(rows) % classes if classes else np.linspace(0, 1, rows)
    kind = "classification" if classes else "regression"
    data = Dataset("d", pd.DataFrame({"x": np.zeros(rows)}), y, tuple(range(classes)), "d", kind)
    batch, budget = sizes(data)
    assert 1 <= batch <= budget <= max(200, 4 * classes)
    assert budget + start_size(data) <= pool_size(data)
    loops = -(-budget // batch)
    assert loops <= 20
    assert loops >= min(10, budget)
    assert sizes(data, batch=3)[0] == 3
    assert sizes(data, budget=3)[1] == min(3, pool_size(data) - start_size(data))
    assert sizes(data, budget=10**6)[1] + start_size(data) == pool_size(data)


def test_what_is_said_of_the_splits_is_what_they_are(tmp_path: Path) -> None:
    own = read_own(messy(tmp_path), "kind")
    (task,) = own_tasks(own)
    layout = task.lay_out()
    assert len(layout.pool_y) == pool_size(own.data)
    assert len(layout.initial) == start_size(own.data)
    said = described(own, [task], 5, 4)
    assert (
        f"{len(layout.pool_y)} rows in the pool, {len(layout.guide_y)} to guide, {len(layout.test_y)} to test" in said
    )
    assert f"batches of {task.batch}, {task.budget} labels after {len(layout.initial)} initial ones" in said
    assert "4 policies × 5 seeds = 20 runs" in said
