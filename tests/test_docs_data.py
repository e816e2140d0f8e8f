"""The guide to data is run, and what it says of the shipped recipes is counted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd

from benchmarks.data import HERE
from benchmarks.datasets.packages import read_packages
from metaal.rehearsal.sources import manifest

GUIDE = (Path(__file__).parent.parent / "docs" / "data.md").read_text(encoding="utf-8")


def test_the_guide_runs_and_prints_what_its_comments_say(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(blocks) == 3
    program = tmp_path / "guide.py"
    program.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = re.findall(r"# (.*Dataset\(.*\))$", "\n".join(blocks), re.MULTILINE)
    assert len(said) == 4
    for line in said:
        assert line in done.stdout


def test_the_guide_names_every_column_of_a_manifest() -> None:
    table = GUIDE.split("| column | meaning |")[1].split("```")[0]
    named = set(re.findall(r"`([a-z]+)`", "\n".join(row.split("|")[1] for row in table.splitlines()[2:] if "|" in row)))
    assert named == {"name", *manifest._KNOWN}


def test_the_numbers_of_the_guide_are_those_of_the_recipes() -> None:
    recipe = pd.read_csv(HERE / "train_sources.csv", keep_default_na=False)
    built = recipe[recipe["domain"] != "text"]
    counts = f"{len(built)} of {len(recipe)} sets ({(built.task == 'clf').sum()} of {(recipe.task == 'clf').sum()}"
    assert counts in " ".join(GUIDE.split())
    assert f"{(recipe['read'] == 'rds').sum()} of the sets are pickles" in GUIDE
    assert len(read_packages()) == 10
