"""A task: one data set, one learner, one set of seeds — a loop that can be played again."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from metaal.errors import TaskError
from metaal.inputs import check_count
from metaal.randomness import generator
from metaal.rehearsal.data import Dataset, days, load_data
from metaal.rehearsal.learners import make_learner

POOL_LIMIT, GUIDE_LIMIT, TEST_LIMIT = 3000, 1000, 2000
WIDTH_LIMIT, WIDTH = 100, 50
ABSURD = 1e100  # larger numbers are marks of something else, and their squares overflow


@dataclass(frozen=True)
class Seeds:
    """The four seeds of a task, so that each source of chance can be varied alone.

    Parameters
    ----------
    split, initial, learner, strategy : int
        ≥ 0: which rows go where, which labels are known at first, the learner, the run.
    """

    split: int = 0
    initial: int = 0
    learner: int = 0
    strategy: int = 0

    @classmethod
    def of(cls, seed: int) -> Seeds:
        """All four from one number."""
        return cls(seed, seed, seed, seed)


@dataclass(frozen=True, eq=False)
class Parts:
    """A task laid out: encoded features and labels of the pool, the guide and the test split."""

    pool_x: np.ndarray
    pool_y: np.ndarray
    guide_x: np.ndarray
    guide_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    initial: np.ndarray
    classes: int


@dataclass(frozen=True)
class Task:
    """A labelled data set to be asked for labels.

    Parameters
    ----------
    data : str or Dataset
        A built-in name, the path of a CSV, Parquet or ARFF file, or a data set.
    learner : str or estimator
        A name of `LEARNERS`, or an unfitted scikit-learn classifier with ``predict_proba``.
    batch : int
        Rows asked in each loop, ≥ 1.
    budget : int
        Labels to ask for after the initial ones, ≥ 1 (cut where the pool is smaller).
    initial : int
        Labels known at first: one of each class, and the rest at random; 0 means twice the number of classes.
    seeds : Seeds or int
    target : str, optional
        Column with the labels, for files.
    family : str, optional
        Data sets of one origin share it.

    Examples
    --------
    >>> Task("iris", "logistic", batch=5, budget=20, seeds=1).name
    'iris~logistic~b5'
    """

    data: str | Dataset
    learner: Any = "logistic"
    batch: int = 10
    budget: int = 100
    initial: int = 0
    seeds: Seeds = field(default_factory=Seeds)
    target: str | None = None
    family: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.seeds, int):
            object.__setattr__(self, "seeds", Seeds.of(self.seeds))
        for seed in fields(self.seeds):
            value = getattr(self.seeds, seed.name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
                raise TaskError(f"seeds.{seed.name}: got {value!r}, expected a whole number ≥ 0")
        for name in ("batch", "budget"):
            try:
                check_count(getattr(self, name))
            except ValueError as error:
                raise TaskError(str(error).replace("n:", f"{name}:", 1)) from error
        if isinstance(self.learner, str):
            make_learner(self.learner, 0)
        elif not hasattr(self.learner, "predict_proba"):
            raise TaskError(f"learner {self.learner!r}: expected predict_proba; wrap it in CalibratedClassifierCV")

    def with_seed(self, seed: int) -> Task:
        """The same task with all four seeds set to ``seed``."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return Task(**{**values, "seeds": Seeds.of(seed)})

    @property
    def dataset(self) -> Dataset:
        """The data (files are read once and kept for the next use)."""
        return self.data if isinstance(self.data, Dataset) else load_data(self.data, self.target, self.family)

    @property
    def data_name(self) -> str:
        """Short name of the data."""
        if isinstance(self.data, Dataset):
            return self.data.name
        return self.data.replace("\\", "/").rsplit("/", 1)[-1].split(".")[0]

    @property
    def learner_name(self) -> str:
        """Short name of the learner."""
        return self.learner if isinstance(self.learner, str) else type(self.learner).__name__

    @property
    def name(self) -> str:
        """Name without the seeds."""
        return f"{self.data_name}~{self.learner_name}~b{self.batch}"

    @property
    def stream(self) -> str:
        """Name that the run's random numbers derive from: the same for every policy."""
        seeds = self.seeds
        text = f"s{seeds.split}"
        if seeds != Seeds.of(seeds.split):
            text += f".{seeds.initial}.{seeds.learner}.{seeds.strategy}"
        return f"{self.name}~{text}"

    def new_learner(self, loop: int) -> Any:
        """A fresh learner for one loop."""
        seed = int(generator(self.seeds.learner, self.name, loop, "learner").integers(2**31))
        if isinstance(self.learner, str):
            return make_learner(self.learner, seed)
        from sklearn.base import clone

        model = clone(self.learner)
        if "random_state" in model.get_params():
            model.set_params(random_state=seed)
        return model

    def lay_out(self) -> Parts:
        """Split, encode and choose the initial labels.

        The pool keeps half of the rows (at most 3,000), the guide a fifth (1,000), the test split the rest (2,000),
        each with the classes in proportion. Encoding is fitted on the pool's features alone.
        """
        data = self.dataset
        order = _stratified(data.y, generator(self.seeds.split, self.data_name, 0, "split"))
        total = len(order)
        cut = [total // 2, total // 2 + total // 5]
        pool, guide, test = (
            order[: cut[0]][:POOL_LIMIT],
            order[cut[0] : cut[1]][:GUIDE_LIMIT],
            order[cut[1] :][:TEST_LIMIT],
        )
        encode = _encoder(data.X.iloc[pool])
        initial = self._initial(data.y[pool], len(data.classes))
        x = {name: encode(data.X.iloc[rows]) for name, rows in (("pool", pool), ("guide", guide), ("test", test))}
        return Parts(
            x["pool"], data.y[pool], x["guide"], data.y[guide], x["test"], data.y[test], initial, len(data.classes)
        )

    def _initial(self, y: np.ndarray, classes: int) -> np.ndarray:
        """Positions of the initial labels: one of each class that the pool has, then at random."""
        rng = generator(self.seeds.initial, self.data_name, 0, "initial")
        count = min(self.initial or 2 * classes, len(y) - 1)
        order = rng.permutation(len(y))
        first = [int(order[np.flatnonzero(y[order] == c)[0]]) for c in range(classes) if (y == c).any()]
        rest = [int(k) for k in order if k not in set(first)]
        return np.array([*first, *rest][: max(count, len(first))], dtype=np.int64)


def _stratified(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An order of all rows in which every stretch has the classes in proportion, chance deciding within them."""
    order = rng.permutation(len(y))
    place = np.empty(len(y))
    for c in np.unique(y):
        rows = order[y[order] == c]
        place[rows] = (np.arange(len(rows)) + rng.random()) / len(rows)
    return np.argsort(place, kind="stable")


def _encoder(X: Any) -> Any:
    """Fit the encoding on ``X``; the result turns a DataFrame into f8[N,D]."""
    from pandas.api import types
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numeric = [c for c in X if types.is_numeric_dtype(X[c]) and not types.is_bool_dtype(X[c])]
    dates = [c for c in X if X[c].dtype.kind == "M"]
    other = [c for c in X if c not in numeric and c not in dates]

    def frame(values: Any) -> Any:
        out = values.copy()
        for column in dates:
            out[column] = days(out[column])
        for column in numeric:
            out[column] = out[column].astype(np.float64)
            out[column] = out[column].where(out[column].abs() <= ABSURD)
        for column in other:
            out[column] = out[column].astype("object").where(out[column].notna(), "missing").astype(str)
        return out

    steps = ColumnTransformer(
        [
            (
                "numeric",
                make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()),
                [*numeric, *dates],
            ),
            (
                "other",
                OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=20, sparse_output=False),
                other,
            ),
        ]
    )
    encoded = steps.fit_transform(frame(X))
    if encoded.shape[1] <= WIDTH_LIMIT:
        return lambda values: np.ascontiguousarray(steps.transform(frame(values)))
    from sklearn.decomposition import PCA

    # Wide data (pixels, sentence embeddings) would make every distance slow and every learner short of labels.
    shrink = PCA(min(WIDTH, len(X) - 1), random_state=0, whiten=False).fit(encoded)
    scale = float(np.sqrt(shrink.explained_variance_[0])) or 1.0
    return lambda values: np.ascontiguousarray(shrink.transform(steps.transform(frame(values))) / scale)
