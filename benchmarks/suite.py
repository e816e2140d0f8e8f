"""What benchmarks/suite.toml holds, fixed before training: its sets and families, and how balanced it is.

python -m benchmarks.suite --data DIR            # check DIR's manifest against benchmarks/suite_sets.csv, and count
python -m benchmarks.suite --data DIR --write    # fix the sets anew (bars.toml must then be thought about again)
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pandas as pd

from metaal.errors import TaskError
from metaal.rehearsal import Task, read_suite, sources

FILE = Path(__file__).parent / "suite.toml"
SETS = Path(__file__).parent / "suite_sets.csv"
COLUMNS = ["name", "family", "rows", "classes"]


def fingerprint(file: Path = FILE, sets: Path = SETS) -> str:
    """What the suite and its sets say, as 16 hexadecimal digits; comments and ``about`` are left out.

    Unlike `Suite.hash` it does not change with what a later version of metaal adds to a suite.
    """
    said = tomllib.loads(file.read_text(encoding="utf-8"))
    said.pop("about", None)
    text = json.dumps(said, sort_keys=True) + sets.read_text(encoding="utf-8")
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def fixed_sets() -> pd.DataFrame:
    """The sets as they were fixed: name, family, rows, classes."""
    return pd.read_csv(SETS)


def sets_in(data: str | Path) -> pd.DataFrame:
    """The sets that the suite takes from a folder's manifest, in its order."""
    suite = read_suite(FILE)
    wanted = {spec for grid in suite.grids for spec, _ in grid.sets(data)}
    found = sources(Path(data).resolve() / suite.grids[0].manifest, use=None)
    rows = [[s.name, s.family, s.rows, s.classes] for s in found if s.spec in wanted]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"rows": "int64", "classes": "int64"})


def check_sets(data: str | Path) -> None:
    """Refuse a folder whose sets aren't those that were fixed.

    Raises
    ------
    TaskError
        A set is missing, new, or has another family, other rows or classes.
    """
    key = ["name"]
    here = sets_in(data).sort_values(key, ignore_index=True)
    fixed = fixed_sets().sort_values(key, ignore_index=True)
    if here.equals(fixed):
        return
    both = fixed.merge(here, how="outer", indicator=True)
    other = sorted(set(both.loc[both["_merge"] != "both", "name"]))
    raise TaskError(
        f"{data}: {len(other)} sets aren't as {SETS.name} has them (first: {', '.join(other[:3])}); what is measured "
        "on other sets is another benchmark. Get the same data, or name a suite of your own with --suite"
    )


def counted(tasks: list[Task], families: dict[str, str]) -> pd.DataFrame:
    """One row a family: sets, tasks, and how many learners, regimes, pairs of both, batches and seeds it meets.

    Parameters
    ----------
    tasks : list of Task
    families : dict
        Set → family.
    """
    lines = []
    by_family: dict[str, list[Task]] = {}
    for task in tasks:
        by_family.setdefault(families[task.data_name], []).append(task)
    for family, part in by_family.items():
        learners = Counter(task.learner_name for task in part)
        regimes = Counter(str(task.regime) for task in part)
        lines.append(
            {
                "family": family,
                "sets": len({task.data_name for task in part}),
                "tasks": len(part),
                "learners": len(learners),
                "regimes": len(regimes),
                "pairs": len({(task.learner_name, str(task.regime)) for task in part}),
                "batches": len({task.batch for task in part}),
                "seeds": len({task.seeds.split for task in part}),
                "uneven": max(max(c.values()) - min(c.values()) for c in (learners, regimes)),
            }
        )
    return pd.DataFrame(lines).set_index("family")


def main(arguments: list[str] | None = None) -> None:
    """Check, or fix anew; then count."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.suite", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the manifests")
    parser.add_argument("--write", action="store_true", help="write the sets instead of checking them")
    given = parser.parse_args(arguments)
    try:
        if given.write:
            sets_in(given.data).to_csv(SETS, index=False)
        check_sets(given.data)
        suite = read_suite(FILE)
        tasks = suite.tasks(given.data)
    except TaskError as error:
        sys.exit(f"suite: {error}")
    table = counted(tasks, dict(fixed_sets()[["name", "family"]].to_numpy().tolist()))
    print(f"{suite.name} ({suite.hash}): {len(tasks)} tasks of {len(table)} families")
    print(table.describe().loc[["min", "mean", "max"]].to_string())


if __name__ == "__main__":
    main()
