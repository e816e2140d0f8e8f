"""Sum up a corpus of rehearsals, which is too large to be committed: what it is made of, and a hash of what it says.

    metaal rehearse --suite train --data DIR --store corpus      # hours; may be broken off, and split with --shard
    metaal compact corpus
    python -m benchmarks.corpus corpus [MORE STORES]             # benchmarks/results/corpus_train.csv and .json

The CSV file has a row for each family and regime with the number of branches of each learner, the JSON file the totals.
Whoever makes the corpus again gets the same hash, whatever the shards, the order and the machine's speed, as long as
the versions of the packages named in the JSON file give the same numbers.
"""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from pathlib import Path

from benchmarks.record import RESULTS, versions_and_machine
from metaal.rehearsal.corpus import Corpus, summarise
from metadata_store import open_store


def write_corpus(corpus: Corpus, name: str, command: str, *, folder: Path = RESULTS) -> Path:
    """Write ``corpus_NAME.csv`` and ``corpus_NAME.json``; returns the path of the latter.

    Parameters
    ----------
    corpus : Corpus
    name : str
        Of the suite, or another one.
    command : str
        That makes them again.
    folder : Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    corpus.table.to_csv(folder / f"corpus_{name}.csv", index=False, lineterminator="\n")
    path = folder / f"corpus_{name}.json"
    facts = {**corpus.facts, "command": command, **versions_and_machine()}
    path.write_text(json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def main(arguments: list[str] | None = None) -> None:
    """Read the stores, write both files, print one line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__.split("\n")[0])
    parser.add_argument("stores", nargs="+", metavar="STORE", help="directory that metaal rehearse wrote to")
    parser.add_argument("--name", help="of the files; default: the suite's")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="default: benchmarks/results")
    words = parser.parse_args(arguments)
    with ExitStack() as stack:
        corpus = summarise(*(stack.enter_context(open_store(path, create=False)) for path in words.stores))
    name = words.name or "_".join(corpus.facts["suites"]) or "own"
    # Where the stores lay on this machine says nothing to anybody else.
    command = f"metaal rehearse --suite {name} --data DIR --store corpus; python -m benchmarks.corpus corpus"
    print(corpus)
    print(write_corpus(corpus, name, command, folder=words.folder))


if __name__ == "__main__":
    main()
