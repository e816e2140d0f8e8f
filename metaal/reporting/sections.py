"""Which sections the page has, in the order in which a reader asks."""

from __future__ import annotations

from metaal.reporting import acting, faults, money, quality
from metaal.reporting.method import method
from metaal.reporting.reading import Reading
from metaal.reporting.section import Section
from metaal.reporting.verdicts import Verdicts


def all_sections(reading: Reading, verdicts: Verdicts) -> list[Section]:
    """Every section that this evaluation has something for."""
    out: list[Section | None] = []
    if reading.tasks:
        out += [
            quality.learning_curves(reading),
            quality.labels_to_target(reading),
            quality.who_is_better(reading, verdicts),
            money.front(reading),
            money.budget(reading),
            acting.actions(reading),
            acting.single_runs(reading),
            acting.predictions(reading),
            faults.where_worse(reading),
        ]
    out += [faults.errors(reading), faults.leaks(reading), method(reading, verdicts)]
    return [section for section in out if section is not None]
