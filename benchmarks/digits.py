"""The table of README on scikit-learn's digits: 20 seeds, logistic regression, batches of 10, 100 labels.

    python -m benchmarks.digits [--store DIR]

The learned policy has never seen digits or their family.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.record import write_result
from metaal import Task, evaluate

POLICIES = ("schedule", "learned", "cluster_margin", "margin", "badge", "random")
SEEDS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default="digits_runs", help="directory to log to; a rerun goes on")
    given = parser.parse_args()
    task = Task("digits", "logistic", batch=10, budget=100)
    result = evaluate({name: name for name in POLICIES}, [task], range(SEEDS), store=Path(given.store))
    write_result("digits", result, "python -m benchmarks.digits")


if __name__ == "__main__":
    main()
