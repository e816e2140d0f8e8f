"""Pictures drawn as SVG: they print, follow the colours of the page and need no script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from metaal.reporting.words import esc, number

if TYPE_CHECKING:
    from metaal.comparing.ranking import Ranks

LETTER = 7.6
"""Width of a letter of the diagrams' text, about, in pixels."""


def critical_difference(found: Ranks, main: str, *, width: int) -> str:
    """Critical-difference diagram for a page of ``width`` pixels: best on the left; bars join what cannot be told.

    References
    ----------
    Demšar, 2006, Statistical comparisons of classifiers over multiple data sets.
    """
    names = [str(name) for name in found.mean.index]
    values = found.mean.to_numpy(dtype=np.float64)
    left = names[: (len(names) + 1) // 2]
    longest = max(len(name) for name in names) + 6
    # A third of a narrow page each for names on the left, the axis, and names on the right.
    side = int(min(LETTER * longest + 12, 0.36 * width))
    room = max(4, int((side - 12) / LETTER) - 5)
    scale = (width - 2 * side) / max(len(names) - 1, 1)

    def at(rank: float) -> float:
        return side + (rank - 1) * scale

    parts, axis = [], 46
    if np.isfinite(found.critical) and found.critical <= len(names) - 1:
        end = at(1 + found.critical)
        parts.append(f'<path class="rule" d="M{at(1):.1f} 20V28M{at(1):.1f} 24H{end:.1f}M{end:.1f} 20V28"/>')
        words = f"critical difference {number(found.critical, 2)}"
        parts.append(f'<text x="{at(1):.1f}" y="13">{words}</text>')
    parts.append(f'<path class="rule" d="M{at(1):.1f} {axis}H{at(len(names)):.1f}"/>')
    step = 1 if scale >= 16 else 2 if scale >= 8 else 4
    for rank in range(1, len(names) + 1, step):
        parts.append(f'<path class="rule" d="M{at(rank):.1f} {axis}v-5"/>')
        parts.append(f'<text x="{at(rank):.1f}" y="{axis - 8}" text-anchor="middle">{rank}</text>')
    low = axis + 10
    for k, clique in enumerate(found.cliques):
        ends = [at(float(found.mean[name])) for name in (clique[0], clique[-1])]
        y = low + 7 * k
        parts.append(f'<path class="bar" d="M{ends[0] - 4:.1f} {y}H{ends[1] + 4:.1f}"/>')
    low += 7 * len(found.cliques) + 10
    rows = [(name, k, True) for k, name in enumerate(left)]
    rows += [(name, k, False) for k, name in enumerate(reversed(names[len(left) :]))]
    for name, k, on_left in rows:
        x, y = at(values[names.index(name)]), low + 20 * k
        edge, anchor = (side - 6, "end") if on_left else (width - side + 6, "start")
        text = f"{_cut(name, room)} {number(float(found.mean[name]), 2)}"
        strong = " class='judged'" if name == main else ""
        parts.append(f'<path class="rule" d="M{x:.1f} {axis}V{y}H{edge:.1f}"/>')
        x_text = edge - 4 if on_left else edge + 4
        parts.append(
            f'<text{strong} x="{x_text:.1f}" y="{y + 4}" text-anchor="{anchor}">{esc(text)}'
            f"<title>{esc(name)}</title></text>"
        )
    height = low + 20 * len(left)
    order = ", ".join(f"{name} {number(value, 2)}" for name, value in zip(names, values, strict=True))
    return (
        f'<svg class="diagram" viewBox="0 0 {width} {height:.0f}" style="max-width:{width}px" role="img" '
        f'aria-label="{esc(f"Mean ranks, best first: {order}")}">{"".join(parts)}</svg>'
    )


def _cut(name: str, room: int) -> str:
    return name if len(name) <= room else name[: room - 1] + "…"


def interval_scale(low: Sequence[float], high: Sequence[float]) -> float:
    """Half width of an axis around nought that holds all intervals."""
    ends = [abs(value) for value in (*low, *high) if np.isfinite(value)]
    return max(ends, default=1.0) * 1.08 or 1.0


def interval(value: float, low: float, high: float, scale: float, tone: str) -> str:
    """A difference with its interval on an axis from −``scale`` to ``scale``, as wide as its place."""

    def at(number: float) -> str:
        return f"{50 + 48 * max(-1.0, min(1.0, number / scale)):.2f}%"

    parts = ['<line class="nought" x1="50%" x2="50%" y1="0" y2="100%"/>']
    if np.isfinite(low) and np.isfinite(high):
        parts.append(f'<line class="span {tone}" x1="{at(low)}" x2="{at(high)}" y1="50%" y2="50%"/>')
    if np.isfinite(value):
        parts.append(f'<circle class="{tone}" cx="{at(value)}" cy="50%" r="5"/>')
    return f'<svg class="interval" aria-hidden="true">{"".join(parts)}</svg>'
