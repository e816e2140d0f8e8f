"""An evaluation in the terminal: the answer in words, the table of policies, and the first one against the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaal.cli.printing import print_table

if TYPE_CHECKING:
    from metaal.reporting.reading import Reading
    from metaal.result import Result


def as_json(result: Result) -> dict[str, Any]:
    """The same numbers for programs."""
    table = result.table()
    head = result.headline() if len(result.policies) > 1 else None
    return {
        "main": result.main,
        "table": {str(name): row.to_dict() for name, row in table.iterrows()},
        "versus": {} if head is None else {str(name): row.to_dict() for name, row in head.table.iterrows()},
        "by": None if head is None else head.by,
        "leaks": sorted({(str(row["policy"]), str(row["family"])) for _, row in result.leaks.iterrows()}),
        "errors": result.errors[["policy", "task", "seed", "error"]].to_dict("records"),
    }


def print_result(result: Result) -> None:
    """Print the answer, the table, and the first policy against every other one."""
    from metaal.reporting.reading import Reading
    from metaal.reporting.summary import headline
    from metaal.reporting.verdicts import Verdicts

    reading = Reading(result)
    print_leaks(result)
    if not len(result.good):
        if len(result.leaks):
            print("nothing is left to compare")
        return
    if len(result.policies) > 1:
        print(f"{headline(reading, Verdicts(reading))}\n")
    print_policies(result, reading)
    if len(result.policies) > 1:
        head = result.headline()
        print(f"\n{result.main} against the others, in {reading.score.point} of AULC:")
        rows = [
            [
                str(rival),
                f"{row['difference']:+.2f}",
                f"{row['low']:+.2f} to {row['high']:+.2f}",
                f"{row['p_holm']:.3g}",
                *(int(row[column]) for column in ("better", "equal", "worse")),
            ]
            for rival, row in head.table.iterrows()
        ]
        print_table(["against", "difference", "95 % interval", "p (Holm)", "better", "equal", "worse"], rows)
        print(head.text)


def print_leaks(result: Result) -> None:
    """Say which runs are left out since their policy knows the data."""
    for name, rows in result.leaks.groupby("policy"):
        families = ", ".join(sorted(set(rows["family"])))
        print(
            f"LEAK: {name} was trained on the family of {len(rows)} of its runs ({families}). They say nothing about "
            "new data: their cells are left out of everything below\n"
        )


def print_policies(result: Result, reading: Reading) -> None:
    """One line a policy, best first."""
    rows = [
        [
            str(name),
            *(f"{100 * row[column]:.2f}" for column in ("aulc", "first30", "final")),
            *(_reached(row, level) for level in ("90", "95")),
            f"{row['seconds']:.2f}",
            f"{row['rounds']:.1f}",
        ]
        for name, row in result.table().iterrows()
    ]
    columns = ["policy", "AULC %", "first 30", "final", "to 90 %", "to 95 %", "seconds", "rounds"]
    print_table(columns, rows, fold=("to 90 %", "to 95 %"))
    print(
        f"AULC, first 30, final: test {reading.score.words}, the mean over all labels, over the first 30, and at the "
        "end; to 90 %: labels until 90 % of what the whole labelled pool gives (median over runs)"
    )


def _reached(row: Any, level: str) -> str:
    value = row[f"labels.to.{level}"]
    return f"{value:.0f}" if value == value else f"not reached ({row[f'reached.{level}']:.0%} did)"
