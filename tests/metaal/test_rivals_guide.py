"""The guide to policies names all of them, and its programs work as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from metaal import read_policy
from metaal.policies import reading
from metaal.policies.stopping_rules import RULES

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "policies.md"


def rows_of(heading: str) -> list[list[str]]:
    """Cells of the first table below a heading of the guide."""
    table = GUIDE.read_text(encoding="utf-8").split(f"## {heading}")[1].split("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_guide_has_a_row_for_every_policy_that_can_be_read() -> None:
    rows = rows_of("All of them")
    texts = [re.findall(r"`([^`]+)`", row[0])[0] for row in rows]
    names = {text.split("(")[0] for text in texts}
    assert set(reading._FACTORIES) - names == set()
    for text, row in zip(texts, rows, strict=True):
        if text != "learned" and not text.endswith(".metaal"):  # files have tests of their own
            assert read_policy(text).spelling, text
        assert len(row) == 3, row
        assert all(row), row


def test_the_guide_has_a_row_for_every_stopping_rule() -> None:
    rows = {re.findall(r"`([^`]+)`", row[0])[0]: row for row in rows_of("When to stop")}
    assert list(rows) == list(RULES)
    for name, rule in RULES.items():
        assert re.findall(r"[\d.]+", rows[name][2])[0] == f"{rule.threshold:g}", name
        assert rule.reference.split(",")[0] in rows[name][3], name


def test_the_guide_runs_as_printed(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 3
    program = tmp_path / "guide.py"
    program.write_text("\n".join(blocks), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(program)], cwd=tmp_path, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "keeps the contract" in done.stdout
