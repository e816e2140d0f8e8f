"""A folder of tables with a manifest that says what each of them is.

A manifest is a CSV file, one row a set. Columns (only ``name`` must be there; others are kept out of the way):

name       unique in the manifest
file       the table, relative to the manifest; default: ``SPLIT/NAME.*`` or ``NAME.*`` beside it, with any known ending
target     its column with the labels (files of metaal's own form know theirs)
task       clf or reg; default: what the target says
family     sets of one origin share it; empty: the set is its own family
use        yes or no: no is for sets that are too small or have nothing to learn; default: yes
split      such as train and dev, for manifests that hold several
domain, rows, features, classes
           facts for choosing sets, not read from the files
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from metaal.errors import TaskError
from metaal.rehearsal.dataset import KINDS, Dataset
from metaal.rehearsal.sources.table import ENDINGS, own_form, read_table
from metadata_store.errors import nearest

TASKS = {"clf": "classification", "reg": "regression"}


@dataclass(frozen=True)
class Source:
    """One row of a manifest: a set that can be loaded.

    Parameters
    ----------
    name : str
    spec : str
        The text for `load_data` and `Task`: ``FOLDER/manifest.csv#NAME``.
    path : str
        The table.
    family : str
        Never empty.
    task : {"clf", "reg", ""}
    domain, split : str
        Empty where the manifest does not say.
    rows, features, classes : int
        0 where the manifest does not say.
    target : str
        Column with the labels; empty where the manifest does not say.
    """

    name: str
    spec: str
    path: str
    family: str
    task: str = ""
    domain: str = ""
    split: str = ""
    rows: int = 0
    features: int = 0
    classes: int = 0
    target: str = ""

    @property
    def kind(self) -> str | None:
        """What there is to learn, if the manifest says."""
        return TASKS.get(self.task)


def sources(
    where: str | Path, *, use: str | None = "yes", task: str | None = None, split: str | None = None
) -> list[Source]:
    """The sets of a manifest that fit, in its order.

    Parameters
    ----------
    where : str, Path
        A manifest, or a folder: all its ``*manifest.csv``, by name.
    use : str, optional
        What the column of this name must say; None takes all.
    task : str, optional
        ``clf`` or ``reg`` (or ``classification``, ``regression``).
    split : str, optional

    Returns
    -------
    list of Source

    Raises
    ------
    TaskError
        There is no manifest, it lacks a column or repeats a name, or nothing fits.
    """
    wanted = None if task is None else _task(where, task)
    found, seen = [], 0
    for path in manifest_files(Path(where)):
        rows = read_manifest(path)
        seen += len(rows)
        for row in rows.values():
            fits = (
                use in (None, row.get("use") or "yes"),
                wanted in (None, row.get("task")),
                split in (None, row.get("split")),
            )
            if all(fits):
                found.append(_source(path, row))
    if not found:
        raise TaskError(
            f"{where}: none of {seen} sets has use={use!r}, task={task!r}, split={split!r}; leave one of these out"
        )
    return found


def read_listed(spec: str, target: str | None = None, *, family: str = "", kind: str | None = None) -> Dataset:
    """Load the set that ``FOLDER/manifest.csv#NAME`` or ``FOLDER#NAME`` names.

    Parameters
    ----------
    spec : str
    target, family, kind : str, optional
        Instead of what the manifest says.

    Raises
    ------
    TaskError
        No such manifest, name or file, or a table that cannot be learnt from.
    """
    source = find_source(spec)
    path = Path(source.path)
    if target is None and source.target and not (path.is_file() and own_form(path) is not None):
        target = source.target  # in metaal's own form the manifest's is the target in the original data
    return read_table(path, target=target, name=source.name, family=family or source.family, kind=kind or source.kind)


def find_source(spec: str) -> Source:
    """The row that ``FOLDER/manifest.csv#NAME`` means."""
    where, _, name = spec.rpartition("#")
    names: list[str] = []
    for path in manifest_files(Path(where)):
        rows = read_manifest(path)
        if name in rows:
            return _source(path, rows[name])
        names += rows
    raise TaskError(f"{where}: no set {name!r} among {len(names)}; {nearest(name, names)}")


def read_manifest(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a manifest by name, cells as text; read again only after it has changed.

    Raises
    ------
    TaskError
        Not a table, no column ``name``, an empty or a repeated name, or a task that is neither clf nor reg.
    """
    found = path.stat()
    return _read_manifest(path, (found.st_mtime_ns, found.st_size, found.st_ino))


@lru_cache(maxsize=8)
def _read_manifest(path: Path, stamp: tuple[int, ...]) -> dict[str, dict[str, str]]:
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise TaskError(f"{path}: cannot be read as a manifest ({type(error).__name__}: {error})") from error
    if "name" not in table:
        raise TaskError(f"{path}: no column 'name'; a manifest has one, and may have {', '.join(_KNOWN)}")
    names = table["name"].tolist()
    if "" in names or len(set(names)) < len(names):
        wrong = next(name for name in names if not name or names.count(name) > 1)
        raise TaskError(f"{path}: the name {wrong!r} stands for {names.count(wrong)} sets; give each its own")
    if "task" in table:
        table["task"] = [_task(path, task) for task in table["task"]]
    columns = [str(column) for column in table]
    rows = table.itertuples(index=False, name=None)
    return {name: dict(zip(columns, row, strict=True)) for name, row in zip(names, rows, strict=True)}


_KNOWN = ("file", "target", "task", "family", "use", "split", "domain", "rows", "features", "classes")


def _task(where: object, text: str) -> str:
    """A task as manifests spell it, ``""`` for one that is left open."""
    short = {**{key: key for key in ("", *TASKS)}, **dict(zip(KINDS, TASKS, strict=True))}.get(text)
    if short is None:
        raise TaskError(f"{where}: task {text!r}; expected clf (classification) or reg (regression)")
    return short


def manifest_files(where: Path) -> list[Path]:
    """The manifest itself, or all of a folder's, by name."""
    if where.is_file():
        return [where]
    found = sorted(where.glob("*manifest.csv"))
    if not found:
        problem = "no manifest in this folder" if where.is_dir() else "no such file or folder"
        raise TaskError(f"{where}: {problem}; write a manifest.csv with a column 'name' (and {', '.join(_KNOWN)})")
    return found


def _source(manifest: Path, row: dict[str, str]) -> Source:
    name = row["name"]
    texts = {key: row.get(key, "") for key in ("task", "domain", "split", "target")}
    counts = {key: _count(manifest, name, key, row.get(key, "")) for key in ("rows", "features", "classes")}
    family, path = row.get("family") or name, str(_table(manifest, row))
    return Source(name=name, spec=f"{manifest}#{name}", path=path, family=family, **texts, **counts)  # type: ignore[arg-type]


def _table(manifest: Path, row: dict[str, str]) -> Path:
    """Where a set's table lies."""
    folder = manifest.parent
    if row.get("file"):
        return folder / row["file"]
    homes = [folder / row["split"]] if row.get("split") else []
    for home in (*homes, folder):
        if (usual := home / f"{row['name']}.parquet").is_file():
            return usual
        # Not glob: a name may hold [ or *. Not startswith alone: a.b.csv is no table of a.
        files = sorted(home.iterdir()) if home.is_dir() else []
        found = [p for p in files if p.name.startswith(f"{row['name']}.") and _ending(p.name[len(row["name"]) + 1 :])]
        if found:
            return found[0]
    return (homes or [folder])[0] / f"{row['name']}.parquet"  # read_table says that it is not there


def _ending(text: str) -> bool:
    """Whether a text is nothing but endings of tables."""
    return set(text.lower().split(".")) <= {*ENDINGS, "gz", "bz2"}


def _count(manifest: Path, name: str, key: str, text: str) -> int:
    try:
        return int(float(text or 0))
    except ValueError as error:
        raise TaskError(f"{manifest}: {key} of {name!r} is {text!r}; expected a whole number, or nothing") from error
