"""The report of an evaluation: one HTML file for people, Markdown with the same numbers for a repository.

Nothing is computed here that a claim rests on: the statistics come from `metaal.comparing`.
"""

from __future__ import annotations

from metaal.reporting.page import page, write_report

__all__ = ["page", "write_report"]
