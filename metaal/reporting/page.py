"""The page: sections in the order in which a reader asks, styles, scripts and numbers in one file."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaal.comparing import ENOUGH
from metaal.reporting.reading import MIXED, SCORES, Reading
from metaal.reporting.section import Section
from metaal.reporting.sections import all_sections
from metaal.reporting.summary import forest, headline, sentences, tiles
from metaal.reporting.verdicts import Verdicts
from metaal.reporting.words import counted, esc, listed

if TYPE_CHECKING:
    from metaal.result import Result


def write_report(result: Result, path: str | Path, *, main: str | None = None) -> Path:
    """Write the report of an evaluation as one HTML file that needs no network.

    Parameters
    ----------
    result : Result
    path : str or Path
        Missing folders are made.
    main : str, optional
        The policy that is judged. Default: the first one.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    InputError
        The result has no such policy.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(result, main=main), encoding="utf-8")
    return path


def page(result: Result, *, main: str | None = None) -> str:
    """The HTML of the report; parameters and errors as `write_report`."""
    from plotly.offline import get_plotlyjs

    reading = Reading(result, main)
    verdicts = Verdicts(reading)
    parts = all_sections(reading, verdicts)
    links = "".join(f'<a href="#{part.name}">{esc(part.short)}</a>' for part in parts)
    body = "".join(f'<section id="{part.name}"><h2>{esc(part.title)}</h2>{part.body}</section>' for part in parts)
    data = _data(reading, parts)
    script = f"<script>{get_plotlyjs()}</script>" if len(data) > 1 else ""
    header = f"<header><h1>{esc(_title(reading))}</h1>{_answer(reading, verdicts)}</header>"
    shown = f"{header}<nav aria-label='sections'>{links}</nav><main>{body}</main>"
    charts = f'<script type="application/json" id="data">{_json(data)}</script><script>{_file("page.js")}</script>'
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>metaal: {esc(reading.main)}</title><link rel='icon' href='data:,'><style>{_file('page.css')}</style>"
        f"{script}</head><body>{_bound(shown)}"
        '<noscript><p class="warning">Charts need JavaScript; all tables are complete without.</p></noscript>'
        f"{charts if script else ''}</body></html>"
    )


def _bound(text: str) -> str:
    """A number and its unit stay on one line."""
    return re.sub(r"(\d) (%|pp\b)", "\\1\u00a0\\2", text)


def _title(reading: Reading) -> str:
    return f"{reading.main} against {listed(reading.rivals, 5)}" if reading.rivals else reading.main


def _answer(reading: Reading, verdicts: Verdicts) -> str:
    points = "".join(f"<li>{esc(sentence)}</li>" for sentence in sentences(reading, verdicts))
    boxes = "".join(
        f'<div class="tile"><span>{esc(tile.title)}</span><b>{esc(tile.value)}</b><span>{esc(tile.beside)}</span></div>'
        for tile in tiles(reading)
    )
    return (
        f'<div class="answer"><p class="verdict">{esc(headline(reading, verdicts))}</p>{_warnings(reading)}'
        f'<div class="tiles">{boxes}</div><ul>{points}</ul></div>{forest(reading, verdicts)}'
    )


def _warnings(reading: Reading) -> str:
    out = ""
    failed = reading.result.errors
    if len(failed):
        out += (
            f'<p class="warning">{counted(len(failed), "run")} of {len(reading.result.runs):,} failed; their cells are '
            'left out of every number. <a href="#errors">Which ones</a></p>'
        )
    leaks = reading.result.leaks
    if len(leaks):
        names = listed(map(str, dict.fromkeys(leaks["policy"])))
        out += (
            f'<p class="warning"><b>Leak:</b> {esc(names)} was trained on families of {counted(len(leaks), "run")} '
            'here. These cells are left out of every number. <a href="#leaks">Which ones</a></p>'
        )
    return out


def _data(reading: Reading, parts: list[Section]) -> dict[str, Any]:
    """What the charts draw, by section; colours go by the place of a name in ``policies`` and ``actions``."""
    data: dict[str, Any] = {key: value for part in parts for key, value in part.data.items()}
    if not data:
        return {}
    actions = [name for shares in data.get("shares", {}).values() for name in shares["actions"]]
    factors = {s.name: {"factor": s.factor, "digits": s.digits, "axis": s.axis} for s in (*SCORES.values(), MIXED)}
    return data | {
        "policies": reading.policies,
        "actions": list(dict.fromkeys(actions)),
        "scores": factors,
        "point": reading.score.point,
        "enough": ENOUGH,
    }


def _json(data: Any) -> str:
    # "</script>" in a name must not end the script.
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")


def _file(name: str) -> str:
    return (resources.files("metaal.reporting") / name).read_text(encoding="utf-8")
