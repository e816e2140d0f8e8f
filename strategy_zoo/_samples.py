"""Views that the contract's checks run on: an ordinary one, and those at the edge of what a loop can show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from strategy_zoo._arrays import AXES
from strategy_zoo.view import View

CALLABLES = ("lookahead", "predict")
_SIMPLEX = ("proba", "previous", "committee", "stochastic", "seen_proba")


def arrays(n: int = 60, *, classes: int = 4, columns: int = 5, labelled: int = 7, seed: int = 0) -> dict[str, Any]:
    """Arrays for every field of a view, all values distinct (so that no two rows tie)."""
    rng = np.random.default_rng(seed)

    def proba(*shape: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        raw = rng.random((*shape, classes)) ** 3 + 1e-6
        return raw / raw.sum(axis=-1, keepdims=True)

    given: dict[str, Any] = {
        "proba": proba(n),
        "prediction": rng.random(n),
        "embedding": (rng.random((n, columns)) * 10).astype(np.float32),
        "committee": proba(3, n),
        "previous": proba(n),
        "gradient": rng.random((n, columns * 2)).astype(np.float32),
        "seen_embedding": (rng.random((labelled, columns)) * 10).astype(np.float32),
        "seen_y": rng.integers(0, classes, labelled),
        "quantiles": np.sort(rng.random((n, 3)), axis=1),
        "committee_prediction": rng.random((3, n)),
        "stochastic": proba(4, n),
        "label_proba": rng.random((n, 3)),
        "votes": rng.integers(0, 4, (n, classes)).astype(np.float64) * (rng.random((n, 1)) < 0.7),
        "seen_proba": proba(labelled),
        "seen_labels": rng.integers(0, 2, (labelled, 3)).astype(np.float64),
    }
    return given | {
        "lookahead": _lookahead(given["embedding"].astype(np.float64), classes, rng),
        "predict": _predict(columns, classes, rng),
    }


def _softmax(score: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    out: np.ndarray[Any, np.dtype[np.float64]] = np.exp(score - score.max(axis=-1, keepdims=True))
    return out / out.sum(axis=-1, keepdims=True)


def _lookahead(points: Any, classes: int, rng: np.random.Generator) -> Any:
    """A label pulls the evaluation rows near to it towards its class."""
    sample, base = rng.random((9, points.shape[1])) * 10, rng.random((9, classes))

    def lookahead(rows: Any) -> Any:
        near = np.exp(-np.square(points[np.asarray(rows), None] - sample).mean(axis=-1) / 10)  # [k, E]
        return _softmax(base + 2 * near[:, None, :, None] * np.eye(classes)[None, :, None, :])

    return lookahead


def _predict(columns: int, classes: int, rng: np.random.Generator) -> Any:
    weight = rng.random((columns, classes)) - 0.5

    def predict(points: Any) -> Any:
        return _softmax((np.asarray(points, np.float64) - 5) @ weight)

    return predict


def permuted_classes(given: dict[str, Any], order: Any) -> dict[str, Any]:
    """The same arrays with the classes, and the labels of a multi-label task, in another order."""
    moved = given | {name: given[name][..., order] for name in (*_SIMPLEX, "votes")}
    moved |= {name: given[name][:, ::-1] for name in ("label_proba", "seen_labels")}
    moved["seen_y"] = np.argsort(order)[given["seen_y"]]
    moved["lookahead"] = lambda rows: given["lookahead"](rows)[:, order][..., order]
    moved["predict"] = lambda points: given["predict"](points)[:, order]
    return moved


def degenerate() -> Iterator[tuple[str, View]]:
    """Views at the edge of what a loop can show."""
    one = arrays(1)
    yield "one row", View(**one)
    base = arrays(12)
    equal = {name: _repeat(name, base[name]) for name in base}
    yield "all rows equal", View(**equal)
    yield (
        "all rows equal and equal to the labelled ones",
        View(**equal | {"seen_embedding": np.repeat(equal["embedding"][:1], 7, axis=0)}),
    )
    hot = np.eye(4)[np.arange(12) % 4]
    yield (
        "one-hot probabilities",
        View(**base | {"proba": hot, "previous": hot, "committee": np.stack([hot] * 3), "stochastic": [hot] * 2}),
    )
    much = {name: base[name] * 1.0009 for name in ("proba", "previous", "committee", "stochastic", "seen_proba")}
    yield "rows that sum to a little over 1", View(**base | much)
    sure = hot * 1.0009
    yield "sure rows that sum to a little over 1", View(**base | {"proba": sure, "committee": np.stack([sure] * 3)})
    yield "every row twice", View(**arrays(6)).take(np.repeat(np.arange(6), 2))
    yield "two classes", View(**arrays(12, classes=2))
    yield "one class", View(**arrays(12, classes=1))
    yield "one column", View(**arrays(12, columns=1))
    yield "one member", View(**base | {k: base[k][:1] for k in ("committee", "committee_prediction", "stochastic")})
    yield "labels without doubt", View(**base | {"label_proba": (base["label_proba"] > 0.5).astype(float)})
    yield "no votes", View(**base | {"votes": base["votes"] * 0})
    yield "nothing labelled", View(**arrays(12, labelled=0))
    yield "one labelled row", View(**arrays(12, labelled=1))
    yield "seen fields missing", View(**{k: v for k, v in base.items() if not k.startswith("seen")})
    yield "labels are words", View(**base | {"seen_y": np.array(list("abcabca"))})
    words = {"classes": np.array(list("abcd"))}
    yield "labels of no class", View(**base | words | {"seen_y": np.array(list("abz?bzz"))})
    yield "no label of a class", View(**base | words | {"seen_y": np.array(["z"] * 7)})
    yield "all zero embeddings", View(**base | {k: base[k] * 0 for k in ("embedding", "gradient", "seen_embedding")})
    for scale in (1e-30, 1e30):
        scaled = {k: base[k] * np.float32(scale) for k in ("embedding", "gradient", "seen_embedding")}
        yield f"embeddings of size {scale:g}", View(**base | scaled)


def _repeat(name: str, value: Any) -> Any:
    if "U" not in AXES.get(name, ()):
        return value
    axis = AXES[name].index("U")
    return np.repeat(np.take(value, [0], axis=axis), value.shape[axis], axis=axis)
