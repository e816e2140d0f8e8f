"""One self-contained HTML file: the answer in words first, then what it rests on (`metaal.reporting`)."""

from __future__ import annotations

from metaal.reporting import write_report

__all__ = ["write_report"]
