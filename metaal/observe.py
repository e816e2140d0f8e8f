"""From one loop's outputs to the named series of `statistics`."""

from __future__ import annotations

import numpy as np

from metaal.sketch import Sketch, distances, entropies, margins, quantile

NEIGHBOURS = 256  # labelled rows whose nearest labelled neighbour is looked up
LEVELS = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
CLIP = 0.02  # log-loss of a label that the model gave less: one surprise must not outweigh a batch


def observe_pool(sketch: Sketch, label_shares: np.ndarray | None) -> dict[str, float]:
    """Statistics of the outputs and of the space, for the pool as it is before asking.

    Parameters
    ----------
    sketch : Sketch
    label_shares : f8[C], optional
        Share of each class among the labelled rows, in the order of proba's columns.
    """
    view = sketch.view
    out: dict[str, float] = {"pool.size": float(view.n)}
    if view.proba is not None:
        out |= _outputs(sketch, label_shares)
    if view.prediction is not None:
        sample = view.prediction[sketch.rows]
        out |= {"pool.prediction.mean": float(sample.mean()), "pool.prediction.std": float(sample.std())}
    if view.committee is not None:
        votes = view.committee[:, sketch.rows].argmax(2)
        counts = np.stack([(votes == c).sum(0) for c in range(view.committee.shape[2])])
        against = 1 - counts.max(0) / len(votes)
        out |= {
            "committee.disagreement.mean": float(against.mean()),
            "committee.disagreement.q95": float(np.quantile(against, 0.95)),
        }
    if view.embedding is not None:
        out |= _space(sketch)
    return out


def _outputs(sketch: Sketch, label_shares: np.ndarray | None) -> dict[str, float]:
    view = sketch.view
    if view.proba is None or sketch.margin is None or sketch.predicted is None:
        return {}
    classes = view.proba.shape[1]
    out = {"task.classes": float(classes)}
    series = ("margin", sketch.margin, sketch.sorted_margin), ("entropy", sketch.entropy, sketch.sorted_entropy)
    for name, values, ordered in series:
        out[f"pool.{name}.mean"], out[f"pool.{name}.std"] = float(values.mean()), float(values.std())
        for word, level in LEVELS.items():
            out[f"pool.{name}.{word}"] = quantile(ordered, level)
    out["pool.confidence.mean"] = float(sketch.confidence.mean())
    ordered = np.sort(sketch.confidence)
    out["pool.confidence.q05"], out["pool.confidence.q50"] = quantile(ordered, 0.05), quantile(ordered, 0.5)
    shares = np.bincount(sketch.predicted, minlength=classes) / len(sketch.predicted)
    out["pool.predicted.entropy"] = float(entropies(shares[None])[0])
    out["pool.predicted.rarest"], out["pool.predicted.commonest"] = float(shares.min()), float(shares.max())
    out["pool.proba.entropy"] = float(entropies(sketch.mean_proba[None])[0])
    if label_shares is not None and len(label_shares) == classes:
        out["labels.classes"] = float((label_shares > 0).sum())
        out["labels.entropy"] = float(entropies(label_shares[None])[0])
        out["labels.rarest"] = float(label_shares.min())
        out["labels.gap"] = float(np.abs(label_shares - shares).sum() / 2)
    return out


def _space(sketch: Sketch) -> dict[str, float]:
    if sketch.view.embedding is None or sketch.neighbour is None:
        return {}
    out = {
        "task.dimension": float(sketch.view.embedding.shape[1]),
        "space.neighbour.mean": float(sketch.neighbour.mean()),
        "space.neighbour.spread": float(sketch.neighbour.std() / max(sketch.neighbour.mean(), 1e-12)),
    }
    centred = sketch.points.astype(np.float64) - sketch.points.mean(0, dtype=np.float64)
    # Participation ratio from the smaller Gram matrix: (Σλ)² / Σλ² = tr(G)² / ||G||².
    gram = centred @ centred.T if len(centred) <= centred.shape[1] else centred.T @ centred
    norm = float((gram**2).sum())
    out["space.dimension"] = float(np.trace(gram) ** 2 / norm) if norm > 0 else 0.0
    if sketch.to_seen is not None:
        out["space.seen.mean"] = float(sketch.to_seen.mean())
        ordered = np.sort(sketch.to_seen)
        out["space.seen.q50"], out["space.seen.q95"] = quantile(ordered, 0.5), quantile(ordered, 0.95)
        out["space.seen.max"] = float(ordered[-1])
        if sketch.view.proba is not None:
            out["space.margin.rank"] = _rank_correlation(margins(sketch.view.proba[sketch.reference]), sketch.to_seen)
            if sketch.nearest_label is not None:
                predicted = sketch.view.proba[sketch.reference].argmax(1)
                out["space.neighbour.agreement"] = float((predicted == sketch.nearest_label).mean())
    out |= _neighbours(sketch)
    return out


def _neighbours(sketch: Sketch) -> dict[str, float]:
    """Whether labels that lie near each other agree: low where the oracle errs, or the embedding says little."""
    if sketch.seen is None or sketch.seen_label is None or len(sketch.seen) < 2:
        return {}
    some = slice(0, NEIGHBOURS)
    between = distances(sketch.seen[some], sketch.seen)
    np.fill_diagonal(between, np.inf)
    return {"labels.neighbour": float((sketch.seen_label[between.argmin(1)] == sketch.seen_label[some]).mean())}


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    # Equal values share the mean of their ranks: ties are the rule with forests and neighbours.
    ranks = [(ordered := np.sort(x)).searchsorted(x, "left") + ordered.searchsorted(x, "right") for x in (a, b)]
    spread = ranks[0].std() * ranks[1].std()
    if spread == 0:
        return 0.0
    return float(np.clip(((ranks[0] - ranks[0].mean()) * (ranks[1] - ranks[1].mean())).mean() / spread, -1, 1))


def observe_churn(before: np.ndarray, now: np.ndarray) -> dict[str, float]:
    """Change of the reference rows' probabilities since the last loop; empty if the classes changed.

    Parameters
    ----------
    before, now : f8[R,C]
        The same rows in both loops.
    """
    if before.shape != now.shape or not len(now):
        return {}
    old, new = before.argmax(1), now.argmax(1)
    agree = float((old == new).mean())
    classes = now.shape[1]
    chance = float((np.bincount(old, minlength=classes) * np.bincount(new, minlength=classes)).sum()) / len(now) ** 2
    return {
        "churn.label": 1 - agree,
        "churn.proba": float(np.clip(np.abs(now - before).sum(1).mean() / 2, 0.0, 1.0)),
        "churn.margin": float((margins(now) - margins(before)).mean()),
        # Both models predict one and the same class everywhere: perfect agreement, where kappa is 0/0.
        "churn.kappa": (agree - chance) / (1 - chance) if chance < 1 else 1.0,
    }


def observe_query(sketch: Sketch, rows: np.ndarray) -> dict[str, float]:
    """Statistics of the rows that are asked."""
    view = sketch.view
    out = {"query.count": float(len(rows))}
    if view.proba is not None:
        chosen = view.proba[rows]
        out["query.margin.mean"] = float(margins(chosen).mean())
        out["query.entropy.mean"] = float(entropies(chosen).mean())
    if view.embedding is not None:
        points = view.embedding[rows[:512]]
        if sketch.seen is not None:
            out["query.seen.mean"] = float(distances(points, sketch.seen).min(1).mean() / sketch.scale)
        out["query.diversity"] = diversity(points, sketch.scale)
        if sketch.to_seen is not None:
            out["query.coverage"] = _coverage(sketch, points)
    return out


def diversity(points: np.ndarray, scale: float) -> float:
    """Mean distance of a row to the nearest other one, in units of ``scale``; 0 for a single row."""
    if len(points) < 2:
        return 0.0
    between = distances(points, points)
    np.fill_diagonal(between, np.inf)
    return float(between.min(1).mean() / scale)


def _coverage(sketch: Sketch, points: np.ndarray) -> float:
    if sketch.to_seen is None:
        return float("nan")
    return covered(sketch.to_seen, distances(sketch.points, points).min(1) / sketch.scale)


def covered(before: np.ndarray, now: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Share in [0, 1] of some rows' (weighted) distances f8[R] ``before`` that ``now`` takes away."""
    weight = np.ones(len(before)) if weight is None else weight
    whole = float((weight * before).sum())
    gain = np.maximum(before - now, 0.0)
    return float(np.clip((weight * gain).sum() / whole, 0.0, 1.0)) if whole > 0 else 0.0


def observe_labels(proba: np.ndarray, columns: np.ndarray) -> dict[str, float]:
    """What the labels say about the model that was shown: the only free error signal, biased by the selection.

    Parameters
    ----------
    proba : f8[n,C]
        Probabilities of the labelled rows before the update.
    columns : i8[n]
        Column of each row's label; −1 = a class that the model does not know, so it gave it nothing.
    """
    own = np.where(columns < 0, 0.0, proba[np.arange(len(columns)), columns])
    accuracy, confidence = float((proba.argmax(1) == columns).mean()), float(proba.max(1).mean())
    return {
        "surprise.accuracy.batch": accuracy,
        "surprise.confidence.batch": min(confidence, 1.0),
        "surprise.gap.batch": accuracy - min(confidence, 1.0),
        "surprise.log_loss.batch": float(-np.log(np.clip(own, CLIP, 1.0)).mean()),
        "surprise.brier.batch": float(((proba**2).sum(1) - 2 * own + 1).mean()),
    }
