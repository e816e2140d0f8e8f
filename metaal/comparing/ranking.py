"""Mean ranks over families: Friedman's test, Nemenyi's critical difference, groups that cannot be told apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metaal.comparing.frames import complete
from metaal.errors import InputError

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class Ranks:
    """Everything that a critical-difference diagram shows.

    Parameters
    ----------
    mean : Series
        Mean rank by policy, 1 = best, best first.
    critical : float
        Nemenyi's critical difference: mean ranks closer than this cannot be told apart. NaN for fewer than two
        policies or families.
    cliques : tuple of tuple of str
        Largest groups of neighbouring policies that lie within the critical difference, two or more each.
    chi2, chi2_p : float
        Friedman's statistic, corrected for ties, and its p.
    f, p : float
        Iman and Davenport's statistic and its p: the better of the two tests.
    families : int
    level : float
    """

    mean: pandas.Series
    critical: float
    cliques: tuple[tuple[str, ...], ...]
    chi2: float
    chi2_p: float
    f: float
    p: float
    families: int
    level: float

    @property
    def differ(self) -> bool:
        """Whether the test says that not all policies are the same; if not, no pair may be read off the diagram."""
        return bool(self.p < self.level)


def ranks(table: pandas.DataFrame, *, less: bool = False, level: float = 0.05) -> Ranks:
    """Mean ranks of the policies over families.

    Ties share the mean of their ranks. A mean rank depends on which other policies take part; for a claim about two of
    them use `wilcoxon_holm`.

    Parameters
    ----------
    table : DataFrame
        Families × policies, as `family_means`; families without some policy are left out.
    less : bool
        Whether less is better.
    level : float
        Of the critical difference, in (0, 1).

    Raises
    ------
    InputError
        No family with all policies, or the level is out of range.

    References
    ----------
    Friedman, 1937, The use of ranks to avoid the assumption of normality. Iman and Davenport, 1980, Approximations of
    the critical region of the Friedman statistic. Nemenyi, 1963, Distribution-free multiple comparisons. Demšar, 2006.
    """
    import pandas as pd
    from scipy import stats

    if not 0 < level < 1:
        raise InputError(f"ranks: level {level}; expected a number in (0, 1)")
    whole = complete(table)
    values = np.round(whole.to_numpy(dtype=np.float64), 12)  # what differs by rounding is a tie
    each = stats.rankdata(values if less else -values, axis=1)
    n, k = each.shape
    mean = pd.Series(each.mean(0), index=whole.columns, name="rank").sort_values(kind="stable")
    chi2, chi2_p, f, p, critical = (float("nan"),) * 5
    if n > 1 and k > 1:
        chi2 = _friedman(each)
        chi2_p = float(stats.chi2.sf(chi2, k - 1))
        rest = n * (k - 1) - chi2
        f = (n - 1) * chi2 / rest if rest > 1e-9 else float("inf")
        p = float(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))
        critical = critical_difference(k, n, level)
    return Ranks(mean, critical, _cliques(mean, critical), chi2, chi2_p, f, p, n, level)


def critical_difference(policies: int, families: int, level: float = 0.05) -> float:
    """Nemenyi's critical difference of mean ranks.

    Examples
    --------
    >>> round(critical_difference(4, 14), 2)  # Demšar 2006, section 3.2.2
    1.25
    """
    from scipy import stats

    q = float(stats.studentized_range.isf(level, policies, np.inf)) / np.sqrt(2)
    return float(q * np.sqrt(policies * (policies + 1) / (6 * families)))


def _friedman(each: np.ndarray) -> float:
    """Friedman's chi², corrected for ties, as scipy's, which wants three columns or more; 0 where all are tied."""
    n, k = each.shape
    ties = sum(float((count**3 - count).sum()) for count in (np.unique(row, return_counts=True)[1] for row in each))
    correction = 1 - ties / (n * k * (k * k - 1))
    if correction <= 1e-12:
        return 0.0
    spread = float(((each.mean(0) - (k + 1) / 2) ** 2).sum())
    return 12 * n / (k * (k + 1)) * spread / correction


def _cliques(mean: pandas.Series, critical: float) -> tuple[tuple[str, ...], ...]:
    if np.isnan(critical):
        return (tuple(map(str, mean.index)),) if len(mean) > 1 else ()
    values = mean.to_numpy()
    found: list[tuple[int, int]] = []
    for start in range(len(values)):
        end = int(np.flatnonzero(values - values[start] < critical)[-1])
        if end > start and (not found or end > found[-1][1]):
            found.append((start, end))
    return tuple(tuple(map(str, mean.index[start : end + 1])) for start, end in found)
