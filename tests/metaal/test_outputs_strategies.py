"""`metaal.outputs`: every strategy of the zoo runs from the outputs of an estimator."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import metaal
from metaal import InputError
from metaal.model_outputs import outputs
from metaal.model_outputs.entry import MAKERS
from metadata_store import open_store
from strategy_zoo import FIELDS, Strategy, View, catalogue, get, propose
from tests.metaal.estimators import CLASSIFIED, DIABETES, DIGITS, WINE, fields, parted, signs


@dataclass(frozen=True, repr=False)
class Curious(Strategy):
    """Needs one thing and could use many."""

    name: ClassVar[str] = "curious"
    needs: ClassVar[tuple[str, ...]] = ("proba",)
    uses: ClassVar[tuple[str, ...]] = ("embedding", "committee", "previous", "seen_y", "prediction")


def test_a_strategy_gets_what_it_needs_and_of_its_uses_what_can_be_had():
    pool, X, y = parted(WINE)
    model = GaussianNB().fit(X, y)
    assert fields(outputs(model, pool, want=Curious())) == ["proba", "embedding"]
    more = outputs(model, pool, X_seen=X, y_seen=y, want=[Curious(), "seen_proba"])
    assert fields(more) == ["proba", "embedding", "committee", "seen_y", "seen_proba"]
    last = model.predict_proba(pool)
    assert "previous" in outputs(model, pool, want=Curious(), previous=last)
    assert fields(outputs(model, pool, want="narrow(margin, k_center)")) == ["proba", "embedding"]
    with pytest.raises(InputError, match="y_seen"):  # wrong, not missing
        outputs(model, pool, want=Curious(), X_seen=X, y_seen=y + 5)


def test_a_strategy_that_needs_nothing_gets_a_view_all_the_same():
    pool, X, y = parted(WINE)
    assert fields(outputs(GaussianNB().fit(X, y), pool, want="random")) == ["proba"]
    assert fields(outputs(SVC().fit(X, y), pool, want="random")) == ["embedding"]
    assert list(outputs(Ridge().fit(X, y), pool, want="random")) == ["prediction"]
    assert list(outputs(GaussianNB().fit(X, y), pool, want="seen_y", X_seen=X, y_seen=y)) == ["seen_y", "classes"]
    assert list(outputs(GaussianNB().fit(X, y), pool, want="classes")) == ["classes"]
    with pytest.raises(InputError, match="is a regressor"):
        outputs(Ridge().fit(X, y), pool, want="classes")


def test_a_run_can_ask_with_them():
    X, y = load_iris(return_X_y=True)
    y = np.array(["setosa", "versicolor", "virginica"])[y]
    seen = np.arange(0, 150, 15)
    pool = np.setdiff1d(np.arange(150), seen)
    model = GaussianNB().fit(X[seen], y[seen])
    run = metaal.Run("demo", policy="k_center", seed=0, store=open_store("memory:"))
    given = outputs(
        model, X[pool], X_seen=X[seen], y_seen=y[seen], want=CLASSIFIED, previous=model.predict_proba(X[pool])
    )
    query = run.ask(5, ids=pool, **given)
    expected = propose("k_center", View(**given), 5, np.random.default_rng(0))
    assert query.rows.tolist() == expected.rows.tolist()
    run.tell(y[query.ids])


def task_of_kind(task):
    """A model, its pool, and what is labelled, for each task that strategies know."""
    if task == "classification":
        pool, X, y = parted(WINE, labelled=40)
        return make_pipeline(StandardScaler(), GaussianNB(var_smoothing=1e-2)).fit(X, y), pool[:50], X, y
    if task == "regression":
        pool, X, y = parted(DIABETES, labelled=40)
        return RandomForestRegressor(8, random_state=0).fit(X, y), pool[:50], X, y
    pool, X, y = parted(DIGITS, labelled=60)
    model = make_pipeline(StandardScaler(), RandomForestClassifier(8, random_state=0))
    return model.fit(X, signs(y)), pool[:50], X, signs(y)


ONLY_THE_CALLER_HAS = {
    "previous": "what proba was in the last loop for the same rows",
    "votes": "what annotators said so far",
}
"""Fields that no estimator can give: passed on when the caller passes them, asked for by name when not."""

NOT_SERVED: dict[tuple[str, str], str] = {}
"""(strategy, task): why `outputs` can't serve the strategy even with everything passed."""


def test_there_is_a_maker_for_each_field():
    assert tuple(MAKERS) == FIELDS
    pool, X, y = parted(WINE)
    for name in ONLY_THE_CALLER_HAS:
        with pytest.raises(InputError, match=f"pass {name}="):
            outputs(GaussianNB().fit(X, y), pool, X_seen=X, y_seen=y, want=name)


CASES = [(entry["name"], entry["example"], task) for entry in catalogue() for task in entry["task"]]


@pytest.mark.parametrize(("name", "example", "task"), CASES, ids=[f"{name}-{task}" for name, _, task in CASES])
def test_every_strategy_runs_from_outputs_of_an_estimator(name, example, task):
    """Whoever adds a strategy that this can't serve says why in NOT_SERVED, or teaches `outputs` the field."""
    strategy = get(example)
    model, pool, X, y = task_of_kind(task)
    given = {"X_seen": X, "y_seen": y, "want": example, "evaluation": 20}
    own = [field for field in strategy.needs if field in ONLY_THE_CALLER_HAS]
    if own:
        with pytest.raises(InputError, match=f"pass {own[0]}="):
            outputs(model, pool, **given)
        rng = np.random.default_rng(0)
        given["previous"] = rng.dirichlet([1.0] * 3, len(pool))
        given["votes"] = rng.integers(0, 3, (len(pool), 3))
    if (name, task) in NOT_SERVED:
        with pytest.raises((InputError, ValueError)):
            propose(strategy, View(**outputs(model, pool, **given)), 5, np.random.default_rng(0))
        return
    made = outputs(model, pool, **given)
    assert set(strategy.needs) <= set(made)
    assert set(made) <= {*strategy.needs, *strategy.uses, "proba", "prediction", "label_proba", "classes"}
    rows = propose(strategy, View(**made), 5, np.random.default_rng(0)).rows
    assert len(np.unique(rows)) == 5
    again = propose(strategy, View(**outputs(model, pool, **given)), 5, np.random.default_rng(0)).rows
    assert rows.tolist() == again.tolist()


def test_the_table_of_strategies_that_are_not_served_names_only_existing_ones():
    assert NOT_SERVED.keys() <= {(name, task) for name, _, task in CASES}


def test_importing_the_package_stays_light():
    heavy = "{'sklearn', 'lightgbm', 'pandas', 'scipy', 'joblib'}"
    code = f"import sys, metaal.model_outputs; print(sorted({heavy} & {{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"levels": 0.5}, "levels: got 0.5"),
        ({"levels": "abc"}, "levels: got 'abc'"),
        ({"embedding": lambda rows: None, "want": "embedding"}, "with no rows"),
        ({"seen_embedding": lambda rows: rows[:1], "want": "seen_embedding"}, "1 vectors for 20 rows"),
        ({"X_seen": np.zeros((20, 3)), "want": "seen_proba"}, "X_seen: has 3 columns and X has 13"),
    ],
)
def test_arguments_of_a_wrong_shape_are_refused_with_words(change, words):
    pool, X, y = parted(WINE, labelled=20)
    given: dict[str, Any] = {"X_seen": X, "y_seen": y} | change
    with pytest.raises(InputError, match=words):
        outputs(GaussianNB().fit(X, y), pool, **given)
