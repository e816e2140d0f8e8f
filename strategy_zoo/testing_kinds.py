"""The contract of strategies for streams and of those that make points, beyond what `testing` checks of all.

    from strategy_zoo.testing_kinds import check_stream, check_synthesis
    check_stream("my_stream(share=0.05)")
    check_synthesis("my_maker")

Each check raises AssertionError with words. `CHECKS_STREAM` and `CHECKS_SYNTHESIS` map names to checks, so that a test
suite can show one line for each.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from strategy_zoo._samples import arrays
from strategy_zoo.errors import ZooError
from strategy_zoo.space import Space
from strategy_zoo.spelling import get
from strategy_zoo.strategy import Strategy
from strategy_zoo.stream import Stream, StreamStrategy
from strategy_zoo.synthesis import Synthesis, SynthesisStrategy, synthesise
from strategy_zoo.view import View

Check = Callable[[Strategy], None]
CHECKS_STREAM: dict[str, Check] = {}
CHECKS_SYNTHESIS: dict[str, Check] = {}

# What a budget may let through on a long stream: a tenth more than the share, and a start of that many rows.
SHARE_TOLERANCE = 0.1
START = 50

__all__ = ["CHECKS_STREAM", "CHECKS_SYNTHESIS", "SHARE_TOLERANCE", "START", "check_stream", "check_synthesis"]


def check_stream(strategy: str | Strategy) -> None:
    """Run every check for streams; the first failure raises AssertionError that names the check and the reason.

    >>> check_stream("stream_split")
    """
    _run(CHECKS_STREAM, get(strategy))


def check_synthesis(strategy: str | Strategy) -> None:
    """Run every check for strategies that make points; the first failure names the check and the reason.

    >>> check_synthesis("bisect_boundary")
    """
    _run(CHECKS_SYNTHESIS, get(strategy))


def _run(checks: dict[str, Check], strategy: Strategy) -> None:
    for name, check in checks.items():
        try:
            check(strategy)
        except AssertionError as error:
            raise AssertionError(f"{strategy} fails {name}: {error}") from error


def _for_streams(function: Callable[[StreamStrategy], None]) -> Callable[[StreamStrategy], None]:
    @functools.wraps(function)
    def check(strategy: Strategy) -> None:
        if not isinstance(strategy, StreamStrategy):
            raise AssertionError(f"{strategy} is no StreamStrategy; subclass strategy_zoo.stream.StreamStrategy")
        function(strategy)

    CHECKS_STREAM[function.__name__] = check
    return function


def _for_synthesis(function: Callable[[SynthesisStrategy], None]) -> Callable[[SynthesisStrategy], None]:
    @functools.wraps(function)
    def check(strategy: Strategy) -> None:
        if not isinstance(strategy, SynthesisStrategy):
            raise AssertionError(
                f"{strategy} is no SynthesisStrategy; subclass strategy_zoo.synthesis.SynthesisStrategy"
            )
        function(strategy)

    CHECKS_SYNTHESIS[function.__name__] = check
    return function


def _say(condition: bool, reason: str) -> None:
    # Not an assert statement: the checks must also work under python -O.
    if not condition:
        raise AssertionError(reason)


def _rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- streams ---------------------------------------------------------------------------------------------------------


def _rows(n: int) -> View:
    """A stream of ordinary rows, with what the strategies of this kind may read."""
    given = arrays(n)
    names = ("proba", "prediction", "embedding", "committee", "label_proba", "seen_embedding", "seen_y")
    return View(**{name: given[name] for name in names})


@_for_streams
def share_is_held(strategy: StreamStrategy) -> None:
    """On long streams asked / seen stays below the share (see SHARE_TOLERANCE and START), and isn't nothing."""
    ordinary = _rows(8_000)
    doubtful = ordinary.replaced(proba=np.full((8_000, 4), 0.25))
    for share in (0.02, 0.1, 0.5):
        total = 0
        for label, view in (("ordinary rows", ordinary), ("rows that are all in doubt", doubtful)):
            asked = np.cumsum(Stream(replace(strategy, share=share), _rng()).offer_many(view))
            most = (1 + SHARE_TOLERANCE) * share * np.arange(1, len(asked) + 1) + START
            late = np.flatnonzero(asked > most)
            at = int(late[0]) if len(late) else 0
            _say(not len(late), f"{label}, share {share}: {asked[at]} of the first {at + 1} rows were asked for")
            total += int(asked[-1])
        # A strategy may find nothing to ask in one of the streams, but hardly in both.
        _say(total > 0, f"share {share}: none of 8,000 ordinary and 8,000 doubtful rows was asked for")


@_for_streams
def edges_of_the_share(strategy: StreamStrategy) -> None:
    """A share of 0 asks for nothing, a share of 1 for something."""
    view = _rows(500)
    none = int(Stream(replace(strategy, share=0.0), _rng()).offer_many(view).sum())
    _say(none == 0, f"with share 0, {none} of 500 rows were asked for")
    some = int(Stream(replace(strategy, share=1.0), _rng()).offer_many(view).sum())
    _say(some > 0, "with share 1, none of 500 rows was asked for")


@_for_streams
def memory_is_bounded(strategy: StreamStrategy) -> None:
    """The state doesn't grow with the stream, and JSON holds it."""
    stream = Stream(strategy, _rng())
    view = _rows(6_000)
    sizes = []
    for start in (0, 2_000, 4_000):
        stream.offer_many(view.block(start, start + 2_000))
        try:
            json.dumps(stream.state, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise AssertionError(f"its state is nothing that JSON can hold: {error}") from error
        sizes.append(_numbers(stream.state))
    _say(sizes[1] == sizes[2], f"its state holds {sizes} numbers after 2,000, 4,000 and 6,000 rows")


def _numbers(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_numbers, value.values()))
    return sum(map(_numbers, value)) if isinstance(value, list | tuple) else 1


@_for_streams
def resuming_changes_nothing(strategy: StreamStrategy) -> None:
    """A stream that goes on from its state, read back from JSON, answers as the unbroken one."""
    view = _rows(600)
    whole = Stream(strategy, _rng()).offer_many(view).tolist()
    answers: list[bool] = []
    rng, state = _rng(), None
    for start in range(0, 600, 97):
        stream = Stream(strategy, rng, state)
        answers += stream.offer_many(view.block(start, start + 97)).tolist()
        state = json.loads(json.dumps(stream.state))
        again = _rng()
        again.bit_generator.state = rng.bit_generator.state
        rng = again
    first = next((i for i, (a, b) in enumerate(zip(whole, answers, strict=True)) if a != b), -1)
    _say(first < 0, f"broken every 97 rows and resumed from its state, it answers otherwise from row {first} on")


@_for_streams
def many_equal_one_by_one(strategy: StreamStrategy) -> None:
    view = _rows(300)
    many, single = Stream(strategy, _rng()), Stream(strategy, _rng())
    whole = many.offer_many(view).tolist()
    ones = [single.offer(view.block(i, i + 1)) for i in range(300)]
    first = next((i for i, (a, b) in enumerate(zip(whole, ones, strict=True)) if a != b), -1)
    _say(first < 0, f"offer_many and offer answer differently from row {first} on")
    _say((many.seen, many.asked) == (300, sum(ones)), f"it counts {many.seen} seen and {many.asked} asked")


@_for_streams
def offer_leaves_the_state_it_is_given(strategy: StreamStrategy) -> None:
    """`offer` is a function: the state that goes in isn't changed, and the same state gives the same answer."""
    view, rng = _rows(40), _rng()
    state = strategy.begin()
    for i in range(40):
        before = json.dumps(state)
        saved = rng.bit_generator.state
        asked, after = strategy.offer(state, view.block(i, i + 1), rng)
        _say(json.dumps(state) == before, f"offer changed the state that it was given, at row {i}")
        again = _rng()
        again.bit_generator.state = saved
        _say(strategy.offer(state, view.block(i, i + 1), again) == (asked, after), f"row {i}: two equal calls differ")
        state = after


# --- query synthesis -------------------------------------------------------------------------------------------------


def _view(n: int = 60, columns: int = 5) -> View:
    given = arrays(n, columns=columns)
    return View(**{name: given[name] for name in ("embedding", "seen_embedding", "seen_y", "proba", "predict")})


def _mixed(valid: Any = None) -> Space:
    return Space([0, 0, 0, 1, -2], [10, 9.5, 3, 7, 12], integer=[1, 2], categorical={3: [1, 4, 6.5]}, valid=valid)


def _made(strategy: SynthesisStrategy, space: Space, n: int = 12, seed: int = 1, project: bool = False) -> Synthesis:
    return synthesise(strategy, _view(columns=space.columns), space, n, _rng(seed), project)


@_for_synthesis
def as_many_points_as_asked(strategy: SynthesisStrategy) -> None:
    for n in (1, 2, 17, 60):
        made = strategy.synthesise(_view(), _mixed(), n, _rng())
        _say(made.points.shape == (n, 5), f"{n} points were wanted, it made an array of shape {made.points.shape}")
        _say(made.score.shape == (n,), f"{n} points were made with scores of shape {made.score.shape}")


@_for_synthesis
def points_are_different_where_they_can_be(strategy: SynthesisStrategy) -> None:
    made = strategy.synthesise(_view(), Space([0] * 5, [10] * 5), 30, _rng())
    count = len(np.unique(made.points, axis=0))
    _say(count == 30, f"30 points of a space without gaps were wanted, only {count} differ")
    one = strategy.synthesise(_view(), Space([3] * 5, [3] * 5), 4, _rng())
    _say(bool((one.points == 3).all()) and len(one.points) == 4, "a space of a single point isn't served")


@_for_synthesis
def points_lie_in_the_bounds(strategy: SynthesisStrategy) -> None:
    # The labelled and pool rows lie from 0 to 10: the first box is around them, the second inside, the third beside.
    for low, high in ((0.0, 10.0), (4.0, 4.5), (20.0, 30.0)):
        made = strategy.synthesise(_view(), Space([low] * 5, [high] * 5), 20, _rng())
        bad = np.flatnonzero(((made.points < low) | (made.points > high)).any(axis=1))
        at = made.points[bad[0]].tolist() if len(bad) else []
        _say(not len(bad), f"{len(bad)} of 20 points lie outside of [{low}, {high}], the first at {at}")


@_for_synthesis
def whole_numbers_and_categories_are_kept(strategy: SynthesisStrategy) -> None:
    points = strategy.synthesise(_view(), _mixed(), 40, _rng()).points
    for column in (1, 2):
        bad = points[points[:, column] != np.floor(points[:, column]), column]
        _say(not len(bad), f"column {column} must be whole, but {len(bad)} points have values such as {bad[:1]}")
    strange = sorted(set(points[:, 3].tolist()) - {1.0, 4.0, 6.5})
    _say(not strange, f"column 3 may be 1, 4 or 6.5, but it is {strange[:3]}")
    _say(bool((points <= [10, 9, 3, 6.5, 12]).all()), "a whole number lies beyond its bound")


@_for_synthesis
def validity_is_kept(strategy: SynthesisStrategy) -> None:
    def valid(points: Any) -> Any:
        return points[:, 0] + points[:, 4] > 9

    points = strategy.synthesise(_view(), _mixed(valid), 25, _rng()).points
    bad = int((~valid(points)).sum())
    _say(bad == 0, f"{bad} of 25 points aren't valid by the caller's function")


@_for_synthesis
def impossible_spaces_are_refused(strategy: SynthesisStrategy) -> None:
    space = _mixed(lambda points: np.zeros(len(points), bool))
    try:
        strategy.synthesise(_view(), space, 3, _rng())
    except ZooError as error:
        _say("valid" in str(error), f"the error about a space without valid points doesn't say so: {error}")
    except Exception as error:
        raise AssertionError(f"a space without valid points ends in {type(error).__name__}: {error}") from error
    else:
        raise AssertionError("it made points in a space in which no point is valid")


@_for_synthesis
def same_generator_same_points(strategy: SynthesisStrategy) -> None:
    one, two = _made(strategy, _mixed(), seed=3), _made(strategy, _mixed(), seed=3)
    _say(np.array_equal(one.points, two.points), "two calls with equal generators make different points")
    _say(np.array_equal(one.score, two.score), "two calls with equal generators give different scores")


@_for_synthesis
def projection_gives_different_rows(strategy: SynthesisStrategy) -> None:
    """Every point gets a pool row of its own, also when all rows of the pool are equal."""
    for label, view in (("an ordinary pool", _view(20)), ("a pool of equal rows", _view(20).take([3] * 20))):
        for n in (1, 7, 20):
            rows = synthesise(strategy, view, Space([0] * 5, [10] * 5), n, _rng(), project=True).rows
            if rows is None:
                raise AssertionError("there are no rows")
            _say(len(set(rows.tolist())) == n, f"{label}: {n} points share {len(set(rows.tolist()))} rows")
            _say(int(rows.min()) >= 0 and int(rows.max()) < 20, f"{label}: a row is out of range")


@_for_synthesis
def works_without_a_pool_and_without_labels(strategy: SynthesisStrategy) -> None:
    given = arrays(5)
    empty = given["embedding"][:0]
    for seen in (None, empty, given["seen_embedding"]):
        view = View(embedding=empty, seen_embedding=seen, predict=given["predict"])
        made = synthesise(strategy, view, _mixed(), 6, _rng())
        _say(len(made) == 6, f"it made {len(made)} points instead of 6 without a pool")
