"""What the names mean that a run logs: the rules by which a store of level L1 or L2 keeps them."""

from __future__ import annotations

from functools import lru_cache
from typing import get_args

from metaal.actions import Refit
from metadata_store.privacy import BY_NAME, Rule, Rules

_BY_POLICY = ("default", "learned", "fitted", "fixed", "uniform", "schedule")


@lru_cache(maxsize=4096)
def known_strategy(text: str) -> bool:
    """Say whether a text spells a strategy of the catalogue; a function has a name of its author's choice, so it
    is not known.

    Examples
    --------
    >>> known_strategy("mix(margin=0.7, random=0.3)"), known_strategy("Mrs. X")
    (True, False)
    """
    from strategy_zoo import ZooError, get

    try:
        return "plain(" not in text and get(text).spelling == text
    except ZooError:
        return False


def known_action(text: str) -> bool:
    """Say whether a text is an action: a strategy, perhaps with a batch multiplier, a share, a refit; or "stop".

    Examples
    --------
    >>> known_action("margin ×2"), known_action("stop"), known_action("margin ×two")
    (True, True, False)
    """
    from metaal.actions import read_action
    from metaal.errors import InputError

    try:
        action = read_action(text)
    except InputError:
        return False
    return str(action) == text and (action.stop or known_strategy(action.strategy))


@lru_cache(maxsize=4096)
def known_policy(text: str) -> bool:
    """Say whether a text spells a policy of this package; the path of a file may tell anything, so it is not known.

    Examples
    --------
    >>> known_policy("uniform('margin', 'random')"), known_policy("/home/x/mine.metaal")
    (True, False)
    """
    from metaal.errors import MetaalError
    from metaal.policies import read_policy

    if text in _BY_POLICY or known_strategy(text):
        return True
    if text.split("(", 1)[0] not in _BY_POLICY or "plain(" in text:
        return False
    try:
        return read_policy(text).spelling == text
    except MetaalError:
        return False


def known_learner(text: str) -> bool:
    """Say whether a text names a learner of the rehearsal."""
    from metaal.rehearsal import LEARNERS

    return text in LEARNERS


def known_regime(text: str) -> bool:
    """Say whether a text spells a regime of the rehearsal.

    Examples
    --------
    >>> known_regime("noise(rate=0.3)"), known_regime("Mrs. X")
    (True, False)
    """
    from metaal.errors import MetaalError
    from metaal.rehearsal import read_regime

    try:
        return str(read_regime(text)) == text
    except MetaalError:
        return False


_IDS, _SAMPLES = Rule("id"), Rule("sample")

RULES = Rules(
    values=(
        ("run.seed", Rule("plain")),
        ("run.budget", Rule("plain")),
        ("run.policy", Rule("text", known=known_policy)),
        ("run.policy.checksum", Rule("free")),
        ("run.default", Rule("text", known=known_strategy)),
        ("tag.learner", Rule("text", known=known_learner)),
        ("tag.regime", Rule("text", known=known_regime)),
        ("tag.kind", Rule("text", known=("classification", "regression").__contains__)),
        ("action.name", Rule("text", known=known_action)),
        ("action.strategy", Rule("text", known=known_strategy)),
        ("action.refit", Rule("text", known=get_args(Refit).__contains__)),
        ("action.share", Rule("plain")),
        ("state.*", Rule("digest")),
        ("decision.reason", Rule("free")),
        ("task.*", Rule("plain")),
        ("loop.since.first", Rule("plain")),
        ("loop.batch", Rule("count")),
        ("pool.size", Rule("count")),
        ("pool.predicted.rarest", Rule("share", of=("pool.size",))),
        ("pool.predicted.commonest", Rule("share", of=("pool.size",))),
        ("labels.count", Rule("count")),
        ("labels.told", Rule("count")),
        ("labels.share", Rule("ratio", of=("labels.count", "pool.size"))),
        ("labels.rarest", Rule("share", of=("labels.count",))),
        ("labels.*", Rule("scalar", of=("labels.count",))),
        ("query.count", Rule("count")),
        ("query.*", Rule("scalar", of=("query.count",))),
        # several tells of a loop add up; a late label is of an earlier query, and no part of these numbers
        ("surprise.*", Rule("scalar", of=("oracle.told", "oracle.late"))),
        ("oracle.*", Rule("count")),
        ("cost.rows.scored", Rule("count")),
        ("branch.action", Rule("text", known=known_action)),
        ("branch.strategy", Rule("text", known=known_strategy)),
        ("branch.default", Rule("text", known=known_strategy)),
        ("branch.refit", Rule("text", known=get_args(Refit).__contains__)),
        ("branch.share", Rule("plain")),
        ("branch.count", Rule("plain")),
        ("branch.horizon", Rule("plain")),
        ("branch.played", Rule("plain")),
        ("branch.scored", Rule("count")),
        *BY_NAME.values,
    ),
    arrays=(
        ("ids", _IDS),
        ("query.ids", _IDS),
        ("reference.ids", _IDS),
        ("query.score", Rule("score")),
        ("query.score.rank", Rule("rank")),
        ("query.*", _SAMPLES),
        ("reference.*", _SAMPLES),
        ("labels", Rule("label")),
        ("classes", Rule("label")),
        ("actions", Rule("texts", known=known_action)),
        ("actions.probability", Rule("vector")),
        ("preview.strategy", Rule("texts", known=known_strategy)),
        ("preview.features", Rule("vector", of=("loop.batch",))),
        *BY_NAME.arrays,
    ),
)
"""The rules of every name that `metaal.Run` logs; ``user.*``, ``score.*`` and others go by their type."""
