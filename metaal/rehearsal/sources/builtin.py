"""The sets that need no file and no network: they come with scikit-learn and plotly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from metaal.errors import TaskError
from metaal.rehearsal.dataset import Dataset, check_kind, make_dataset
from metadata_store.errors import nearest


@dataclass(frozen=True)
class _Builtin:
    """How a set is loaded: features and targets, and what it is kept apart with."""

    load: Callable[[], tuple[Any, Any]]
    family: str
    kind: str = "classification"


def _classes_of(loader: str) -> Callable[[], tuple[Any, Any]]:
    def load() -> tuple[Any, Any]:
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{loader}")(as_frame=True)
        return bunch.data, np.array(bunch.target_names)[bunch.target]

    return load


def _diabetes() -> tuple[Any, Any]:
    from sklearn.datasets import load_diabetes

    return load_diabetes(as_frame=True, return_X_y=True)


def _diabetes_high() -> tuple[Any, Any]:
    X, y = _diabetes()
    return X, np.where(y > y.median(), "high", "low")


def _gapminder() -> tuple[Any, Any]:
    from plotly import data

    table = data.gapminder()
    return table[["year", "lifeExp", "pop", "gdpPercap"]], table["continent"]


def _life_expectancy() -> tuple[Any, Any]:
    from plotly import data

    table = data.gapminder()
    return table[["continent", "year", "pop", "gdpPercap"]], table["lifeExp"]


def _tips() -> tuple[Any, Any]:
    from plotly import data

    table = data.tips()
    return table.drop(columns=["time"]), table["time"]


def _tip() -> tuple[Any, Any]:
    from plotly import data

    table = data.tips()
    return table.drop(columns=["tip"]), table["tip"]


_BUILTIN = {
    "breast_cancer": _Builtin(_classes_of("breast_cancer"), "breast_cancer"),
    "digits": _Builtin(_classes_of("digits"), "optdigits"),  # the test part of that set
    "iris": _Builtin(_classes_of("iris"), "iris"),
    "wine": _Builtin(_classes_of("wine"), "wine"),
    "diabetes_high": _Builtin(_diabetes_high, "reg_diabetes"),  # as the manifest of benchmarks/datasets calls it
    "gapminder": _Builtin(_gapminder, "gapminder"),
    "tips": _Builtin(_tips, "tips"),
    "diabetes": _Builtin(_diabetes, "reg_diabetes", "regression"),
    "life_expectancy": _Builtin(_life_expectancy, "gapminder", "regression"),
    "tip": _Builtin(_tip, "tips", "regression"),
}


def builtin_names(kind: str | None = None) -> list[str]:
    """Names of the sets that need no file.

    Parameters
    ----------
    kind : {"classification", "regression"}, optional
        Only these. Default: all.

    Examples
    --------
    >>> builtin_names("regression")
    ['diabetes', 'life_expectancy', 'tip']
    """
    check_kind(kind, "built-in sets")
    return sorted(name for name, entry in _BUILTIN.items() if kind in (None, entry.kind))


def read_builtin(name: str, *, family: str = "", kind: str | None = None) -> Dataset:
    """Load a built-in set.

    Raises
    ------
    TaskError
        There is none of this name, or it is of the other kind.

    Examples
    --------
    >>> read_builtin("iris")
    Dataset('iris': 150 rows, 4 columns, 3 classes)
    """
    entry = _BUILTIN.get(name)
    if entry is None:
        raise TaskError(f"no built-in set {name!r}; {nearest(name, builtin_names())}")
    if kind not in (None, entry.kind):
        raise TaskError(
            f"{name}: a {entry.kind}, and kind {kind!r} was asked for; of that kind are "
            f"{', '.join(builtin_names(kind))}"
        )
    X, y = entry.load()
    return make_dataset(name, X, y, family=family or entry.family, kind=entry.kind)
