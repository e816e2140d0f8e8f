"""A task: one data set, one learner, one regime, one set of seeds — a loop that can be played again."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.errors import TaskError
from metaal.inputs import check_count
from metaal.randomness import generator
from metaal.rehearsal.dataset import Dataset
from metaal.rehearsal.layout import Kind, Layout, Schedule, Start
from metaal.rehearsal.learners import LEARNERS, Fitted, find_learner, fit_learner
from metaal.rehearsal.regimes import CLEAN, Regime, read_regime
from metaal.rehearsal.sources import data_name, load_data
from metaal.rehearsal.splitting import split_and_encoded

if TYPE_CHECKING:
    import pandas

    from metaal.rehearsal.regimes import Change


@dataclass(frozen=True)
class Seeds:
    """The four seeds of a task, so that each source of chance can be varied alone.

    Parameters
    ----------
    split, initial, learner, strategy : int
        ≥ 0: which rows go where (and what a regime makes of the pool and the oracle), which labels are known at first,
        the learner, the run.
    """

    split: int = 0
    initial: int = 0
    learner: int = 0
    strategy: int = 0

    @classmethod
    def of(cls, seed: int) -> Seeds:
        """All four from one number."""
        return cls(seed, seed, seed, seed)


@dataclass(frozen=True)
class Task:
    """A labelled data set to be asked for labels.

    Parameters
    ----------
    data : str, Dataset or DataFrame
        What `metaal.rehearsal.load_data` takes: a built-in name, a path, ``openml:ID``, ``FOLDER/manifest.csv#NAME``.
    learner : str or estimator
        A name of `LEARNERS` for the data's kind, or an unfitted estimator of scikit-learn's manner: a classifier with
        ``predict_proba``, or a regressor.
    batch : int
        Rows asked in each loop, ≥ 1; the regime's ``batch`` may change it.
    budget : int
        Labels to ask for after the initial ones, ≥ 1 (cut where the pool is smaller).
    initial : int
        Labels known at first: one of each class, and the rest at random; 0 means twice the number of classes, and 10 in
        a regression.
    seeds : Seeds or int
    target : str, optional
        Column with the labels, for files.
    family : str, optional
        Data sets of one origin share it.
    regime : Regime or str
        What makes the loop harder, such as ``"imbalance(ratio=0.01)+noise(rate=0.3)"``.

    Examples
    --------
    >>> Task("iris", "logistic", batch=5, budget=20, seeds=1).name
    'iris~logistic~b5'
    >>> Task("iris", batch=4, regime="noise(rate=0.3)").name
    'iris~logistic~b4~noise(rate=0.3)'
    """

    data: str | Dataset
    learner: Any = "logistic"
    batch: int = 10
    budget: int = 100
    initial: int = 0
    seeds: Seeds = field(default_factory=Seeds)
    target: str | None = None
    family: str = ""
    regime: Regime = CLEAN

    if TYPE_CHECKING:  # what may be passed is wider than what is kept

        def __init__(
            self,
            data: str | Dataset | pandas.DataFrame,
            learner: Any = "logistic",
            batch: int = 10,
            budget: int = 100,
            initial: int = 0,
            seeds: Seeds | int = 0,
            target: str | None = None,
            family: str = "",
            regime: Regime | Change | str = CLEAN,
        ) -> None: ...

    def __post_init__(self) -> None:
        if not isinstance(self.data, str | Dataset):
            object.__setattr__(self, "data", load_data(self.data, self.target, self.family))
        if isinstance(self.seeds, int):
            object.__setattr__(self, "seeds", Seeds.of(self.seeds))
        object.__setattr__(self, "regime", read_regime(self.regime))
        for seed in fields(self.seeds):
            value = getattr(self.seeds, seed.name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
                raise TaskError(f"seeds.{seed.name}: got {value!r}, expected a whole number ≥ 0")
        for name in ("batch", "budget"):
            try:
                check_count(getattr(self, name))
            except ValueError as error:
                raise TaskError(str(error).replace("n:", f"{name}:", 1)) from error
        if isinstance(self.initial, bool) or not isinstance(self.initial, int | np.integer) or self.initial < 0:
            raise TaskError(f"initial: got {self.initial!r}, expected a whole number ≥ 0 (0 = twice the classes)")
        _check_learner(self.learner)

    def with_seed(self, seed: int) -> Task:
        """The same task with all four seeds set to ``seed``."""
        return replace(self, seeds=Seeds.of(seed))

    @property
    def dataset(self) -> Dataset:
        """The data (files are read once and kept for the next use)."""
        return self.data if isinstance(self.data, Dataset) else load_data(self.data, self.target, self.family)

    @property
    def kind(self) -> Kind:
        """``"classification"`` or ``"regression"``, as the data are."""
        return "regression" if self.dataset.kind == "regression" else "classification"

    @property
    def data_name(self) -> str:
        """Short name of the data."""
        return data_name(self.data)

    @property
    def learner_name(self) -> str:
        """Short name of the learner."""
        return self.learner if isinstance(self.learner, str) else type(self.learner).__name__

    @property
    def name(self) -> str:
        """Name without the seeds: data, learner, batch, and the regime unless it is clean."""
        return task_name(self.data_name, self.learner_name, self.batch, str(self.regime))

    @property
    def stream(self) -> str:
        """Name that the run's random numbers derive from: the same for every policy."""
        seeds = self.seeds
        text = f"s{seeds.split}"
        if seeds != Seeds.of(seeds.split):
            text += f".{seeds.initial}.{seeds.learner}.{seeds.strategy}"
        return f"{self.name}~{text}"

    def new_learner(self, labels: int) -> Any:
        """A fresh learner for a fit on so many ``labels``."""
        seed = int(generator(self.seeds.learner, self.name, labels, "learner").integers(2**31))
        if isinstance(self.learner, str):
            return find_learner(self.learner).make(seed)
        from sklearn.base import clone

        model = clone(self.learner)
        # Also of the parts of a pipeline or an ensemble: a run must repeat.
        states = [key for key in model.get_params() if key.split("__")[-1] == "random_state"]
        return model.set_params(**dict.fromkeys(states, seed)) if states else model

    @property
    def warms(self) -> bool:
        """Whether the learner can go on from its last fit."""
        return isinstance(self.learner, str) and find_learner(self.learner).warm is not None

    def fit(self, x: np.ndarray, y: np.ndarray, layout: Layout, last: Fitted | None = None) -> Fitted:
        """Fit a fresh learner to labelled rows.

        Parameters
        ----------
        x : f8[L,D]
        y : i8[L] codes or f8[L]
            As the oracle told them.
        layout : Layout
            Of this task.
        last : Fitted, optional
            Go on from this model instead (a warm start), where the learner can.

        Returns
        -------
        Fitted
            Answers for every class of the task, also where the rows are of one class.
        """
        entry = find_learner(self.learner) if isinstance(self.learner, str) else None
        model = self.new_learner(len(y))
        return fit_learner(model, x, y, kind=layout.kind, classes=layout.classes, entry=entry, last=last)

    def lay_out(self) -> Layout:
        """Split, encode, make the regime's changes, and choose the initial labels.

        The pool keeps half of the rows (at most 3,000), the guide a fifth (1,000), the test split the rest (2,000),
        each with the classes (in a regression the deciles of the target) in proportion. Encoding is fitted on the
        features of the pool alone, before the regime changes it.

        Raises
        ------
        TaskError
            The learner or the regime is for another kind of data.
        """
        data = self.dataset
        _check_kind(self.learner, self.learner_name, self.kind, self.data_name)
        base = split_and_encoded(data, self.data_name, self.seeds.split)
        start = Start(int(self.initial))
        layout = replace(base, test_y=base.test_y.copy(), schedule=Schedule(int(self.batch)), start=start)
        with layout.test_y.forbidden():
            layout = self.regime.apply(layout, seeds=vars(self.seeds), name=self.data_name)
            return layout.begun(generator(self.seeds.initial, self.data_name, 0, "initial"))


def task_name(data: str, learner: str, batch: int, regime: str) -> str:
    """Name of a task without its seeds."""
    return f"{data}~{learner}~b{batch}" + (f"~{regime}" if regime != "clean" else "")


def _check_learner(learner: Any) -> None:
    """Refuse what can be neither a classifier with probabilities nor a regressor."""
    if isinstance(learner, str):
        find_learner(learner)
        return
    if isinstance(learner, type) or not hasattr(learner, "fit") or not hasattr(learner, "get_params"):
        raise TaskError(
            f"learner {learner!r}: expected one of {', '.join(LEARNERS)}, or an unfitted estimator with fit and "
            "get_params, such as LogisticRegression()"
        )
    if not hasattr(learner, "predict_proba") and not _regresses(learner):
        raise TaskError(
            f"learner {learner!r}: expected predict_proba; wrap it in CalibratedClassifierCV (of sklearn.calibration)"
        )


def _regresses(learner: Any) -> bool:
    from sklearn.base import is_regressor

    try:
        return bool(is_regressor(learner))
    except (AttributeError, TypeError):  # no tags: not scikit-learn's
        return hasattr(learner, "predict") and not hasattr(learner, "predict_proba")


def _check_kind(learner: Any, name: str, kind: Kind, data: str) -> None:
    if isinstance(learner, str):
        other = find_learner(learner).kind
    else:
        other = "regression" if _regresses(learner) else "classification"
    if other != kind:
        fitting = ", ".join(key for key, entry in LEARNERS.items() if entry.kind == kind)
        hint = "" if kind == "regression" else "; or load the data with kind='regression'"
        raise TaskError(f"learner {name} is for {other}, and {data} is a {kind}; pass one of {fitting}{hint}")
