"""Comparing policies: plain functions on the table of runs, without plots.

Every function takes the table of runs (``Result.good``: one row a run, columns policy, task, stream, family, …) or the
families × policies table that `family_means` makes of it. Seeds are averaged first, then tasks, then families, and the
family is the unit of every test: what is claimed is about data that were not measured. Differences of shares (accuracy,
compression) are percentage points. `number` tells title, unit and direction of each column.
"""

from __future__ import annotations

from metaal.comparing.bayes import ROPE, Posterior, bayesian_signed_rank
from metaal.comparing.business import LABEL_SECONDS, business
from metaal.comparing.frames import family_means, task_means
from metaal.comparing.gap import GapClosed, gap_closed
from metaal.comparing.numbers import NUMBERS, Number, number
from metaal.comparing.pairs import paired_tests, paired_wins
from metaal.comparing.pareto import pareto, price_grid, utility_at
from metaal.comparing.payback import payback
from metaal.comparing.ranking import Ranks, critical_difference, ranks
from metaal.comparing.regrets import BEST_FIXED, regret
from metaal.comparing.resampling import Interval, bootstrap, stratified
from metaal.comparing.signed import holm, wilcoxon, wilcoxon_holm
from metaal.comparing.stopped import stop_costs, stop_ratio
from metaal.comparing.versus import ENOUGH, By, Headline, against, headline, mirrored, unit_of

__all__ = [
    "BEST_FIXED",
    "ENOUGH",
    "LABEL_SECONDS",
    "NUMBERS",
    "ROPE",
    "By",
    "GapClosed",
    "Headline",
    "Interval",
    "Number",
    "Posterior",
    "Ranks",
    "against",
    "bayesian_signed_rank",
    "bootstrap",
    "business",
    "critical_difference",
    "family_means",
    "gap_closed",
    "headline",
    "holm",
    "mirrored",
    "number",
    "paired_tests",
    "paired_wins",
    "pareto",
    "payback",
    "price_grid",
    "ranks",
    "regret",
    "stop_costs",
    "stop_ratio",
    "stratified",
    "task_means",
    "unit_of",
    "utility_at",
    "wilcoxon",
    "wilcoxon_holm",
]
