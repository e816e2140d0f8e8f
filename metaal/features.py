"""What the learned policy reads: features of the history, and features of each candidate's own proposal.

Proposal features say what a batch is, not which strategy made it: in the prototype of science.md they doubled the
gain over state features alone. None of them depends on measured seconds, so that a decision repeats bit by bit.
"""

from __future__ import annotations

import numpy as np

from metaal.actions import Action
from metaal.history import History
from metaal.observe import covered, diversity
from metaal.sketch import Sketch, distances, entropies, margins

PROPOSAL = (
    "margin",
    "entropy",
    "margin.rank",
    "entropy.rank",
    "margin.spread",
    "density",
    "seen",
    "seen.least",
    "coverage",
    "coverage.uncertain",
    "diversity",
    "mix.entropy",
    "mix.classes",
    "rarity",
    "mix.gap",
    "density.most",
    "disagreement",
    "captured",
    "captured.margin",
    "captured.flip",
    "captured.conflict",
    "captured.spread",
    "enemy",
    "leverage",
    "variance",
    "balance.gain",
    "overlap.default",
)
"""Names of the features of one proposal; see `proposal_features`."""

STATE_LEVELS = (
    "task.classes",
    "task.dimension",
    "pool.size",
    "labels.count",
    "labels.share",
    "labels.entropy",
    "labels.rarest",
    "labels.gap",
    "loop.batch",
    "loop.since.first",
    "pool.margin.mean",
    "pool.margin.q05",
    "pool.margin.q50",
    "pool.margin.q95",
    "pool.entropy.mean",
    "pool.entropy.q50",
    "pool.entropy.q95",
    "pool.confidence.mean",
    "pool.confidence.q05",
    "pool.predicted.entropy",
    "pool.predicted.rarest",
    "pool.proba.entropy",
    "churn.label",
    "churn.proba",
    "churn.kappa",
    "space.seen.mean",
    "space.seen.q95",
    "space.neighbour.mean",
    "space.neighbour.spread",
    "space.dimension",
    "space.margin.rank",
    "space.neighbour.agreement",
    "labels.neighbour",
)
"""Series whose value in the current loop is a feature."""

STATE_PAST = (
    "surprise.accuracy.batch",
    "surprise.gap.batch",
    "surprise.log_loss.batch",
    "query.margin.mean",
    "query.overlap.default",
    "action.multiplier",
)
"""Series that are known only after a loop: the last value and the mean of the last five are features."""

STATE_TRENDS = (
    "pool.margin.mean",
    "pool.entropy.mean",
    "pool.confidence.mean",
    "churn.label",
    "space.seen.mean",
    "space.neighbour.agreement",
    "labels.neighbour",
)
"""Series whose course is described by `TREND`."""

TREND = ("diff", "slope5", "residual5", "macd", "jump", "since.best", "power", "power.residual")
"""Last difference · slope of the last five values and the spread around it · fast less slow moving average · last
difference in deviations of those before · loops since the largest value · exponent of a power law over the labels, and
how far the last value lies from it (both of the logarithms)."""

MOST = 512
"""Rows of a batch whose distances are computed."""
_LOGGED = {"pool.size", "labels.count", "task.dimension", "loop.batch", "task.classes"}  # span decades: take the log


def state_names() -> tuple[str, ...]:
    """Names of the state features, in order."""
    names = list(STATE_LEVELS)
    names += [f"{name}.{stat}" for name in STATE_PAST for stat in ("last", "mean5")]
    names += [f"{name}.{stat}" for name in STATE_TRENDS for stat in TREND]
    names += ["labels.per.class", "labels.per.dimension", "loop.since.full"]
    return tuple(names)


def state_features(history: History) -> np.ndarray:
    """Features f8[S] of the history up to the current loop; NaN where a series is missing.

    Parameters
    ----------
    history : History
        Its last row is the loop that is being decided.
    """
    out: list[float] = []
    for name in STATE_LEVELS:
        value = history.last(name)
        out.append(float(np.log(max(value, 1e-9))) if name in _LOGGED else value)
    for name in STATE_PAST:
        past = history.get(name)[:-1]
        past = past[np.isfinite(past)]
        out += [float(past[-1]), float(past[-5:].mean())] if len(past) else [np.nan, np.nan]
    labels = history.get("labels.count")
    for name in STATE_TRENDS:
        out += _trend(history.get(name), labels)
    count = history.last("labels.count")
    out.append(count / max(history.last("task.classes"), 1.0))
    out.append(count / max(history.last("task.dimension"), 1.0))
    full = [k for k, action in enumerate(history.actions) if not action.endswith((", skip", ", warm"))]
    out.append(float(len(history.actions) - 1 - full[-1]) if full else np.nan)
    return np.array(out)


def _trend(values: np.ndarray, labels: np.ndarray) -> list[float]:
    """The statistics of `TREND`."""
    known = np.isfinite(values)
    values, labels = values[known], labels[known]
    if len(values) < 2:
        return [np.nan] * len(TREND)
    recent = values[-5:]
    time = np.arange(len(recent)) - (len(recent) - 1) / 2
    slope = float((time * recent).sum() / (time**2).sum())
    residual = float((recent - recent.mean() - slope * time).std())
    steps = np.diff(values)
    spread = float(steps[:-1].std()) if len(steps) > 3 else np.nan
    jump = float((steps[-1] - steps[:-1].mean()) / spread) if spread > 0 else np.nan
    since = float(len(values) - 1 - values.argmax())
    power, off = _power(values, labels)
    macd = _ewma(values, 0.5) - _ewma(values, 0.15)
    return [float(steps[-1]), slope, residual, macd, float(np.clip(jump, -10, 10)), since, power, off]


def _power(values: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Exponent of values ~ labels ** exponent by least squares of the logarithms, and the last one's distance."""
    if len(values) < 4 or (values <= 0).any() or not np.isfinite(labels).all() or (labels <= 0).any():
        return np.nan, np.nan
    x, y = np.log(labels), np.log(values)
    x, level = x - x.mean(), y.mean()
    spread = float((x**2).sum())
    if spread <= 0:
        return np.nan, np.nan
    slope = float((x * y).sum() / spread)
    return slope, float(y[-1] - level - slope * x[-1])


def _ewma(values: np.ndarray, weight: float) -> float:
    level = float(values[0])
    for value in values[1:]:
        level += weight * (float(value) - level)
    return level


def proposal_features(
    sketch: Sketch, rows: np.ndarray, *, default_rows: np.ndarray | None, label_shares: np.ndarray | None
) -> np.ndarray:
    """Features f8[P] of the batch ``rows``, in the order of `PROPOSAL`; NaN where the outputs do not allow one.

    ``margin``, ``entropy``: means over the batch · ``*.rank``: mean rank in the pool, in [0, 1] · ``density``: mean
    distance to the 10 nearest reference rows · ``seen``: mean and least distance to the labelled rows · ``coverage``:
    share of the reference rows' distance to the labelled rows that the batch removes, plain and weighted by 1 − margin
    · ``diversity``: mean distance to the nearest other row of the batch · ``mix.*``: entropy and share of the
    predicted classes · ``rarity``: mean −log share of the predicted class among the labels · ``mix.gap``: total
    variation between the batch's predicted classes and the pool's · ``density.most``: the loneliest row's ``density`` ·
    ``disagreement``: share of the rows whose predicted class is not the nearest label · ``captured``: share of the
    reference rows that are nearer to the batch than to any label, and of these ``.margin``: mean 1 − margin, ``.flip``:
    share whose nearest label is not what the model predicts of the batch row that captures them, ``.conflict``: share
    that the model predicts otherwise than that row, ``.spread``: entropy of how they fall to the rows, over its
    largest value · ``enemy``: mean distance to the nearest label over that to the nearest one of another class, from 0
    to 1 · ``leverage``: logarithm of the rows' mean statistical leverage over that of the reference rows, in a ridge
    regression on the labelled rows, and ``variance``: share of the reference rows' mean leverage that the batch removes
    (Cook 1977, Detection of Influential Observation in Linear Regression; the I-optimality of experimental design) ·
    ``balance.gain``: entropy of the class counts that the predictions promise after the batch, less that of now ·
    ``overlap.default``: share of the batch that the default strategy would ask too.
    """
    out = dict.fromkeys(PROPOSAL, np.nan)
    view = sketch.view
    if view.proba is not None and len(rows):
        chosen = view.proba[rows]
        margin, entropy, predicted = margins(chosen), entropies(chosen), chosen.argmax(1)
        classes = chosen.shape[1]
        shares = np.bincount(predicted, minlength=classes) / len(rows)
        out["margin"], out["entropy"] = float(margin.mean()), float(entropy.mean())
        out["margin.spread"] = float(margin.std())
        out["margin.rank"] = sketch.rank(margin, sketch.sorted_margin)
        out["entropy.rank"] = sketch.rank(entropy, sketch.sorted_entropy)
        out["mix.entropy"] = float(entropies(shares[None])[0])
        out["mix.classes"] = float((shares > 0).sum() / min(classes, len(rows)))
        known = label_shares if label_shares is not None and len(label_shares) == classes else sketch.mean_proba
        smoothed = (known + 1 / (10 * classes)) / (known.sum() + 0.1)
        out["rarity"] = float(-np.log(smoothed[predicted] * classes).mean())
        if sketch.predicted is not None:
            usual = np.bincount(sketch.predicted, minlength=classes) / len(sketch.predicted)
            out["mix.gap"] = float(np.abs(shares - usual).sum() / 2)
        if label_shares is not None and len(label_shares) == classes and sketch.labelled:
            counts = label_shares * sketch.labelled
            both = np.stack([counts, counts + chosen.sum(0)])
            before, after = entropies(both / both.sum(1, keepdims=True))
            out["balance.gain"] = float(after - before)
    if view.embedding is not None and len(rows):
        out |= _in_space(sketch, rows[:MOST])
    if default_rows is not None and len(rows):
        out["overlap.default"] = float(np.isin(rows, default_rows).mean())
    return np.array([out[name] for name in PROPOSAL])


def _in_space(sketch: Sketch, rows: np.ndarray) -> dict[str, float]:
    """Those features of a batch that are distances."""
    view, out = sketch.view, dict[str, float]()
    if view.embedding is None:
        return out
    points = view.embedding[rows]
    between = distances(points, sketch.points) / sketch.scale
    lonely = np.partition(between, min(9, between.shape[1] - 1), axis=1)[:, :10].mean(1)
    out["density"], out["density.most"] = float(lonely.mean()), float(lonely.max())
    out["diversity"] = diversity(points, sketch.scale)
    predicted = None if view.proba is None else view.proba[rows].argmax(1)
    if sketch.seen is None or sketch.to_seen is None:
        return out
    apart = distances(points, sketch.seen) / sketch.scale
    nearest = apart.argmin(1)
    seen = apart[np.arange(len(apart)), nearest]
    out["seen"], out["seen.least"] = float(seen.mean()), float(seen.min())
    near, by = between.min(0), between.argmin(0)
    doubt = None if view.proba is None else 1 - margins(view.proba[sketch.reference])
    out["coverage"] = covered(sketch.to_seen, near)
    caught = near < sketch.to_seen
    out["captured"] = float(caught.mean())
    if doubt is not None:
        out["coverage.uncertain"] = covered(sketch.to_seen, near, doubt)
    if caught.any():
        count = np.bincount(by[caught], minlength=len(rows)) / caught.sum()
        out["captured.spread"] = float(entropies(count[None])[0]) if len(rows) > 1 else 1.0
        if doubt is not None and predicted is not None and view.proba is not None:
            out["captured.margin"] = float(doubt[caught].mean())
            usual = view.proba[sketch.reference].argmax(1)
            out["captured.conflict"] = float((usual[caught] != predicted[by[caught]]).mean())
            if sketch.nearest_label is not None:
                out["captured.flip"] = float((sketch.nearest_label[caught] != predicted[by[caught]]).mean())
    if sketch.seen_label is not None:
        own = sketch.seen_label[nearest]
        other = np.where(sketch.seen_label[None] == own[:, None], np.inf, apart).min(1)
        ratio = np.divide(seen, other, out=np.ones(len(seen)), where=other > 0)
        out["enemy"] = float(np.where(np.isfinite(other), ratio, 0.0).mean())
        if predicted is not None:
            out["disagreement"] = float((predicted != own).mean())
    return out | sketch.influence(points)


def action_names() -> tuple[str, ...]:
    """Names of all the features of one action, in the order that the model reads them."""
    differences = tuple(f"diff.{name}" for name in PROPOSAL if name != "overlap.default")
    own = (*(f"state.{n}" for n in state_names()), *(f"proposal.{n}" for n in PROPOSAL))
    return (*own, *differences, "multiplier", "share", "warm", "skip")


_COMPARED = [k for k, name in enumerate(PROPOSAL) if name != "overlap.default"]


def action_features(state: np.ndarray, proposal: np.ndarray, default: np.ndarray, action: Action) -> np.ndarray:
    """Features of one action: state, its proposal, its proposal less the default's, how it is carried out."""
    how = [np.log2(action.multiplier), np.log2(action.share), action.refit == "warm", action.refit == "skip"]
    return np.concatenate([state, proposal, (proposal - default)[_COMPARED], how])
