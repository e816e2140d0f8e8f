"""Gap closed and regret: known truths, and the same numbers by plain loops."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from metaal.comparing import BEST_FIXED, gap_closed, regret
from metaal.errors import InputError
from tests.metaal.compared import runs_of


def test_without_noise_the_gap_is_what_one_reads_off() -> None:
    seeds = np.ones((1, 4))
    a, b = np.array([[0.8], [0.6], [0.9]]) * seeds, np.array([[0.7], [0.7], [0.7]]) * seeds
    values = {"a": a, "b": b, "half": (np.maximum(a, b) + a) / 2, "best": np.maximum(a, b)}
    runs = runs_of(values)
    found = gap_closed(runs, "aulc", "half", ["a", "b"])
    assert found.best_single == "a"
    assert (found.sbs, found.vbs, found.value) == pytest.approx((230 / 3, 80, 235 / 3))
    assert found.gap.estimate == pytest.approx(10 / 3)
    assert found.closed.estimate == pytest.approx(0.5)
    assert gap_closed(runs, "aulc", "best", ["a", "b"]).closed.estimate == pytest.approx(1)
    assert gap_closed(runs, "aulc", "a", ["a", "b"]).closed.estimate == pytest.approx(0)
    assert (found.families, found.tasks) == (3, 3)


def test_losses_close_the_same_gap() -> None:
    rng = np.random.default_rng(0)
    values = {name: rng.random((12, 4)) for name in "abc"}
    up = gap_closed(runs_of(values), "aulc", "c", ["a", "b"])
    down = gap_closed(
        runs_of({k: 1 - v for k, v in values.items()}, score="aulc.log_loss"), "aulc.log_loss", "c", ["a", "b"]
    )
    assert down.gap.estimate == pytest.approx(up.gap.estimate / 100)
    assert down.vbs == pytest.approx(1 - up.vbs / 100)
    assert down.best_single == up.best_single


def test_no_gap_is_made_of_noise() -> None:
    """Eight equal strategies: a best one of each run, or of each task in hindsight, would find a gap of points."""
    rng = np.random.default_rng(1)
    values = {f"s{k}": rng.normal(0.7, 0.03, (60, 4)) for k in range(8)}
    whole = np.stack(list(values.values()))
    hindsight = 100 * (whole.mean(2).max(0).mean() - whole.mean((1, 2)).max())
    run_level = 100 * (whole.max(0).mean() - whole.mean((1, 2)).max())
    found = gap_closed(runs_of({**values, "new": rng.normal(0.7, 0.03, (60, 4))}), "aulc", "new", list(values))
    assert run_level > 3
    assert hindsight > 1.5
    assert abs(found.gap.estimate) < 0.5
    assert found.note
    assert np.isnan(found.closed.low)


def test_a_gap_that_is_there_is_found_and_its_interval_holds_the_truth() -> None:
    rng = np.random.default_rng(2)
    truth = rng.choice([0.68, 0.72], size=(200, 1))  # a is 4 points worse or better than b, at random
    noise = [rng.normal(0, 0.004, (200, 6)) for _ in range(3)]
    values = {"a": truth + noise[0], "b": 0.7 + noise[1], "new": np.maximum(truth, 0.7) - 0.005 + noise[2]}
    found = gap_closed(runs_of(values), "aulc", "new", ["a", "b"])
    gap = 100 * (np.maximum(truth, 0.7).mean() - max(truth.mean(), 0.7))
    assert found.gap.low < gap < found.gap.high
    assert found.closed.low < (gap - 0.5) / gap < found.closed.high
    assert found.note == ""


def by_hand(blocks: dict[str, np.ndarray], policy: str, fixed: list[str]) -> tuple[float, float, float]:
    """SBS, VBS and the policy of tasks that are families, over all halvings of four seeds."""
    tasks, seeds = blocks[policy].shape
    out = np.zeros(3)
    count = 0
    for first in combinations(range(seeds), seeds // 2):
        rest = [s for s in range(seeds) if s not in first]
        means = {name: block[:, list(first)].mean(1) for name, block in blocks.items()}
        held = {name: block[:, rest].mean(1) for name, block in blocks.items()}
        single = max(fixed, key=lambda name: float(means[name].mean()))
        virtual = [held[max(fixed, key=lambda name: means[name][t])][t] for t in range(tasks)]
        out += [held[single].mean(), np.mean(virtual), held[policy].mean()]
        count += 1
    sbs, vbs, value = 100 * out / count
    return float(sbs), float(vbs), float(value)


def test_the_halves_are_those_of_plain_loops() -> None:
    rng = np.random.default_rng(3)
    level = rng.uniform(0.5, 0.9, (40, 1))
    blocks = {name: level + rng.normal(0, 0.05, (40, 1)) + rng.normal(0, 0.02, (40, 4)) for name in "abcd"}
    blocks["a"] = blocks["a"] + 0.06  # the single best one is clear, so that it is the same in every halving
    sbs, vbs, value = by_hand(blocks, "d", ["a", "b", "c"])
    found = gap_closed(runs_of(blocks), "aulc", "d", ["a", "b", "c"], splits=200)
    assert (found.sbs, found.value) == pytest.approx((sbs, value), abs=1e-9)
    assert found.vbs == pytest.approx(vbs, abs=0.05)  # the halvings of a task are drawn


def test_bad_calls_of_gap_closed() -> None:
    runs = runs_of({"a": [[0.1, 0.2]], "b": [[0.1, 0.3]], "c": [[0.1, 0.3]]})
    with pytest.raises(InputError, match="1 static strategies"):
        gap_closed(runs, "aulc", "a", ["b"])
    with pytest.raises(InputError, match="no runs of policy 'x'"):
        gap_closed(runs, "aulc", "x", ["a", "b"])
    with pytest.raises(InputError, match="has 1 seed"):
        gap_closed(runs[runs["seed"] == 0], "aulc", "a", ["b", "c"])
    with pytest.raises(InputError, match="no cell"):
        gap_closed(runs[(runs["policy"] == "a") == (runs["seed"] == 0)], "aulc", "a", ["b", "c"])


def test_regret_is_what_plain_loops_say() -> None:
    rng = np.random.default_rng(4)
    values = {name: rng.uniform(0.5, 0.9, (24, 3)) for name in ("new", "margin", "random")}
    found = regret(runs_of(values, tasks=2)).set_index(["policy", "against"])
    row: Any = found.loc[("new", "margin")]
    loss = 100 * (values["margin"] - values["new"]).mean(1)
    assert row["mean"] == pytest.approx(loss.mean())
    assert row["worst_decile"] == pytest.approx(np.sort(loss)[-3:].mean())  # a tenth of 24 tasks, rounded up
    assert row["share_worse"] == (loss > 0).mean()
    assert row["worst"] == pytest.approx(loss.max())
    assert row["worst_task"] == f"f{int(loss.argmax()) // 2}~t{int(loss.argmax()) % 2}"
    assert row["tasks"] == 24
    assert set(found.index.get_level_values("against")) == {"margin", "random", BEST_FIXED}
    assert ("margin", "margin") not in found.index


def test_the_best_fixed_strategy_is_that_of_the_regime_and_learner() -> None:
    clean = runs_of({"new": [[0.5]], "margin": [[0.8]], "random": [[0.6]]}, regime="clean", learner="svm")
    noisy = runs_of({"new": [[0.5]], "margin": [[0.4]], "random": [[0.7]]}, regime="noisy", learner="svm")
    noisy = noisy.assign(task="f0~noisy", stream="f0~noisy~s0")
    found = regret(pd.concat([clean, noisy])).set_index(["policy", "against"])
    row: Any = found.loc[("new", BEST_FIXED)]
    assert row["mean"] == pytest.approx((30 + 20) / 2)
    assert (row["worst_group"], row["worst_group_mean"]) == ("clean · svm", pytest.approx(30))
    assert found.loc[("margin", BEST_FIXED), "mean"] == pytest.approx((0 + 30) / 2)


def test_regret_of_losses_counts_upwards_and_unknown_rivals_are_refused() -> None:
    runs = runs_of({"new": [[0.5]], "margin": [[0.8]]}, score="aulc.log_loss")
    row: Any = regret(runs, "aulc.log_loss", ["margin"]).set_index("policy").loc["new"]
    assert row["mean"] == pytest.approx(-0.3)
    with pytest.raises(InputError, match="no policy 'badge'"):
        regret(runs, "aulc.log_loss", ["badge"])
    assert len(regret(runs, "aulc.log_loss", [])) == 0
