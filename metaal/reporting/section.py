"""A section of the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CHART = '<div class="controls"></div><div class="chips"></div><div class="chart"></div>'
"""Where a section's script puts its choices, its legend and its chart."""


@dataclass(frozen=True)
class Section:
    """One section: its anchor, its name in the bar of links, its title, its HTML, and what its charts draw."""

    name: str
    short: str
    title: str
    body: str
    data: dict[str, Any] = field(default_factory=dict)


def soft(text: str) -> str:
    """An explanation beside what it explains; ``text`` is HTML."""
    return f'<p class="soft">{text}</p>'
