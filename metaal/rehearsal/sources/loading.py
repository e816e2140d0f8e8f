"""One door to every source: a text says what to load."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaal.errors import TaskError
from metaal.rehearsal.dataset import Dataset, check_kind
from metaal.rehearsal.sources.builtin import builtin_names, read_builtin

if TYPE_CHECKING:
    import pandas

GROUP = "metaal.sources"
"""Entry points of third parties: the name is a scheme, the value a function like `read_openml`."""
_SCHEME = re.compile(r"([a-z][a-z0-9_+-]+):(.+)", re.DOTALL)  # two letters at least: C: is a drive


def load_data(
    source: str | Path | Dataset | pandas.DataFrame,
    target: str | None = None,
    family: str = "",
    *,
    kind: str | None = None,
) -> Dataset:
    """Load labelled data from wherever they are; a file is read again only after it has changed.

    Parameters
    ----------
    source : str, Path, DataFrame or Dataset
        A built-in name (`builtin_names`); a path (`read_table`); ``FOLDER/manifest.csv#NAME``; ``openml:ID``;
        ``SCHEME:TEXT`` where an installed package offers the scheme; or data in memory.
    target : str, optional
        Column with the labels, where there is a choice.
    family : str
        Instead of the source's own.
    kind : {"classification", "regression"}, optional
        What is to be learnt. Default: what the source says, else what the target says (`make_dataset`).

    Returns
    -------
    Dataset

    Raises
    ------
    TaskError
        There is no such source, or it cannot be learnt from.

    Examples
    --------
    >>> load_data("iris")
    Dataset('iris': 150 rows, 4 columns, 3 classes)
    >>> load_data("diabetes")
    Dataset('diabetes': 442 rows, 10 columns, regression)
    """
    check_kind(kind, "load_data")
    if isinstance(source, Dataset):
        if kind not in (None, source.kind):
            raise TaskError(
                f"{source.name}: a {source.kind}, and kind {kind!r} was asked for; build it with make_dataset"
            )
        return source
    if not isinstance(source, str | Path):
        from metaal.rehearsal.sources.frame import read_frame

        if not hasattr(source, "columns"):
            raise TaskError(
                f"data: got a {type(source).__name__}; expected a name, a path, a DataFrame with a column of "
                "labels, or a Dataset"
            )
        return read_frame(source, target, family=family, kind=kind)
    return _load_text(str(source), target, family, kind, _stamp(str(source)))


def data_name(source: str | Path | Dataset) -> str:
    """Short name of a source, without loading it; tasks and their runs are called after it.

    Examples
    --------
    >>> data_name("iris"), data_name("data/t.csv.gz"), data_name("data/manifest.csv#wine.red"), data_name("openml:61")
    ('iris', 't', 'wine.red', 'openml_61')
    """
    if isinstance(source, Dataset):
        return source.name
    text = str(source)
    if _listed(text):
        return text.rpartition("#")[2]
    if scheme := _SCHEME.fullmatch(text):
        return f"{scheme[1]}_{scheme[2]}"
    return text.replace("\\", "/").rsplit("/", 1)[-1].split(".")[0]


@lru_cache(maxsize=4)
def _load_text(text: str, target: str | None, family: str, kind: str | None, stamp: tuple[int, ...]) -> Dataset:
    if text in builtin_names():
        if target is not None:
            raise TaskError(
                f"{text}: target {target!r}, but a built-in set has one target; leave target out, or pass a file"
            )
        return read_builtin(text, family=family, kind=kind)
    if _listed(text):
        from metaal.rehearsal.sources.manifest import read_listed

        return read_listed(text, target, family=family, kind=kind)
    if (scheme := _SCHEME.fullmatch(text)) and not Path(text).exists():
        return _reader(scheme[1])(scheme[2], target, family=family, kind=kind)
    from metaal.rehearsal.sources.table import read_table

    return read_table(text, target=target, family=family, kind=kind)


def _listed(text: str) -> bool:
    """Whether a text means a set of a manifest, and not a file whose name holds a #."""
    where, mark, name = text.rpartition("#")
    return bool(mark and where and name) and (where.lower().endswith(".csv") or Path(where).is_dir())


def _reader(scheme: str) -> Callable[..., Dataset]:
    """The function that loads a scheme's texts."""
    if scheme == "openml":
        from metaal.rehearsal.sources.openml import read_openml

        return read_openml
    offered = {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
    if scheme not in offered:
        schemes = ", ".join(f"{name}:…" for name in ("openml", *sorted(offered)))
        raise TaskError(
            f"no source {scheme + ':'!r}; expected {schemes}, a path, or one of {', '.join(builtin_names())}"
        )
    return offered[scheme].load()


def _stamp(text: str) -> tuple[int, ...]:
    """What changes when the files behind a text change."""
    paths: list[Any] = []
    if _listed(text):
        from metaal.rehearsal.sources.manifest import find_source, manifest_files

        paths = [*manifest_files(Path(text.rpartition("#")[0])), find_source(text).path]
    elif text not in builtin_names():
        paths = [text]
    stamp: list[int] = []
    for path in paths:
        try:
            found = Path(path).stat()
        except (OSError, ValueError):  # the reader says what is wrong with it
            continue
        stamp += [found.st_mtime_ns, found.st_size, found.st_ino]
    return tuple(stamp)
