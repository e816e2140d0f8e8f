"""Write a result to benchmarks/results: one row a run, what it was made with, and the manifest of all results.

python -m benchmarks.record [--check]    # benchmarks/results/manifest.json
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

import metaal
from metaal.result import Result

RESULTS = Path(__file__).parent / "results"
MANIFEST = "manifest.json"
KINDS = (".csv", ".parquet", ".json")
"""Endings of the files that numbers are quoted from."""
COLUMNS = ["policy", "task", "data", "family", "learner", "batch", "regime", "seed", "stream", "leak", "error"]
NUMBERS = [
    *("aulc", "aulc.balanced_accuracy", "aulc.log_loss", "aulc.brier", "aulc.rmse"),
    *("first30", "first", "final", "full"),
    *("labels.spent", "labels.to.90", "labels.to.95", "labels.to.98"),
    *("compression.90", "compression.95", "compression.98"),
    *("rounds", "fits", "rows.scored", "points", "utility", "stop.cost"),
]
"""Numbers of a run that are kept, as far as it has them; see `metaal.comparing.number`."""
SECONDS = ["seconds", *(f"seconds.{phase}" for phase in ("fit", "score", "observe", "decide", "select"))]
MANY = 5000
"""Runs above which a result is a Parquet file: a table in text would be megabytes."""
PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "lightgbm")
PEERS = ("scikit-activeml", "modAL-python", "small-text")


def write_result(
    name: str, result: Result, command: str, *, more: dict[str, Any] | None = None, folder: Path = RESULTS
) -> None:
    """Write ``name.csv`` (or ``name.parquet`` where there are many runs) and ``name.json``.

    Parameters
    ----------
    name : str
    result : Result
    command : str
        That makes it again.
    more : dict, optional
        Further facts.
    folder : Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    runs = result.runs
    table = runs[[c for c in (*COLUMNS, *NUMBERS, *SECONDS) if c in runs]].copy()
    for columns, digits in ((NUMBERS, 6), (SECONDS, 4)):
        there = [c for c in columns if c in table]
        table[there] = table[there].astype("float64").round(digits)
    # One of the two, and the other one of an earlier call must not stay.
    kind, other = ("parquet", "csv") if len(table) > MANY else ("csv", "parquet")
    (folder / f"{name}.{other}").unlink(missing_ok=True)
    if kind == "parquet":
        table.to_parquet(folder / f"{name}.parquet", index=False, compression="zstd")
    else:
        table.to_csv(folder / f"{name}.csv", index=False)
    facts = {
        "command": command,
        "runs": len(table),
        "tasks": int(table["task"].nunique()),
        "families": int(table["family"].nunique()),
        "seeds": sorted(table["seed"].unique().tolist()),
        "policies": result.policies,
        **versions_and_machine((*PACKAGES, *PEERS)),
        **(more or {}),
    }
    (folder / f"{name}.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_result(name: str, folder: Path = RESULTS) -> Result:
    """The committed result, without its curves."""
    facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    path = folder / f"{name}.parquet"
    table = pd.read_parquet(path) if path.is_file() else pd.read_csv(folder / f"{name}.csv", dtype={"error": "object"})
    rows: list[dict[str, Any]] = table.fillna({"error": ""}).to_dict("records")  # type: ignore[assignment]
    return Result(rows, {}, metaal.Prices(), facts["policies"])


def versions_and_machine(packages: tuple[str, ...] = PACKAGES) -> dict[str, Any]:
    """What a result is made with: versions, the machine without its name, the commit.

    Returns
    -------
    dict
        ``versions`` (packages that are not installed are left out), ``machine``, ``commit`` (with ``+`` where files
        that git knows differ from it; empty outside of a clone).
    """
    versions = {"metaal": metaal.__version__, "python": platform.python_version()}
    for name in packages:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    machine = {"cores": os.cpu_count(), "architecture": platform.machine(), "system": platform.system()}
    return {"versions": versions, "machine": machine, "commit": commit()}


def commit(root: Path | None = None) -> str:
    """The commit that the tree is at, 12 digits, with ``+`` where files that git knows differ; empty where unknown."""
    root = root or Path(__file__).parent.parent

    def said(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
        except OSError:  # no git
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    head = said("rev-parse", "--short=12", "HEAD")
    if not head:
        return ""
    changed = said("status", "--porcelain", "--untracked-files=no", "--", ":!benchmarks/results")
    return head + ("+" if changed else "")


def manifest(folder: Path = RESULTS) -> dict[str, Any]:
    """Every result in a folder with what it was made with.

    Returns
    -------
    dict
        ``results``: file → ``bytes``, ``sha256``, for a table ``rows``, and from the JSON file of its name ``command``,
        ``seeds``, ``versions``, ``machine``, ``commit``, as far as they stand there.
    """
    found = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name != MANIFEST and path.suffix in KINDS:
            found[path.name] = _entry(path)
    return {"results": found}


def _entry(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    entry: dict[str, Any] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if path.suffix == ".csv":
        entry["rows"] = len(pd.read_csv(path))
    elif path.suffix == ".parquet":
        entry["rows"] = len(pd.read_parquet(path))
    beside = path.with_suffix(".json")
    if beside.is_file():
        facts = json.loads(beside.read_text(encoding="utf-8"))
        keys = ("command", "seeds", "versions", "machine", "commit")
        entry |= {key: facts[key] for key in keys if key in facts}
    return entry


def write_manifest(folder: Path = RESULTS) -> Path:
    """Write ``manifest.json`` anew; ``written`` says with what the manifest itself was made."""
    path = folder / MANIFEST
    whole = {**manifest(folder), "written": versions_and_machine((*PACKAGES, *PEERS))}
    path.write_text(json.dumps(whole, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return path


def check_manifest(folder: Path = RESULTS) -> list[str]:
    """What differs between the manifest and the files, in words; empty where nothing does."""
    path = folder / MANIFEST
    if not path.is_file():
        return [f"{MANIFEST} is missing"]
    said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["results"]
    now = manifest(folder)["results"]
    wrong = [f"{name} is not in the manifest" for name in sorted(set(now) - set(said))]
    wrong += [f"{name} is in the manifest and not in the folder" for name in sorted(set(said) - set(now))]
    wrong += [
        f"{name} is not what the manifest says" for name in sorted(set(said) & set(now)) if said[name] != now[name]
    ]
    return wrong


def main(arguments: list[str] | None = None) -> None:
    """Write the manifest, or with ``--check`` end with what is wrong with it."""
    words = sys.argv[1:] if arguments is None else arguments
    if words not in ([], ["--check"]):
        sys.exit(f"benchmarks.record: got {' '.join(words)}, expected nothing or --check")
    if words:
        wrong = check_manifest()
        if wrong:
            sys.exit("; ".join(wrong) + "; run python -m benchmarks.record")
        print("benchmarks/results is what its manifest says")
        return
    print(write_manifest())


if __name__ == "__main__":
    main()
