"""Play policies on the suite: every policy meets every task, logged to a store, resumable, in shards if you like.

    python -m benchmarks.run --data DIR --store DIR                        # the suite's line-up, benchmarks/suite.toml
    python -m benchmarks.run --data DIR --store DIR --peers                # and every peer that is installed
    python -m benchmarks.run --data DIR --store DIR --shard 1/4            # a quarter; any number of machines
    python -m benchmarks.run --data DIR --store DIR --write suite          # read the whole back, write the results

A rerun goes on where it was broken off. ``--write NAME`` makes benchmarks/results/NAME.parquet (one row a run; .csv if
there are few), NAME.json (what it was made with) and NAME.md (the tables; the bars of benchmarks/bars.toml where the
suite is theirs), and brings the manifest up to date. Runs that failed keep their message in their row, and the exit
code is 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import peers
from benchmarks.bars import judge, markdown, read_bars
from benchmarks.record import RESULTS, read_result, write_manifest, write_result
from benchmarks.suite import FILE as SUITE
from benchmarks.suite import check_sets, fingerprint
from metaal import Policy, evaluate
from metaal.comparing import stop_ratio
from metaal.errors import EvaluationError, MetaalError
from metaal.policies import read_policy
from metaal.rehearsal import read_suite
from metaal.rehearsal.suitefile import SUITES
from metaal.result import Result

MARK = "<!-- written by python -m benchmarks.run; do not edit -->"


def line_up(names: Sequence[str] = (), *, with_peers: bool = False) -> dict[str, Policy | str]:
    """The policies by name.

    Parameters
    ----------
    names : sequence of str
        Spellings of policies, or names of peers. Default: the learned policy, the schedule, and every fixed strategy
        that a bar refers to.
    with_peers : bool
        Whether to add the peers that are installed.
    """
    bars = read_bars()
    chosen = [*(names or ("learned", bars.schedule, *bars.fixed)), *(peers.installed() if with_peers else ())]
    return {name: peers.rival(name) if name in peers.PEERS else name for name in dict.fromkeys(chosen)}


def play(
    policies: Mapping[str, Policy | str],
    suite: str | Path,
    *,
    data: Path | None,
    store: Path | None,
    shard: str = "1/1",
    only: str = "*",
    jobs: int = -1,
    backend: str = "loky",
    address: str | None = None,
) -> tuple[Result, bool]:
    """Play them, or go on; the result, and whether all runs went well."""
    try:
        result = evaluate(
            policies,
            suite=suite,
            data=data,
            store=store,
            shard=shard,
            only=only,
            jobs=jobs,
            backend=backend,
            address=address,
        )
    except EvaluationError as error:
        if error.result is None:
            raise
        print(error, file=sys.stderr)
        return add_stops(error.result, policies), False
    return add_stops(result, policies), True


def add_stops(result: Result, policies: Mapping[str, Policy | str]) -> Result:
    """The result with a column ``stop.cost`` for each policy that may stop, where its twin that does not was played."""
    costs: dict[tuple[str, str], float] = {}
    for name, policy in policies.items():
        prices = getattr(read_policy(policy), "prices", None) if isinstance(policy, str) else None
        twin = name.split("(", 1)[0]
        if prices is None or not prices.final > 0 or twin not in policies:
            continue
        for stream in result.good["stream"].unique():
            costs[name, stream] = stop_ratio(result.traces[name, stream], result.traces[twin, stream], prices)
    if costs:
        keys = zip(result.runs["policy"], result.runs["stream"], strict=True)
        result.runs["stop.cost"] = [costs.get(key, float("nan")) for key in keys]
    return result


def report(result: Result, policy: str, suite_hash: str) -> str:
    """The result in Markdown: the means by policy, and the bars where the suite is theirs."""
    table = result.table()
    shown = ("aulc", "first30", "final", "aulc.balanced_accuracy", "aulc.log_loss", "fits", "rounds")
    kept = [column for column in shown if column in table]
    lines = [f"| policy | runs | {' | '.join(kept)} |", "|---|---|" + "---|" * len(kept)]
    for name, row in table.iterrows():
        lines.append(f"| `{name}` | {int(row['runs'])} | {' | '.join(f'{row[column]:.4f}' for column in kept)} |")
    bars = read_bars()
    if policy in result.policies and suite_hash == bars.suite:
        lines += ["", f"The bars, for `{policy}`:", "", markdown(judge(result, policy, bars))]
    return "\n".join(lines)


def committed(name: str, folder: Path = RESULTS) -> str:
    """What `report` says of a result that was written: from the rounded table, so that it can be made again."""
    facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return report(read_result(name, folder), facts["judged"], facts["suite"]["hash"])


def page(name: str, folder: Path = RESULTS) -> str:
    """The page of a result that was written."""
    facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    count = f"{facts['runs']:,} runs of {facts['tasks']:,} tasks, {facts['families']} families"
    return f"# {name}\n\n{MARK}\n\n`{facts['command']}`: {count}.\n\n{committed(name, folder)}\n"


def main(arguments: list[str] | None = None) -> int:
    """Play, print, and write if asked to."""
    given = _parser().parse_args(arguments)
    suite = given.suite if given.suite in SUITES else Path(given.suite)
    whole = (given.shard == "1/1" or given.part) and given.only == "*"
    if given.write and not whole:
        print(
            "run: --write is for the whole; leave out --shard and --only once all parts are played, or say --part",
            file=sys.stderr,
        )
        return 2
    try:
        suite_hash = read_suite(suite).hash
        if Path(given.suite).resolve() == SUITE.resolve():
            suite_hash = fingerprint()
            if given.data is not None:
                check_sets(given.data)
        policies = line_up(given.policies, with_peers=given.peers)
        result, well = play(
            policies,
            suite,
            data=given.data,
            store=given.store,
            shard=given.shard,
            only=given.only,
            jobs=given.jobs,
            backend=given.backend,
            address=given.address,
        )
        text = report(result, given.judge, suite_hash)
    except MetaalError as error:
        print(f"run: {error}", file=sys.stderr)
        return 2
    print(text)
    if given.write:
        words = ["python -m benchmarks.run", f"--suite {Path(given.suite).name}"]
        words += [] if given.shard == "1/1" else [f"--shard {given.shard} --part"]
        said = " ".join([*words, *(["--policies", *given.policies] if given.policies else [])])
        facts = {"suite": {"name": Path(given.suite).stem, "hash": suite_hash, "shard": given.shard}}
        facts["judged"] = given.judge
        write_result(given.write, result, said + " --peers" * given.peers, more=facts, folder=given.results)
        (given.results / f"{given.write}.md").write_text(page(given.write, given.results), encoding="utf-8")
        write_manifest(given.results)
    return 0 if well else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--suite", default=str(SUITE), help="TOML file, or the name of a suite (default: suite.toml)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the suite's manifests and files")
    parser.add_argument("--store", type=Path, metavar="DIR", required=True, help="directory to log to; a rerun goes on")
    parser.add_argument("--policies", nargs="+", default=[], metavar="NAME", help="spellings, or names of peers")
    parser.add_argument("--peers", action="store_true", help="add every peer that is installed")
    parser.add_argument("--judge", default="learned", metavar="NAME", help="the policy that the bars are for")
    parser.add_argument("--shard", default="1/1", metavar="i/n", help="only the i-th of n equal parts")
    parser.add_argument("--part", action="store_true", help="let --write write a shard's results, which say so")
    parser.add_argument("--only", default="*", metavar="GLOB", help="only cells of such a name")
    parser.add_argument("--jobs", type=int, default=-1, help="processes (default: one a core)")
    parser.add_argument("--backend", default="loky", help="loky, dask or ray")
    parser.add_argument("--address", help="of the cluster")
    parser.add_argument("--write", metavar="NAME", help="write the results under this name")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where --write writes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
