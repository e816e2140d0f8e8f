"""The dictionary of logged series: name, unit, range, meaning and cost.

Every number that a run logs by itself stands here, once; what a user adds goes under ``user.*``. U = rows in the
pool, L = labelled rows, C = classes, n = rows asked, R ≤ 256 reference rows, K ≤ 2,048 sampled rows, D = columns of
the embedding. Distances are in units of the median distance between two reference rows, so that no scaling of the
embedding changes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from metaal.errors import InputError
from metadata_store.errors import nearest


@dataclass(frozen=True)
class Statistic:
    """One named series.

    Parameters
    ----------
    name : str
        ``group.name.stat``.
    unit : str
        What one unit of it is ("1" for a plain ratio).
    low, high : float or None
        The range that it cannot leave; None where there is no bound.
    meaning : str
    cost : str
        Growth of the work to compute it.
    """

    name: str
    unit: str
    low: float | None
    high: float | None
    meaning: str
    cost: str

    @property
    def range(self) -> str:
        """The range in words: "0 to 1", "0 or more", "any" number; nothing for what is no number.

        Examples
        --------
        >>> STATISTICS["pool.size"].range, STATISTICS["churn.kappa"].range
        ('1 or more', '-1 to 1')
        """
        if self.unit in _NO_NUMBERS:
            return ""
        if self.low is None:
            return "any" if self.high is None else f"{self.high:g} or less"
        return f"{self.low:g} or more" if self.high is None else f"{self.low:g} to {self.high:g}"


_NO_NUMBERS = ("text", "truth")

_QUANTILES = (
    ("q05", "5 % quantile"),
    ("q25", "lower quartile"),
    ("q50", "median"),
    ("q75", "upper quartile"),
    ("q95", "95 % quantile"),
)

_ROWS: list[tuple[str, str, float | None, float | None, str, str]] = [
    ("task.classes", "classes", 1, None, "columns of proba", "1"),
    ("task.dimension", "columns", 1, None, "columns of the embedding", "1"),
    ("pool.size", "rows", 1, None, "rows that could be asked in this loop", "1"),
    (
        "labels.count",
        "labels",
        0,
        None,
        "labelled rows behind the outputs: seen_y, else seen_embedding, else labels told",
        "1",
    ),
    ("labels.told", "labels", 0, None, "labels told to this run so far, less the withdrawn ones", "1"),
    ("labels.share", "1", 0, 1, "labels.count over labels.count + pool.size", "1"),
    ("labels.classes", "classes", 0, None, "different labels among the labelled rows", "L"),
    ("labels.entropy", "1", 0, 1, "entropy of the labels over log C", "L"),
    ("labels.rarest", "1", 0, 1, "share of the rarest class among the labelled rows (0 = a class unseen)", "L"),
    ("labels.gap", "1", 0, 1, "total variation between the labels and the predicted classes of the pool", "L + K"),
    ("loop.batch", "rows", 1, None, "rows asked for by the caller in this loop", "1"),
    ("loop.since.first", "loops", 0, None, "loops since the run began", "1"),
]
for _stat, _words in (("mean", "mean"), ("std", "standard deviation"), *_QUANTILES):
    _ROWS.append(
        (f"pool.margin.{_stat}", "1", 0, 1, f"{_words} of the difference of the two highest probabilities", "U C")
    )
for _stat, _words in (("mean", "mean"), ("std", "standard deviation"), *_QUANTILES):
    _ROWS.append((f"pool.entropy.{_stat}", "1", 0, 1, f"{_words} of the predictive entropy over log C", "U C"))
for _stat, _words in (("mean", "mean"), ("q05", "5 % quantile"), ("q50", "median")):
    _ROWS.append((f"pool.confidence.{_stat}", "1", 0, 1, f"{_words} of the highest probability", "U C"))
_ROWS += [
    ("pool.predicted.entropy", "1", 0, 1, "entropy of the predicted classes of the pool over log C", "K"),
    ("pool.predicted.rarest", "1", 0, 1, "share of the rarest predicted class", "K"),
    ("pool.predicted.commonest", "1", 0, 1, "share of the commonest predicted class", "K"),
    ("pool.proba.entropy", "1", 0, 1, "entropy of the mean probability vector over log C", "K C"),
    ("pool.prediction.mean", "target", None, None, "mean of the predictions (regression)", "K"),
    ("pool.prediction.std", "target", 0, None, "standard deviation of the predictions (regression)", "K"),
    ("committee.disagreement.mean", "1", 0, 1, "mean share of members that vote against the majority", "M K C"),
    ("committee.disagreement.q95", "1", 0, 1, "95 % quantile of the same", "M K C"),
    ("churn.label", "1", 0, 1, "share of reference rows whose predicted class changed since the last loop", "R"),
    ("churn.proba", "1", 0, 1, "mean total variation of the reference rows' probabilities since the last loop", "R C"),
    ("churn.margin", "1", -1, 1, "mean change of the reference rows' margin since the last loop", "R C"),
    ("churn.kappa", "1", -1, 1, "Cohen's kappa of the predicted classes with those of the last loop", "R C"),
    (
        "space.seen.mean",
        "distance",
        0,
        None,
        "mean distance of the reference rows to the nearest labelled row",
        "R L D",
    ),
    ("space.seen.q50", "distance", 0, None, "median of the same", "R L D"),
    ("space.seen.q95", "distance", 0, None, "95 % quantile of the same", "R L D"),
    ("space.seen.max", "distance", 0, None, "largest of the same (covering radius)", "R L D"),
    (
        "space.neighbour.agreement",
        "1",
        0,
        1,
        "share of the reference rows whose predicted class is the label of the nearest labelled row",
        "R L D",
    ),
    ("labels.neighbour", "1", 0, 1, "share of labels that the nearest other labelled row has too", "256 L D"),
    (
        "space.neighbour.mean",
        "distance",
        0,
        None,
        "mean distance of the reference rows to their 10 nearest ones",
        "R² D",
    ),
    (
        "space.neighbour.spread",
        "1",
        0,
        None,
        "coefficient of variation of the same (clusters and outliers raise it)",
        "R² D",
    ),
    ("space.dimension", "dimensions", 0, None, "participation ratio of the reference rows' covariance", "R D²"),
    ("space.margin.rank", "1", -1, 1, "rank correlation of margin with distance to the labelled rows", "R L D"),
    ("query.count", "rows", 0, None, "rows in the query", "1"),
    ("query.margin.mean", "1", 0, 1, "mean margin of the rows asked", "n"),
    ("query.entropy.mean", "1", 0, 1, "mean entropy of the rows asked, over log C", "n"),
    ("query.seen.mean", "distance", 0, None, "mean distance of the rows asked to the labelled ones", "n L D"),
    ("query.diversity", "distance", 0, None, "mean distance of a row asked to the nearest other one", "n² D"),
    (
        "query.coverage",
        "1",
        0,
        1,
        "share of the reference rows' distance to the labelled rows that the query removes",
        "n R D",
    ),
    ("query.overlap.default", "1", 0, 1, "share of the strategy's preview that is in the default strategy's too", "n"),
    (
        "surprise.accuracy.batch",
        "1",
        0,
        1,
        "share of the labels, as first told, that the model before the update predicted",
        "n",
    ),
    ("surprise.confidence.batch", "1", 0, 1, "mean confidence of that model on the same rows", "n"),
    ("surprise.gap.batch", "1", -1, 1, "accuracy less confidence (negative = overconfident where it was asked)", "n"),
    ("surprise.log_loss.batch", "nats", 0, None, "mean log-loss on the same rows, probabilities clipped at 0.02", "n"),
    ("surprise.brier.batch", "1", 0, 2, "mean Brier score on the same rows", "n C"),
    ("oracle.told", "labels", 0, None, "labels told in this loop", "1"),
    ("oracle.late", "labels", 0, None, "of these, for rows asked in an earlier loop", "1"),
    ("oracle.skipped", "rows", 0, None, "rows skipped in this loop", "1"),
    ("oracle.changed", "labels", 0, None, "labels changed in this loop", "1"),
    ("oracle.withdrawn", "labels", 0, None, "labels withdrawn in this loop", "1"),
    ("oracle.waiting", "rows", 0, None, "rows asked before this loop and still without a label", "1"),
    ("cost.fit.seconds", "s", 0, None, "training of the model behind the outputs, as told", "told"),
    ("cost.score.seconds", "s", 0, None, "computing the outputs, as told", "told"),
    ("cost.label.seconds", "s", 0, None, "labelling, as told", "told"),
    ("cost.observe.seconds", "s", 0, None, "statistics of this table", "clock"),
    ("cost.decide.seconds", "s", 0, None, "the policy's decision with its previews", "clock"),
    ("cost.select.seconds", "s", 0, None, "the chosen strategy's selection", "clock"),
    (
        "cost.rows.scored",
        "rows",
        0,
        None,
        "pool rows whose outputs were passed, waiting and skipped ones included",
        "1",
    ),
    ("action.multiplier", "1", 0, None, "rows asked over rows the caller wanted", "1"),
    ("action.share", "1", 0, 1, "share of the pool that is to be scored in the next loop", "1"),
    ("action.propensity", "1", 0, 1, "probability with which the action was drawn", "1"),
    ("action.entropy", "nats", 0, None, "entropy of the policy's probabilities", "1"),
    ("decision.advantage", "score", None, None, "predicted gain in score over the default action", "policy"),
    ("decision.lower", "score", None, None, "cautious bound of the same", "policy"),
    (
        "score.value",
        "score",
        None,
        None,
        "quality of the model behind the outputs, as told (not of the test split)",
        "told",
    ),
]

STATISTICS: dict[str, Statistic] = {row[0]: Statistic(*row) for row in _ROWS}
"""Every series that metaal logs by itself, by name."""


FACTS: dict[str, Statistic] = {
    row[0]: Statistic(*row)
    for row in (
        ("run.policy", "text", None, None, "text form of the policy that decides", "told"),
        ("run.policy.checksum", "text", None, None, "checksum of a policy file, else empty", "told"),
        ("run.seed", "1", 0, None, "seed of all random numbers of the run", "told"),
        ("run.stream", "text", None, None, "name that the random numbers derive from", "told"),
        ("run.default", "text", None, None, "strategy that is previewed beside the chosen one", "told"),
        ("run.budget", "labels", 0, None, "labels that may be asked for in all; 0 = no limit", "told"),
        ("run.task", "text", None, None, "what is being learnt; runs of one task are kept together", "told"),
        ("action.name", "text", None, None, "the action taken: a strategy and a multiplier, or stop", "1"),
        ("action.strategy", "text", None, None, "spelling of the strategy that chose the rows", "1"),
        ("action.refit", "text", None, None, "training after these labels: full, warm or skip", "1"),
        ("action.stop", "truth", None, None, "whether the run said that nothing more should be asked", "1"),
        ("decision.reason", "text", None, None, "why the policy decided so, in words", "policy"),
        ("state.digest", "text", None, None, "digest of everything that ask was given", "U"),
        ("state.pool", "text", None, None, "digest of the ids and the number that ask was given", "U"),
    )
}
"""What metaal logs beside its series: settings, texts and truth values, which no policy reads."""

OPEN: dict[str, str] = {
    "user.": "added by the user",
    "score.": "further score of the model behind the outputs, named by the user",
    "report.": "number for people only, named by the user",
    "tag.": "fact of the run, named by the user",
}
"""Beginnings of names that the user chooses, and what they mean."""


def describe(name: str) -> Statistic:
    """Return the entry of one series or fact; what the user named (``user.*``) has no unit and no range.

    Raises
    ------
    InputError
        The name is neither in the table nor under ``user.*``.

    Examples
    --------
    >>> describe("pool.margin.q05").meaning
    '5 % quantile of the difference of the two highest probabilities'
    >>> describe("user.val_f1").meaning
    'added by the user'
    """
    known = STATISTICS.get(name) or FACTS.get(name)
    if known is not None:
        return known
    for group, meaning in OPEN.items():
        if name.startswith(group) and name != group:
            return Statistic(name, "?", None, None, meaning, "told")
    raise InputError(
        f"no statistic is called {name!r}: {nearest(name, [*STATISTICS, *FACTS])}; one of your own belongs under "
        f"user., such as user.{name}; metaal statistics lists all"
    )


def dictionary(pattern: str | None = None) -> list[Statistic]:
    """Return the entries of all series and facts, or of those that a name or glob matches.

    Parameters
    ----------
    pattern : str, optional
        A name, or a glob such as ``pool.*``.

    Raises
    ------
    InputError
        Nothing matches.

    Examples
    --------
    >>> [entry.name for entry in dictionary("churn.*")]
    ['churn.label', 'churn.proba', 'churn.margin', 'churn.kappa']
    """
    every: Mapping[str, Statistic] = {**STATISTICS, **FACTS}
    if pattern is None:
        return list(every.values())
    if not any(sign in pattern for sign in "*?["):
        return [describe(pattern)]
    found = [entry for name, entry in every.items() if fnmatchcase(name, pattern)]
    if not found:
        raise InputError(f"no statistic matches {pattern!r}; {nearest(pattern, every)}")
    return found
