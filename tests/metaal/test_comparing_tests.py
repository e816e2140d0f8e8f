"""Significance tests against scipy, R, published tables and other packages (references_comparing.json)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from metaal.comparing import (
    against,
    bayesian_signed_rank,
    critical_difference,
    family_means,
    headline,
    holm,
    mirrored,
    paired_tests,
    paired_wins,
    ranks,
    wilcoxon,
    wilcoxon_holm,
)
from metaal.errors import InputError
from tests.metaal import references_comparing as references
from tests.metaal.compared import runs_of

RECORDED: dict[str, Any] = json.loads(references.FILE.read_text(encoding="utf-8"))
DEMSAR = [
    [4, 3, 2, 1],
    [1, 2, 3, 4],
    [4, 1, 2, 3],
    [4, 1, 3, 2],
    [4, 2, 3, 1],
    [1, 2.5, 4, 2.5],
    [3, 2, 4, 1],
    [2.5, 2.5, 4, 1],
    [4, 3, 2, 1],
    [2.5, 2.5, 2.5, 2.5],
    [4, 2.5, 1, 2.5],
    [3, 2, 4, 1],
    [4, 1, 2, 3],
    [3, 1, 4, 2],
]
"""Ranks of four classifiers on 14 data sets (Demšar, 2006, table 6)."""


def test_holm_agrees_with_statsmodels() -> None:
    for p, wanted in zip(references.p_inputs(), RECORDED["holm"], strict=True):
        assert holm(p) == pytest.approx(wanted, abs=1e-9)
    assert np.isnan(holm(np.array([0.01, np.nan]))[1])
    assert holm(np.array([0.01, np.nan]))[0] == 0.01
    assert len(holm(np.array([]))) == 0


def test_wilcoxon_agrees_with_scipy_and_r() -> None:
    # Hollander and Wolfe, 1973, as in R's help of wilcox.test: V = 40, one-sided p = 0.01953
    before = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
    after = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
    statistic, p = wilcoxon(before - after)
    assert statistic == 45 - 40
    assert p == pytest.approx(2 * 0.01953125)
    delta = np.random.default_rng(0).normal(0.2, 1, 80)
    assert wilcoxon(delta) == (stats.wilcoxon(delta).statistic, stats.wilcoxon(delta).pvalue)


def test_differences_by_rounding_are_ties() -> None:
    noise = np.array([1e-16, -2e-16, 3e-16, 1e-15, -1e-15, 1e-14])
    assert wilcoxon(noise) == (0.0, 1.0)
    table = pd.DataFrame({"a": 0.5 + noise, "b": 0.5})
    row: Any = wilcoxon_holm(table, "a").loc["b"]
    assert (row["wins"], row["ties"], row["losses"]) == (0, 6, 0)


def test_wilcoxon_holm_over_families() -> None:
    rng = np.random.default_rng(4)
    base = rng.uniform(0.5, 0.9, 25)
    shifts = {"a": 0.0, "b": 0.02, "c": 0.0, "d": -0.01}
    table = pd.DataFrame({name: base + rng.normal(shift, 0.02, 25) for name, shift in shifts.items()})
    found = wilcoxon_holm(table, "a", factor=100)
    assert list(found.index) == ["b", "c", "d"]
    for rival, row in found.iterrows():
        delta = 100 * (table["a"] - table[str(rival)])
        assert row["difference"] == pytest.approx(delta.mean())
        assert row["median"] == pytest.approx(delta.median())
        assert row["p"] == pytest.approx(stats.wilcoxon(delta).pvalue)
        assert (row["wins"], row["losses"], row["n"]) == ((delta > 0).sum(), (delta < 0).sum(), 25)
        assert row["low"] < row["difference"] < row["high"]
    assert found["p_holm"].to_numpy() == pytest.approx(holm(found["p"].to_numpy()))
    less = wilcoxon_holm(table, "a", less=True)
    assert less["wins"].to_list() == found["losses"].to_list()
    assert less["p"].to_list() == pytest.approx(found["p"].to_list())
    assert (less["difference"] * 100).to_list() == pytest.approx(found["difference"].to_list())


def test_families_without_some_policy_are_left_out_and_unknown_names_refused() -> None:
    table = pd.DataFrame({"a": [0.1, 0.2, np.nan], "b": [0.0, 0.1, 0.9]})
    assert wilcoxon_holm(table, "a")["n"].to_list() == [2]
    with pytest.raises(InputError, match="no policy 'c'"):
        wilcoxon_holm(table, "c")
    with pytest.raises(InputError, match="no family"):
        wilcoxon_holm(table.iloc[2:], "a")
    assert len(wilcoxon_holm(table[["a"]].dropna(), "a")) == 0


def test_paired_t_tests_agree_with_scipy_and_r() -> None:
    # R's data set sleep: paired t = -4.0621, df = 9, p = 0.002833
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found: Any = paired_tests(runs_of({"a": [first], "b": [second]}, score="x"), "x", "a", "b").loc["f0~t0"]
    assert found["t"] == pytest.approx(-4.0621, abs=1e-4)
    assert found["p"] == pytest.approx(0.002833, abs=1e-6)
    assert (found["pairs"], found["outcome"]) == (10, "loss")
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.5, 0.1, (30, 5)), rng.normal(0.55, 0.1, (30, 5))
    table = paired_tests(runs_of({"a": a, "b": b}), "aulc", "a", "b")
    reference = stats.ttest_rel(a, b, axis=1)
    assert table["p"].to_numpy() == pytest.approx(reference.pvalue)
    assert table["t"].to_numpy() == pytest.approx(reference.statistic)
    assert table["difference"].to_numpy() == pytest.approx(100 * (a - b).mean(1))


def test_wins_ties_and_losses_of_tasks() -> None:
    a = [[0.9, 0.91, 0.92], [0.1, 0.5, 0.9], [0.2, 0.21, 0.22], [0.5, 0.5, 0.5], [0.6, 0.6, 0.6]]
    b = [[0.5, 0.52, 0.51], [0.2, 0.4, 0.9], [0.9, 0.92, 0.9], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]
    runs = runs_of({"a": a, "b": b})
    assert paired_wins(runs, "aulc", "a", "b") == {"wins": 2, "ties": 2, "losses": 1, "untested": 0}
    assert paired_wins(runs, "aulc", "b", "a") == {"wins": 1, "ties": 2, "losses": 2, "untested": 0}
    loss = runs.rename(columns={"aulc": "aulc.log_loss"})
    assert paired_wins(loss, "aulc.log_loss", "a", "b")["wins"] == 1
    single = runs[runs["seed"] == 0]
    assert paired_wins(single, "aulc", "a", "b") == {"wins": 0, "ties": 0, "losses": 0, "untested": 5}
    together = paired_wins(runs_of({"a": a[:4], "b": b[:4]}, tasks=2), "aulc", "a", "b", by="family")
    assert sum(together.values()) == 2


def test_false_wins_come_at_the_level_of_the_test() -> None:
    rng = np.random.default_rng(2)
    runs = runs_of({"a": rng.normal(0.5, 0.1, (400, 6)), "b": rng.normal(0.5, 0.1, (400, 6))})
    found = paired_wins(runs, "aulc", "a", "b")
    assert 0.025 < (found["wins"] + found["losses"]) / 400 < 0.08


def test_bad_calls_of_paired_tests() -> None:
    runs = runs_of({"a": [[0.1, 0.2]], "b": [[0.1, 0.3]]})
    for arguments, more, words in (
        (("aulc", "a", "b"), {"by": "seed"}, "expected one of task, data, family"),
        (("aulc", "a", "b"), {"level": 0.0}, "level=0.0"),
        (("aulc", "a", "c"), {}, "no runs of policy 'c'"),
        (("speed", "a", "b"), {}, "expected one of aulc"),
    ):
        with pytest.raises(InputError, match=words):
            paired_tests(runs, *arguments, **more)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="finished by both"):
        paired_tests(runs[(runs["policy"] == "a") == (runs["seed"] == 0)], "aulc", "a", "b")


def test_mean_ranks_of_the_published_example() -> None:
    names = ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]
    found = ranks(pd.DataFrame(DEMSAR, columns=names), less=True)
    assert found.mean[names].round(3).to_list() == [3.143, 2.000, 2.893, 1.964]
    assert found.critical == pytest.approx(1.25, abs=0.005)
    # The paper's statistics (9.28 and 3.69) do without the correction for ties that scipy makes.
    n, k = 14, 4
    plain = 12 * n / (k * (k + 1)) * (((found.mean) ** 2).sum() - k * (k + 1) ** 2 / 4)
    assert plain == pytest.approx(9.28, abs=0.005)
    assert (n - 1) * plain / (n * (k - 1) - plain) == pytest.approx(3.69, abs=0.005)
    assert found.chi2 >= plain
    assert found.differ
    # "the post-hoc test is not powerful enough" (section 3.2.4): no two differ by the critical difference
    assert found.cliques == (("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"),)
    # "At p = 0.10, CD is 1.12": C4.5 is worse than C4.5+m and C4.5+m+cf
    loose = ranks(pd.DataFrame(DEMSAR, columns=names), less=True, level=0.10)
    assert loose.critical == pytest.approx(1.12, abs=0.005)
    assert loose.cliques == (("C4.5+m+cf", "C4.5+m", "C4.5+cf"), ("C4.5+cf", "C4.5"))


def test_friedman_agrees_with_scipy_and_nemenyi_with_scikit_posthocs() -> None:
    for values, wanted in zip(references.ranked_inputs(), RECORDED["nemenyi"], strict=True):
        names = [f"p{k}" for k in range(values.shape[1])]
        found = ranks(pd.DataFrame(values, columns=names))
        reference = stats.friedmanchisquare(*values.T)
        assert found.chi2 == pytest.approx(reference.statistic)
        assert found.chi2_p == pytest.approx(reference.pvalue)
        for i, one in enumerate(names):
            for j, other in enumerate(names[:i]):
                together = any(one in clique and other in clique for clique in found.cliques)
                assert together == (wanted[i][j] > 0.05)


def test_critical_values_are_those_of_the_published_table() -> None:
    # Demšar, 2006, table 5(a): q of the two-tailed Nemenyi test at .05 and .10, for 2 to 10 classifiers
    at_05 = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]
    at_10 = [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920]
    for level, table in ((0.05, at_05), (0.10, at_10)):
        for k, q in enumerate(table, start=2):
            assert critical_difference(k, 6, level) == pytest.approx(q * np.sqrt(k * (k + 1) / 36), abs=2e-3)


def test_ranks_of_two_of_one_and_of_equal_policies() -> None:
    two = ranks(pd.DataFrame({"a": [0.9, 0.8, 0.7], "b": [0.1, 0.2, 0.3]}))
    assert two.mean.to_dict() == {"a": 1.0, "b": 2.0}
    assert np.isinf(two.f)
    assert two.p == 0
    same = ranks(pd.DataFrame({"a": [0.9, 0.8], "b": [0.9, 0.8], "c": [0.9, 0.8]}))
    assert same.mean.to_list() == [2.0, 2.0, 2.0]
    assert (same.chi2, same.p, same.differ) == (0.0, 1.0, False)
    one = ranks(pd.DataFrame({"a": [0.9, 0.8]}))
    assert np.isnan(one.critical)
    assert one.cliques == ()
    few = ranks(pd.DataFrame({"a": [0.9], "b": [0.1]}))
    assert np.isnan(few.p)
    assert few.cliques == (("a", "b"),)
    with pytest.raises(InputError, match="level 2"):
        ranks(pd.DataFrame({"a": [0.9]}), level=2)


def test_the_bayesian_signed_rank_test_agrees_with_baycomp() -> None:
    # both draw 50,000 times: three standard errors of a share are below .007
    for (a, b, rope), wanted in zip(references.signed_inputs(), RECORDED["signed"], strict=True):
        found = bayesian_signed_rank(a, b, rope)
        assert found == pytest.approx(tuple(wanted), abs=0.007)
        assert sum(found) == pytest.approx(1)
    assert any(0.2 < middle < 0.8 for _, middle, _ in RECORDED["signed"])


def test_the_bayesian_test_turns_with_its_arguments_and_repeats() -> None:
    a, b, _ = references.signed_inputs()[0]
    one, other = bayesian_signed_rank(a, b, 0.1), bayesian_signed_rank(b, a, 0.1)
    assert one == (other.p_right, other.p_rope, other.p_left)
    assert one == bayesian_signed_rank(a, b, 0.1)
    assert one != bayesian_signed_rank(a, b, 0.1, seed=1)
    assert bayesian_signed_rank(a, a, 0.1) == (0.0, 1.0, 0.0)
    for bad in ((a, b[1:]), (a[:0], a[:0]), (a, b + np.nan)):
        with pytest.raises(InputError, match="two finite"):
            bayesian_signed_rank(*bad)
    with pytest.raises(InputError, match="rope -1"):
        bayesian_signed_rank(a, b, -1)


def test_the_headline_counts_families_from_six_on() -> None:
    rng = np.random.default_rng(0)
    base = rng.uniform(0.5, 0.9, (6, 3))
    values = {"a": base + 0.02, "b": base, "c": base + rng.normal(0, 0.01, (6, 3))}
    many, few = runs_of(values), runs_of({name: table[:5] for name, table in values.items()})
    top, low = headline(many, "a"), headline(few, "a")
    assert (top.by, low.by) == ("families", "cells")
    assert "6 data-set families" in top.text
    assert "speaks of these data alone" in low.text
    row: Any = top.table.loc["b"]
    assert row["n"] == 6
    assert row["p"] == pytest.approx(2 / 2**6)
    assert row["p_better"] > 0.99
    assert (low.table["n"] == 15).all()
    assert "p_better" not in low.table
    assert list(top.table.columns[:11]) == list(low.table.columns)
    assert low.table["p_holm"].to_numpy() == pytest.approx(holm(low.table["p"].to_numpy()))


def test_the_headline_says_that_accuracy_and_r2_are_mixed() -> None:
    runs = runs_of({"a": [[0.5, 0.6]] * 2, "b": [[0.5, 0.7]] * 2})
    runs["aulc.log_loss"] = np.where(runs["family"] == "f0", 0.4, np.nan)
    assert "mixed" not in headline(runs, "a").text
    runs["aulc.rmse"] = np.where(runs["family"] == "f1", 12.0, np.nan)
    assert "Accuracy and R² are mixed" in headline(runs, "a").text


def test_paired_cells_agree_with_scipy() -> None:
    rng = np.random.default_rng(1)
    base, gain = rng.random((4, 10)), rng.normal(0.02, 0.03, (4, 10))
    row: Any = against(runs_of({"a": base + gain, "b": base}), "a", by="cells").loc["b"]
    assert row["p"] == pytest.approx(stats.wilcoxon(gain.ravel()).pvalue)
    assert row["difference"] == pytest.approx(100 * gain.mean())
    # resampling within four tasks: the spread of the mean is that of the tasks' means
    error = 100 * np.sqrt((gain.var(1) / 10).mean() / 4)
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_the_other_side_of_a_comparison_is_its_mirror() -> None:
    rng = np.random.default_rng(3)
    runs = runs_of({name: rng.random((8, 3)) for name in "abc"})
    for by in ("families", "cells"):
        table = against(runs, "a", by=by)  # type: ignore[arg-type]
        twice = mirrored(mirrored(table)).rename_axis("rival")
        pd.testing.assert_frame_equal(twice, table)
        back: Any = against(runs, "b", by=by).loc["a"]  # type: ignore[arg-type]
        there: Any = mirrored(table).loc["b"]
        assert back["difference"] == pytest.approx(there["difference"])
        assert (back["better"], back["worse"]) == (there["better"], there["worse"])
        assert back["p"] == pytest.approx(there["p"])


def test_losses_are_better_when_less_in_every_comparison() -> None:
    rng = np.random.default_rng(5)
    base = rng.random((8, 3))
    runs = runs_of({"a": base - 0.1, "b": base}, score="aulc.log_loss")
    for by in ("families", "cells"):
        row: Any = against(runs, "a", "aulc.log_loss", by=by).loc["b"]  # type: ignore[arg-type]
        assert row["difference"] == pytest.approx(-0.1)
        assert (row["worse"], row["equal"]) == (0, 0)
        assert "p_better" not in row
    table = family_means(runs, "aulc.log_loss")
    assert ranks(table, less=True).mean.index[0] == "a"


def test_bad_calls_of_against() -> None:
    runs = runs_of({"a": [[0.1, 0.2]], "b": [[0.1, 0.3]]})
    with pytest.raises(InputError, match="'families' or 'cells'"):
        against(runs, "a", by="tasks")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="confidence=1"):
        against(runs, "a", confidence=1)
    with pytest.raises(InputError, match="no policy 'x'"):
        against(runs, "x")
