"""The documentation is run and generated, not believed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import strategy_zoo
from benchmarks import gallery
from strategy_zoo.view import AXES

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "strategies.md").read_text(encoding="utf-8")


def test_the_guide_to_strategies_runs_as_printed(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(blocks) >= 6
    program = tmp_path / "guide.py"
    program.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(program)], cwd=tmp_path, capture_output=True, text=True, env={**os.environ}, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "rows asked" in done.stdout


def test_the_guide_names_every_field_of_a_view() -> None:
    table = GUIDE.split("## What strategies need")[1].split("## Large pools")[0]
    named = set(re.findall(r"`(\w+)`", table))
    assert {*AXES, "lookahead", "predict"} - {"gradient"} <= named


def test_the_class_of_the_guide_keeps_the_contract_and_a_broken_one_does_not(tmp_path: Path) -> None:
    """A third party's strategy, written from the guide alone, through `metaal check`."""
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL) if "class Doubtful" in b]
    module = block.split("print(")[0]
    (tmp_path / "mine.py").write_text(module, encoding="utf-8")
    (tmp_path / "bad.py").write_text(
        module.replace("doubtful", "careless").replace("-abs(view.proba.max(axis=1)", "-abs(view.proba[:, 0]"),
        encoding="utf-8",
    )
    good = check("mine", tmp_path)
    assert good.returncode == 0, good.stdout + good.stderr
    assert re.search(r"doubtful: (\d+) of \1 checks passed", good.stdout)
    bad = check("bad", tmp_path)
    assert bad.returncode == 1
    assert "classes_may_be_permuted: the classes in another order give another batch" in bad.stdout


def check(module: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "metaal", "check", module],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )


def test_the_gallery_is_current_and_shows_every_strategy() -> None:
    """The text in full; of the pictures that they are there (python -m benchmarks.gallery --check draws them again)."""
    assert gallery.PAGE.read_text(encoding="utf-8") == gallery.page(), "run python -m benchmarks.gallery"
    assert {path.stem for path in gallery.PICTURES.glob("*.svg")} == set(strategy_zoo.names())


@pytest.mark.parametrize("name", ["margin", "greedy_x", "multilabel_margin"])
def test_a_picture_of_the_gallery_is_what_the_code_draws(name: str) -> None:
    assert (gallery.PICTURES / f"{name}.svg").read_text(encoding="utf-8") == gallery.picture(name)
