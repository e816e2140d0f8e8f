"""Clean tasks of classes play as they always did: the records of an earlier version are kept in a file."""

from __future__ import annotations

import json

import pytest
from golden_playing import CASES, FILE, played

GOLDEN = json.loads(FILE.read_text(encoding="utf-8"))


def test_every_case_has_its_golden_records() -> None:
    assert GOLDEN.keys() == CASES.keys()
    assert sum(len(records) for records in GOLDEN.values()) > 100


@pytest.mark.parametrize("name", CASES)
def test_a_clean_task_asks_tells_and_measures_what_it_always_did(name: str) -> None:
    now = json.loads(json.dumps(played(name)))
    assert len(now) == len(GOLDEN[name])
    for record, golden in zip(now, GOLDEN[name], strict=True):
        where = f"{golden['event']} of loop {golden['loop']}"
        assert record["arrays"] == golden["arrays"], where
        assert record["values"].keys() == golden["values"].keys(), where
        for key, value in golden["values"].items():
            wanted = pytest.approx(value, rel=1e-7, abs=1e-9) if isinstance(value, float) else value
            assert record["values"][key] == wanted, f"{key} in {where}"
