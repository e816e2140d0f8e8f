"""Command line of the micro-benchmarks.

python -m benchmarks.micro rowwise|batch|peers|cost|all [--again] [--only NAME,NAME] [--slow] [--python PATH]
python -m benchmarks.micro table [rowwise|batch|peers|cost]
python -m benchmarks.micro latency [--only PATTERN]    # what a caller waits for, by pytest-benchmark
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.micro import latency, tables
from benchmarks.micro.campaigns import Campaign
from benchmarks.micro.harness import RESULTS

NAMES = ("rowwise", "batch", "peers", "cost")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.micro", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("what", choices=[*NAMES, "all", "table", "latency"])
    parser.add_argument("which", nargs="?", choices=[*NAMES, "all"], default="all", help="which table")
    parser.add_argument("--again", action="store_true", help="measure afresh what was measured already")
    parser.add_argument("--only", default="", help="names of strategies, with commas (latency: as pytest -k)")
    parser.add_argument("--slow", action="store_true", help="batch: a million rows too, on two cores")
    parser.add_argument("--cpu", type=float, help="batch, peers, cost: CPU seconds allowed to one call")
    parser.add_argument("--gibibytes", type=float, help="batch, peers, cost: memory allowed to one process")
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter to measure in, for one that has the peers"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    given = parser.parse_args(arguments)
    if given.what == "table":
        print(tables.markdown(given.which, given.results))
        return
    if given.what == "latency":
        latency.measure(given.results, given.only)
        print(latency.markdown(given.results))
        return
    only = tuple(name.strip() for name in given.only.split(",") if name.strip())
    for name in NAMES if given.what == "all" else (given.what,):
        options = {"cpu_seconds": given.cpu, "gibibytes": given.gibibytes} if name != "rowwise" else {}
        options = {key: value for key, value in options.items() if value is not None}
        if name == "batch" and given.slow:
            options["slow"] = True
        Campaign(name, given.again, only, given.results, given.python).run(**options)
        print(tables.markdown(name, given.results), end="\n\n")


if __name__ == "__main__":
    main()
