"""Peers are strategies as any other: they ask what they would at home, and what ours asks where both mean the same."""

from __future__ import annotations

import pickle
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from benchmarks.peers import PEERS, installed, rival
from benchmarks.peers.albl import Albl, Exp4P, least_sure
from benchmarks.peers.standing import Answers, table, whole
from metaal import Task, evaluate
from metaal.errors import InputError
from strategy_zoo import View, propose
from strategy_zoo.errors import UnmetNeedError
from strategy_zoo.plain import Plain

SAME = {
    "skactiveml.margin": "margin",
    "skactiveml.entropy": "entropy",
    "skactiveml.least_confidence": "least_confidence",
    "skactiveml.k_center": "k_center",
    "modal.margin": "margin",
    "modal.entropy": "entropy",
    "modal.least_confidence": "least_confidence",
}


def view(rows: int = 60, seed: int = 0, **change: Any) -> View:
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.ones(3), rows)
    given = {"embedding": rng.normal(size=(rows, 4)), "proba": proba, "classes": np.arange(3)}
    given |= {"seen_embedding": rng.normal(size=(9, 4)), "seen_y": np.arange(9) % 3}
    return View(**{**given, **change})


def asked(name: str, given: View, n: int, seed: int = 0) -> list[int]:
    rows: list[int] = propose(Plain(PEERS[name], name), given, n, np.random.default_rng(seed)).rows.tolist()
    return rows


def test_the_test_packages_are_here() -> None:
    assert installed() == list(PEERS)


@pytest.mark.parametrize("name", SAME)
def test_what_means_the_same_asks_the_same(name: str) -> None:
    for seed in range(3):
        given = view(seed=seed)
        ours = propose(SAME[name], given, 7, np.random.default_rng(0)).rows.tolist()
        assert set(asked(name, given, 7)) == set(ours)


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_keeps_to_the_contract(name: str) -> None:
    """Different rows, as many as wanted, the same for the same generator; also of duplicates."""
    same = np.repeat(np.arange(5.0), 4)[:, None] * np.ones(4)
    proba = np.repeat([[0.5, 0.3, 0.2], [1, 0, 0], [0.4, 0.4, 0.2], [0.2, 0.2, 0.6], [0, 1, 0]], 4, axis=0)
    for given in (view(), view(rows=20, embedding=same, proba=proba)):
        for n in (1, 6, given.n):
            rows = asked(name, given, n, seed=3)
            assert len(set(rows)) == n
            assert rows == asked(name, given, n, seed=3)
    assert pickle.loads(pickle.dumps(PEERS[name])) is not None  # noqa: S301  # workers get it so


def test_ranked_batches_are_modals_own() -> None:
    """Against the first step of the formula of Cardoso et al.: α (1 − similarity) + (1 − α) uncertainty."""
    given = view()
    distance = np.linalg.norm(given.embedding[:, None] - given.seen_embedding[None], axis=2).min(axis=1)
    alpha = 60 / (60 + 9)
    score = alpha * (1 - 1 / (1 + distance)) + (1 - alpha) * (1 - given.proba.max(axis=1))
    assert asked("modal.ranked_batch", given, 1) == [int(score.argmax())]
    assert len(set(asked("modal.ranked_batch", given, 5))) == 5


def test_a_stand_in_answers_with_what_was_shown_and_nothing_else() -> None:
    given = view()
    answers = Answers(given)
    rows = np.array([5, 0, 5])
    assert np.array_equal(answers(given.embedding[rows]), given.proba[rows])
    answers(given.embedding)[:] = 0  # a copy: some strategies write to what they get
    assert np.array_equal(answers(given.embedding), given.proba)
    with pytest.raises(KeyError):
        answers(np.zeros((1, 4)))
    with pytest.raises(UnmetNeedError, match="needs proba and embedding"):
        Answers(View(proba=given.proba))
    x, y = table(given)
    assert np.array_equal(x[:60], given.embedding)
    assert np.isnan(y[:60]).all()
    assert y[60:].tolist() == [0, 1, 2] * 3
    assert not sparse.issparse(x)


def test_rows_named_twice_are_made_up_for() -> None:
    rng = np.random.default_rng(0)
    assert whole(np.array([3, 1, 2]), 2, 9, rng).tolist() == [3, 1]
    rows = whole(np.array([4, 4, 4]), 3, 6, rng)
    assert rows[0] == 4
    assert len(set(rows.tolist())) == 3


def test_peers_are_played_beside_ours_in_one_process() -> None:
    policies = {name: rival(name) for name in ("skactiveml.margin", "modal.margin", "skactiveml.badge", "albl")}
    task = Task("wine", "naive_bayes", batch=3, budget=9)
    result = evaluate({**policies, "margin": "margin"}, [task], [0, 1], jobs=1, progress=False)
    runs = result.runs.set_index(["policy", "seed"])
    assert (runs["labels.spent"] == 9).all()
    for name in ("skactiveml.margin", "modal.margin"):
        assert runs.loc[name, "aulc"].tolist() == runs.loc["margin", "aulc"].tolist()
    assert result.policies["albl"] == "plain('albl')"


def test_an_unknown_peer_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no peer 'modal\.margins'.*modal\.margin"):
        rival("modal.margins")


# -------------------------------------------------------------------- ALBL


def test_the_bandits_weights_follow_the_published_formula() -> None:
    """Exp4.P with its constants written out, on a fixed sequence of draws."""
    rng = np.random.default_rng(0)
    rounds, delta, count = 40, 0.1, 4
    bandit = Exp4P(np.ones(count), rounds, delta)
    weights = [1.0] * count
    least = (np.log(count) / count / rounds) ** 0.5
    for _ in range(30):
        total = sum(weights)
        p = [(1 - count * least) * w / total + least for w in weights]
        assert bandit.probabilities == pytest.approx(p)
        advice, reward = rng.dirichlet(np.ones(count)), float(rng.random())
        drawn = sum(pk * ak for pk, ak in zip(p, advice, strict=True))
        bandit = bandit.updated(advice, bandit.probabilities, drawn, reward)
        for k in range(count):
            bonus = (np.log(count / delta) / count / rounds) ** 0.5 / p[k]
            weights[k] *= np.exp(least / 2 * (reward * advice[k] / drawn + bonus))
    assert bandit.weights == pytest.approx(np.array(weights) / max(weights))
    assert np.ptp(bandit.probabilities) > 0.01


def first(view: View, n: int, rng: np.random.Generator) -> np.ndarray:
    return np.arange(n)


def last(view: View, n: int, rng: np.random.Generator) -> np.ndarray:
    return view.n - 1 - np.arange(n)


class Loop:
    """A pool whose rows are asked for one after the other."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.x = rng.normal(size=(30, 2)).astype(np.float32)
        self.y = (self.x[:, 0] + 0.8 * rng.normal(size=30) > 0).astype(int)
        self.seen = [int(np.flatnonzero(self.y == c)[0]) for c in (0, 1)] + [12, 13]

    def view(self) -> View:
        self.left = np.setdiff1d(np.arange(30), self.seen)
        seen = {"seen_embedding": self.x[self.seen], "seen_y": self.y[self.seen]}
        return View(embedding=self.x[self.left], proba=np.full((len(self.left), 2), 0.5), **seen)

    def ask(self, strategy: Albl, n: int, seed: int) -> np.ndarray:
        rows = strategy(self.view(), n, np.random.default_rng(seed))
        self.seen += self.left[rows].tolist()
        return rows


def test_albl_rewards_its_experts_as_published() -> None:
    """One row a loop, beside an independent account of every draw: libact's own order of events."""
    loop, strategy = Loop(), Albl((first, last), rounds=20)
    bandit, start = Exp4P(np.ones(3), 20), len(loop.seen)
    history: list[tuple[int, float]] = []
    for t in range(12):
        if history:
            model = LogisticRegression().fit(loop.x[loop.seen], loop.y[loop.seen])
            right = model.predict(loop.x[loop.seen[start:]]) == loop.y[loop.seen[start:]]
            reward = sum(r / chance for r, (_, chance) in zip(right, history, strict=True)) / 30 / 20
            bandit = bandit.updated(advice, p, history[-1][1], reward)  # noqa: F821  # of the loop before
        left = 30 - len(loop.seen)
        rows = loop.ask(strategy, 1, seed=t)
        assert strategy.weights == pytest.approx(bandit.weights)
        p = bandit.probabilities
        row = int(rows[0])
        advice = np.array([row == 0, row == left - 1, 1 / left], dtype=float)
        history.append((row, float(p @ advice)))
    assert len(set(loop.seen)) == start + 12


def test_albl_draws_as_often_as_its_chances_say() -> None:
    given = Loop().view()
    rows = [int(Albl((first, last))(given, 1, np.random.default_rng(seed))[0]) for seed in range(600)]
    share = 1 / 3 + 1 / 3 / given.n
    for row in (0, given.n - 1):
        assert np.mean(np.array(rows) == row) == pytest.approx(share, abs=4 * np.sqrt(share / 600))


def test_albl_begins_anew_with_another_run_and_not_within_one() -> None:
    loop, strategy = Loop(), Albl((first, last), rounds=20)
    for t in range(4):
        loop.ask(strategy, 3, seed=t)
    view = loop.view()
    rows = strategy(view, 3, np.random.default_rng(9))
    weights = strategy.weights.copy()
    assert np.ptp(weights) > 0
    assert strategy(view, 3, np.random.default_rng(9)).tolist() == rows.tolist()
    assert np.array_equal(strategy.weights, weights)  # asked twice in one loop
    other = Loop(seed=1)
    other.ask(strategy, 3, seed=0)
    assert np.array_equal(strategy.weights, np.ones(3))
    other.ask(strategy, 3, seed=1)
    assert np.ptp(strategy.weights) > 0
    other.seen[-1] = int(np.setdiff1d(np.arange(30), other.seen)[0])  # a label that it did not ask for
    other.ask(strategy, 3, seed=2)
    assert np.array_equal(strategy.weights, np.ones(3))


def test_libacts_experts_have_models_of_their_own() -> None:
    loop = Loop()
    given = loop.view()
    x = loop.x.astype(np.float64)
    model = LogisticRegression(C=0.01).fit(x[loop.seen], loop.y[loop.seen])
    best = model.predict_proba(x[loop.left]).max(axis=1)
    rule = partial(least_sure, strength=0.01)
    assert rule(given, 3, np.random.default_rng(0)).tolist() == np.argsort(best, kind="stable")[:3].tolist()
    with pytest.raises(UnmetNeedError, match="albl needs embedding, seen_embedding and seen_y"):
        Albl(("margin",))(View(proba=given.proba), 1, np.random.default_rng(0))
