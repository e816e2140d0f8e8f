"""Command line of the literature check; see the package."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import benchmarks.literature as package
from benchmarks.literature.campaign import FILE, campaign
from benchmarks.literature.comparing import markdown
from benchmarks.literature.protocol import RULES, USUAL


def main(arguments: list[str] | None = None) -> None:
    """Run, or print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.literature",
        description=package.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("step", choices=["run", "report"])
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with published/, the manifests and the sets")
    parser.add_argument("--sets", nargs="+", default=[], metavar="NAME", help="sets (default: all, cheap ones first)")
    parser.add_argument("--strategies", nargs="+", default=list(USUAL), choices=list(RULES), metavar="NAME")
    parser.add_argument("--repeats", type=int, default=30, metavar="N", help="repeats of each set (default: 30)")
    parser.add_argument("--file", type=Path, default=FILE, help="where the runs are kept")
    given = parser.parse_args(arguments)
    if given.step == "run":
        if given.data is None:
            parser.error("run: pass --data DIR, the folder with published/, the manifests and the sets")
        try:
            campaign(given.data, sets=given.sets, strategies=given.strategies, repeats=given.repeats, file=given.file)
        except (ValueError, FileNotFoundError) as error:
            sys.exit(f"literature: {error}")
    if not given.file.is_file():
        sys.exit(f"{given.file}: nothing was run yet; python -m benchmarks.literature run --data DIR")
    print(markdown(given.file))


if __name__ == "__main__":
    main()
