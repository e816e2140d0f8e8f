"""What a store reveals is measured and said."""

from __future__ import annotations

import doctest
import importlib
import json
import pkgutil

import numpy as np
import pytest

import metadata_store.privacy
from metadata_store import MemoryStore, Record, Store
from metadata_store.privacy import (
    Privacy,
    audit,
)
from tests.metadata_store.canaries import opened

MODULES = [module.name for module in pkgutil.iter_modules(metadata_store.privacy.__path__)]


@pytest.fixture
def at(path):
    """Open the store of the test at a level, without the warning of L3."""
    return lambda level, where=path: opened(where, level)


def columns(store: Store, privacy: Privacy | None = None) -> dict[str, metadata_store.privacy.Column]:
    return {column.name: column for column in audit(store, privacy).columns}


def test_the_audit_says_what_each_column_reveals():
    store = MemoryStore()
    rng = np.random.default_rng(0)
    for loop in range(30):
        values = {
            "score": float(rng.random()),
            "tag": "a",
            "a.count": 10 * loop,
            "b.count": 10 * loop + 3,
            "mail": f"p{loop}@x.org",
        }
        arrays = {"ids": np.arange(50) + 50 * loop, "x.hist": np.array([0, 30, 20]), "y.hist": np.array([0, 7, 20])}
        store.append(Record("r", loop, "ask", values, arrays))
    found = columns(store)
    assert (found["score"].level, found["score"].exact, found["score"].identifies) == ("L1", True, False)
    assert (found["a.count"].smallest, found["a.count"].rounded) == (10, True)
    assert (found["b.count"].smallest, found["b.count"].rounded) == (3, False)
    assert (found["x.hist"].smallest, found["x.hist"].rounded) == (20, True)
    assert (found["y.hist"].smallest, found["y.hist"].rounded) == (7, False)
    assert "not rounded to 10" in found["y.hist"].verdict
    assert found["ids"].distinct == 1500
    assert found["ids"].entropy == pytest.approx(np.log2(1500), abs=0.01)
    assert found["ids"].identifies
    assert found["mail"].identifies
    assert found["mail"].level == "L3"
    assert not found["tag"].identifies
    assert found["run"].what == "key"
    report = audit(store)
    assert report.shareable == "L3"
    assert "never harmless" in report.warning
    assert report.membership.startswith("not computable")
    json.dumps(report.as_data())


@pytest.mark.parametrize(
    "text", ["case 4711081", "x@y.example", "9f86d081884c7d65", "7b0c0a3e-8f6e-4f0e-9b1c-6f1e2d3c4b5a"]
)
def test_identifiers_in_texts_are_noticed(text):
    store = MemoryStore()
    store.append(Record("r", 0, "tell", {"note": f"about {text}, done", "word": "margin"}))
    assert columns(store)["note"].identifies
    assert not columns(store)["word"].identifies


def test_a_store_of_level_1_is_judged_fit_for_level_1(at):
    store = at("L1")
    for loop in range(20):
        store.append(
            Record("r", loop, "ask", {"score": 1 / (loop + 3), "a.count": loop * 7, "note": "x"}, {"ids": [loop]})
        )
    report = audit(store)
    assert (report.level, report.shareable) == ("L1", "L1")
    assert not any(column.exact or column.rounded is False for column in report.columns)
    assert "only statistics of loops" in report.membership
    store.close()


def test_confidences_that_tell_who_was_labelled_are_measured():
    """Area under the curve by counting every pair, against the one of the audit."""
    rng = np.random.default_rng(1)
    store = MemoryStore()
    ids = np.arange(60)
    store.append(Record("r", 0, "tell", {}, {"ids": ids[:25], "labels": ids[:25] % 2}))
    sure = np.round(np.where(ids < 25, 0.75, 0.7) + 0.1 * rng.standard_normal(60), 2)
    proba = np.stack([sure, 1 - sure], axis=1)
    proba = np.where(ids[:, None] % 2 == 0, proba[:, ::-1], proba)
    store.append(Record("r", 1, "ask", {}, {"all.ids": ids, "all.proba": proba}))
    attack = columns(store)["all.proba"].membership
    assert attack is not None
    top = proba.max(1)
    pairs = [(a > b) + 0.5 * (a == b) for a in top[:25] for b in top[25:]]
    assert attack.auc == pytest.approx(np.mean(pairs))
    assert (attack.labelled, attack.others, attack.status) == (25, 35, "labelled before")
    assert f"AUC {attack.auc:.2f}" in columns(store)["all.proba"].verdict
    assert audit(store).membership.startswith("computable: all.proba")


def test_rows_that_are_labelled_later_or_lose_their_label_count_as_such():
    store = MemoryStore()
    ids = np.arange(40)
    store.append(Record("r", 0, "ask", {}, {"all.ids": ids, "all.confidence": np.where(ids < 20, 0.5, 0.9)}))
    store.append(Record("r", 0, "tell", {}, {"ids": ids[:20]}))
    attack = columns(store)["all.confidence"].membership
    assert (attack.status, attack.auc) == ("labelled later", 0.0)
    store.append(Record("r", 1, "withdraw", {}, {"ids": ids[:15]}))
    store.append(Record("r", 1, "ask", {}, {"all.ids": ids, "all.confidence": np.where(ids < 20, 0.5, 0.9)}))
    assert columns(store)["all.confidence"].membership.status == "labelled later"


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    assert doctest.testmod(importlib.import_module(f"metadata_store.privacy.{name}")).failed == 0
