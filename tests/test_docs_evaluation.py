"""docs/evaluation.md says what the report has."""

from __future__ import annotations

import re
from pathlib import Path

from metaal.comparing import ENOUGH, ROPE
from metaal.logs import HORIZON
from metaal.reporting import curves, timeline
from metaal.reporting.verdicts import LEVEL, SURE

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")


def test_the_guide_names_every_section_of_the_page() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "metaal" / "reporting").glob("*.py"))
    titles = re.findall(r'Section\(\s*"\w+",\s*"[\w ]+",\s*"([^"]+)"', source)
    titles += re.findall(r'title(?:, \w+)? = "([^"]{10,})"', source)
    assert len(titles) >= 9
    for title in titles:
        assert title in GUIDE, title


def test_the_guides_numbers_are_those_of_the_code() -> None:
    assert (ENOUGH, HORIZON, LEVEL, SURE, ROPE) == (6, 3, 0.05, 0.95, 0.1)
    for words in ("below six families", "next three batches", "p < .05", "more than 95 %", "±0.1 points"):
        assert words in GUIDE
    assert f"Curves share {curves.ROOM / 1e6:.1f} MB" in GUIDE
    assert f"down to {curves.LEAST} points" in GUIDE
    assert f"Single runs share {timeline.ROOM / 1e6:.1f} MB" in GUIDE
