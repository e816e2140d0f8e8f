"""The bars of benchmarks/bars.toml, and what a result says to each.

Differences are means over families (seeds, then tasks, then families), p values Wilcoxon's over families with Holm's
correction over the rivals of a score; see `metaal.comparing`. A bar that a result cannot speak to says why.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metaal.comparing import (
    BEST_FIXED,
    family_means,
    number,
    paired_tests,
    price_grid,
    regret,
    wilcoxon,
    wilcoxon_holm,
)
from metaal.comparing.pareto import PARTS, utilities
from metaal.errors import InputError
from metaal.policies import read_policy
from metaal.policies.fixed import Fixed
from metaal.result import Result

FILE = Path(__file__).parent / "bars.toml"
LEVEL = 0.05
"""Of the tests of "worse" and "tied"."""


@dataclass(frozen=True)
class Bars:
    """The file, read.

    Parameters
    ----------
    suite : str
        Hash of the suite that they belong to.
    families : int
        At least so many must be in a result.
    default, schedule : str
        Names of the default action's and the hand schedule's policy.
    fixed : tuple of str
        The fixed strategies that regret refers to.
    bars : tuple of mapping
        ``number``, ``kind``, ``bar``, ``stretch`` and what the kind wants.
    """

    suite: str
    families: int
    default: str
    schedule: str
    fixed: tuple[str, ...]
    bars: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Verdict:
    """One bar and what was measured: ``met``, ``stretch`` (also met), ``missed`` or ``not measured``."""

    number: int
    measure: str
    bar: str
    stretch: str
    measured: str
    verdict: str


@dataclass(frozen=True)
class Found:
    """What a kind finds: the number, whether it reaches bar and stretch, and the number in words."""

    met: bool
    stretch: bool
    said: str


class NotMeasuredError(ValueError):
    """The result has not what the bar is about."""


def read_bars(file: Path = FILE) -> Bars:
    """Read the file.

    Raises
    ------
    ValueError
        A bar is of an unknown kind, or lacks its numbers.
    """
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    bars = tuple(table.pop("bar"))
    for bar in bars:
        lacking = {"number", "kind", "bar", "stretch"} - set(bar)
        if lacking or bar["kind"] not in KINDS:
            raise ValueError(f"{file}: {bar}: lacks {sorted(lacking)}, or kind isn't one of {', '.join(KINDS)}")
    return Bars(**{**table, "fixed": tuple(table["fixed"])}, bars=bars)


def judge(result: Result, policy: str, bars: Bars | None = None) -> list[Verdict]:
    """What a result says of a policy, bar by bar.

    Parameters
    ----------
    result : Result
    policy : str
        Its name in the result.
    bars : Bars, optional
        Default: those of the file.

    Raises
    ------
    InputError
        The policy is not in the result.
    """
    bars = bars or read_bars()
    if policy not in result.policies:
        raise InputError(f"no policy {policy!r} in the result; expected one of {', '.join(result.policies)}")
    families = result.good["family"].nunique()
    out = []
    for bar in bars.bars:
        kind = KINDS[bar["kind"]]
        try:
            if families < bars.families:
                raise NotMeasuredError(f"{families} families, needs {bars.families}")
            # A bar on what a policy does at other prices names these.
            player = _rival(result, f"{policy}({bar['prices']})") if "prices" in bar else policy
            found = kind.judge(result, player, bar, bars)
            verdict = "stretch" if found.met and found.stretch else "met" if found.met else "missed"
        except (NotMeasuredError, InputError) as error:
            found, verdict = Found(False, False, str(error)), "not measured"
        reach, more = (kind.shown(bar, key) for key in ("bar", "stretch"))
        out.append(Verdict(bar["number"], kind.title(bar), reach, more, found.said, verdict))
    return out


def markdown(verdicts: Sequence[Verdict]) -> str:
    """The table."""
    lines = ["| # | measure | bar | stretch | measured | |", "|---|---|---|---|---|---|"]
    lines += [f"| {v.number} | {v.measure} | {v.bar} | {v.stretch} | {v.measured} | {v.verdict} |" for v in verdicts]
    return "\n".join(lines)


# ------------------------------------------------------------------- kinds


def _rival(result: Result, name: str) -> str:
    if name not in result.policies:
        raise NotMeasuredError(f"{name} was not played")
    return name


def _compared(result: Result, policy: str, score: str, bars: Bars) -> pd.DataFrame:
    """Against every rival that a bar of this score names: Holm's correction is over these."""
    named = [bar["against"] for bar in bars.bars if bar["kind"] == "gain" and bar["score"] == score]
    rivals = [name for name in dict.fromkeys(named) if name in result.policies and name != policy]
    about = number(score)
    means = family_means(result.good, score)[[policy, *rivals]]
    return wilcoxon_holm(means, policy, factor=about.factor, less=about.less)


def _gain(result: Result, policy: str, bar: Mapping[str, Any], bars: Bars) -> Found:
    line = _compared(result, policy, bar["score"], bars).loc[_rival(result, bar["against"])]
    sure = line["p_holm"] < bar["p"]
    said = f"{line['difference']:+.2f} pp ({line['low']:+.2f} to {line['high']:+.2f}), p {line['p_holm']:.2g}"
    return Found(sure and line["difference"] >= bar["bar"], sure and line["difference"] >= bar["stretch"], said)


def _regret(result: Result, policy: str, bar: Mapping[str, Any], bars: Bars) -> Found:
    fixed = [name for name in bars.fixed if name in result.policies]
    if len(fixed) < 2:
        raise NotMeasuredError("fewer than two fixed strategies were played")
    table = regret(result.good, bar["score"], [], fixed=fixed)
    table = table[table["against"] == BEST_FIXED].set_index("policy")[bar["of"]]
    # The hardest baseline: whichever fixed strategy has the least.
    best = table[fixed].astype(float).idxmin()
    ours, theirs = float(table[policy]), float(table[best])
    said = f"{ours:.2f} pp, best fixed {theirs:.2f} pp ({best})"
    return Found(ours <= bar["bar"] * theirs, ours <= bar["stretch"] * theirs, said)


def _worse(result: Result, policy: str, bar: Mapping[str, Any], bars: Bars) -> Found:
    rival = _rival(result, bar["against"])
    outcome = paired_tests(result.good, bar["score"], policy, rival, by="family", level=LEVEL)["outcome"]
    share = float((outcome == "loss").mean())
    return Found(share <= bar["bar"], share <= bar["stretch"], f"{share:.1%} ({(outcome == 'loss').sum()} families)")


def _saved(result: Result, policy: str, bar: Mapping[str, Any], bars: Bars) -> Found:
    rival = _rival(result, bar["against"])
    if bar["score"] not in result.good:
        raise NotMeasuredError(f"the runs have no {bar['score']}")
    means = family_means(result.good, bar["score"])[[policy, rival]].dropna()
    times = float(np.exp(np.log(means[rival] / means[policy]).mean()))
    loss = family_means(result.good, "aulc")
    gain = 100 * float((loss[policy] - loss[rival]).mean())
    lost = gain < 0
    return Found(
        not lost and times >= bar["bar"], not lost and times >= bar["stretch"], f"{times:.2g}×, AULC {gain:+.2f} pp"
    )


def _utility(result: Result, policy: str, bar: Mapping[str, Any], bars: Bars) -> Found:
    fixed = [name for name, spelling in result.policies.items() if name != policy and _is_fixed(spelling)]
    if not fixed or not set(PARTS) <= set(result.good):
        raise NotMeasuredError("no fixed configuration was played, or the runs have no parts of the utility")
    lines, tied, best = [], [], []
    for name, prices in price_grid(result.prices).items():
        at = f"{policy}(second={prices.second!r})"  # it knows the prices, if it was played with them
        ours = at if at in result.policies else policy
        means = family_means(result.good.assign(utility=utilities(result.good, prices)), "utility")[[ours, *fixed]]
        rival = str(means[fixed].mean().idxmax())
        delta = (means[ours] - means[rival]).dropna().to_numpy(dtype=np.float64)
        difference, p = float(delta.mean()), wilcoxon(delta)[1]
        tied.append(difference >= 0 or p >= LEVEL)
        best.append(difference > 0 and p < LEVEL)
        lines.append(f"{name}: {difference:+.1f} to {rival} (p {p:.2g})")
    return Found(all(tied), all(best), "; ".join(lines))


def _is_fixed(spelling: str) -> bool:
    try:
        return isinstance(read_policy(spelling), Fixed)
    except Exception:  # a peer's function, or a policy of another version: its text cannot be read back
        return spelling.startswith("plain(")


def _stop(result: Result, policy: str, bar: Mapping[str, Any], bars: Bars) -> Found:
    if "stop.cost" not in result.good:
        raise NotMeasuredError("no run says what its stop cost against the best stop in hindsight (column stop.cost)")
    rows = result.good[result.good["policy"] == policy]
    cost = rows.groupby("task")["stop.cost"].mean()
    shares = [float((cost <= bar[key]).mean()) for key in ("within", "stretch_within")]
    said = f"{shares[0]:.0%} of tasks within {bar['within']:g}×, {shares[1]:.0%} within {bar['stretch_within']:g}×"
    return Found(shares[0] >= bar["bar"], shares[1] >= bar["stretch"], said)


def _compression(result: Result, policy: str, bar: Mapping[str, Any], bars: Bars) -> Found:
    rows = result.good[result.good["policy"] == policy]
    reached = rows[bar["score"]].notna().mean()
    # Not reached is worse than anything reached; nothing is extrapolated.
    families = rows[bar["score"]].fillna(-np.inf).groupby(rows["family"]).median()
    middle = float(families.median())
    said = f"{middle:.1%}" if np.isfinite(middle) else "most families did not reach it"
    said = f"{said} (reached in {reached:.0%} of the runs)"
    return Found(middle >= bar["bar"], middle >= bar["stretch"], said)


@dataclass(frozen=True)
class _Kind:
    judge: Callable[[Result, str, Mapping[str, Any], Bars], Found]
    title: Callable[[Mapping[str, Any]], str]
    shown: Callable[[Mapping[str, Any], str], str]


def _number(text: str) -> Callable[[Mapping[str, Any], str], str]:
    return lambda bar, key: text.format(bar[key])


def _titled(text: str) -> Callable[[Mapping[str, Any]], str]:
    def titled(bar: Mapping[str, Any]) -> str:
        said = text.format(**{**bar, "score": number(bar["score"]).title if "score" in bar else ""})
        return f"{said}, at {bar['prices']}" if "prices" in bar else said

    return titled


KINDS: Mapping[str, _Kind] = {
    "gain": _Kind(_gain, _titled("{score}, against `{against}`, p < {p}"), _number("≥ {:+g} pp")),
    "regret": _Kind(
        _regret,
        lambda bar: f"regret to the best fixed, {'mean' if bar['of'] == 'mean' else 'worst cell'}",
        _number("≤ {:g} of the best fixed strategy's"),
    ),
    "worse": _Kind(_worse, _titled("families significantly worse than `{against}`"), _number("≤ {:.0%}")),
    "saved": _Kind(_saved, _titled("{score}, at no loss of AULC against `{against}`"), _number("{:g}× less")),
    "utility": _Kind(
        _utility,
        _titled("utility at five prices, against every fixed configuration"),
        lambda bar, key: "best or tied at each" if key == "bar" else "best at each",
    ),
    "stop": _Kind(
        _stop,
        _titled("cost with the policy's stop against the best stop in hindsight"),
        lambda bar, key: f"≤ {bar['within' if key == 'bar' else 'stretch_within']:g}× on {bar[key]:.0%} of tasks",
    ),
    "compression": _Kind(_compression, _titled("{score}, median over families"), _number("≥ {:.0%}")),
}
