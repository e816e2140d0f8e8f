"""Command line of the store's benchmarks.

python -m benchmarks.store append|read|writers|recover|all [--peers] [--quick] [--again] [--python PATH] [--scratch DIR]
python -m benchmarks.store table [append|read|writers|recover]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.micro.harness import RESULTS
from benchmarks.store import tables
from benchmarks.store.campaigns import MODULES, SCRATCH, Campaign


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("what", choices=[*MODULES, "all", "table"])
    parser.add_argument("which", nargs="?", choices=[*MODULES, "all"], default="all", help="which table")
    parser.add_argument("--peers", action="store_true", help="measure MLflow, Optuna, SQLite and Delta too")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--again", action="store_true", help="measure afresh what was measured already")
    parser.add_argument("--keep", action="store_true", help="keep large stores in the scratch folder for the next time")
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter to measure in, for one that has the peers"
    )
    parser.add_argument("--scratch", type=Path, default=SCRATCH, help="folder on the disk that is measured")
    parser.add_argument("--results", type=Path, help="folder of the results (with --quick: inside the scratch folder)")
    given = parser.parse_args(arguments)
    results = given.results or (given.scratch / "results" if given.quick else RESULTS)
    if given.what == "table":
        print(tables.markdown(given.which, results))
        return
    for name in MODULES if given.what == "all" else (given.what,):
        options = {name: getattr(given, name) for name in ("peers", "quick", "again", "keep", "python", "scratch")}
        Campaign(name, folder=results, **options).run()
        print(tables.markdown(name, results), end="\n\n")


if __name__ == "__main__":
    main()
