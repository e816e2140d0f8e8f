"""BAIT and the one-step look-aheads agree with references written another way, and with scikit-activeml."""

import itertools
from typing import Any

import numpy as np
import pytest

import strategy_zoo._lookahead as lookahead_module
import strategy_zoo.strategies.bait as bait_module
from strategy_zoo import SpellingError, UnmetNeedError, View, ViewError, get, propose
from strategy_zoo.proposal import Proposal
from strategy_zoo.testing import arrays, check_strategy
from tests.strategy_zoo.shorthand import rng, rows

LOOKAHEADS = ["expected_error_reduction", "expected_error_reduction(loss='zero_one')", "value_of_information"]


# --- one-step look-ahead ---------------------------------------------------------------------------------------------


def loss_of(spelling: str, q: np.ndarray, costs: Any = None) -> float:
    """Loss of one row of the evaluation sample, summed term by term."""
    if "zero_one" in spelling:
        return float(1 - max(q))
    if "error" in spelling:
        return float(-sum(p * np.log(p) for p in q if p > 0))
    pairs = itertools.product(range(len(q)), repeat=2)
    return float(sum((costs[i][j] if costs else i != j) * q[i] * q[j] for i, j in pairs))


def expected_loss(spelling: str, view: View, row: int, costs: Any = None) -> float:
    assert view.lookahead is not None
    assert view.proba is not None
    ahead = np.asarray(view.lookahead(np.array([row])))[0]
    return float(
        sum(
            view.proba[row, label] * np.mean([loss_of(spelling, q, costs) for q in ahead[label]])
            for label in range(len(ahead))
        )
    )


@pytest.mark.parametrize("spelling", LOOKAHEADS)
@pytest.mark.parametrize("seed", range(3))
def test_look_aheads_agree_with_sums_term_by_term(spelling: str, seed: int) -> None:
    view = View(**arrays(40, seed=seed))
    answer = propose(spelling, view, 40, rng())
    expected = [-expected_loss(spelling, view, row) for row in answer.rows]
    assert answer.score == pytest.approx(expected, rel=1e-9)
    assert sorted(expected, reverse=True) == pytest.approx(expected)
    assert rows(spelling, view, 5) == answer.rows[:5].tolist()


def test_value_of_information_weighs_mistakes_by_their_cost() -> None:
    view = View(**arrays(30, classes=3))
    costs = [[0, 1, 7], [2.5, 0, 1], [30, 0, 4]]
    answer = propose(f"value_of_information(costs={costs})", view, 30, rng())
    expected = [-expected_loss("value", view, row, costs) for row in answer.rows]
    assert answer.score == pytest.approx(expected, rel=1e-9)
    turned = propose(f"value_of_information(costs={np.transpose(costs).tolist()})", view, 30, rng())
    assert np.sort(turned.score) == pytest.approx(np.sort(answer.score))  # Σ cost[i][j] q_i q_j is symmetric in q
    assert turned.rows.tolist() == answer.rows.tolist()
    plain = propose("value_of_information", view, 30, rng())
    ones = propose("value_of_information(costs=((0, 1, 1), (1, 0, 1), (1, 1, 0)))", view, 30, rng())
    assert plain.rows.tolist() == ones.rows.tolist()
    assert plain.score == pytest.approx(ones.score)
    assert plain.rows.tolist() != answer.rows.tolist()


def test_certain_probabilities_lose_nothing() -> None:
    sure = np.broadcast_to(np.eye(3)[:, None, :], (3, 5, 3))
    view = View(proba=arrays(4, classes=3)["proba"], lookahead=lambda asked: np.stack([sure] * len(asked)))
    for spelling in LOOKAHEADS:
        answer = propose(spelling, view, 4, rng())
        assert answer.score.tolist() == [0.0] * 4
        assert answer.rows.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("spelling", LOOKAHEADS)
def test_only_the_rows_of_least_margin_are_looked_at_and_the_others_follow_by_margin(spelling: str) -> None:
    given = arrays(60)
    asked: list[int] = []

    def spied(some: np.ndarray) -> Any:
        assert some.dtype == np.int64
        asked.extend(some.tolist())
        some[:] = 0  # whatever the caller does with its argument
        return given["lookahead"](np.array(asked[-len(some) :]))

    view = View(proba=given["proba"], lookahead=spied)
    by_margin = rows("margin", view, 60)
    short = spelling.replace(")", ", candidates=7)") if "(" in spelling else f"{spelling}(candidates=7)"
    few = propose(short, view, 4, rng())
    assert sorted(asked) == sorted(by_margin[:7])
    assert len(asked) == 7
    plain = View(**given)
    assert few.score == pytest.approx([-expected_loss(spelling, plain, row) for row in few.rows], rel=1e-9)
    whole = propose(short, view, 60, rng())
    assert whole.rows[:4].tolist() == few.rows.tolist()
    assert sorted(whole.rows[:7]) == sorted(by_margin[:7])
    assert whole.rows[7:].tolist() == by_margin[7:]
    assert whole.score[:4].tolist() == few.score.tolist()
    assert whole.score.tolist() == sorted(whole.score, reverse=True)


def test_default_looks_at_64_rows() -> None:
    given = arrays(300)
    asked: list[int] = []
    view = View(proba=given["proba"], lookahead=lambda some: asked.extend(some) or given["lookahead"](some))
    for spelling in LOOKAHEADS:
        asked.clear()
        propose(spelling, view, 3, rng())
        assert sorted(asked) == sorted(rows("margin", view, 64))


def test_look_ahead_sees_the_rows_of_the_whole_pool_inside_a_composition() -> None:
    view = View(**arrays(60))
    near = sorted(rows("margin", view, 12))
    best = propose("expected_error_reduction(candidates=60)", view, 60, rng()).rows.tolist()
    picked = rows("narrow(margin, expected_error_reduction, factor=4)", view, 3)
    assert picked == [row for row in best if row in near][:3]


@pytest.mark.parametrize("limit", [1, 800, 10_000_000])
def test_answers_are_asked_for_in_blocks_of_bounded_size(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookahead_module, "_ENTRIES", limit)
    given = arrays(20)
    calls: list[int] = []
    view = View(proba=given["proba"], lookahead=lambda some: calls.append(len(some)) or given["lookahead"](some))
    answer = propose("expected_error_reduction", view, 20, rng())
    entries = 4 * 9 * 4
    assert sum(calls) == 20
    assert all(count == 1 or count * entries <= limit for count in calls)
    assert len(calls) == {1: 20, 800: 5, 10_000_000: 2}[limit]
    monkeypatch.undo()
    again = propose("expected_error_reduction", View(**given), 20, rng())
    assert answer.rows.tolist() == again.rows.tolist()
    assert answer.score.tolist() == again.score.tolist()


def broken(change: Any) -> View:
    given = arrays(20)
    return View(proba=given["proba"], lookahead=lambda some: change(np.array(given["lookahead"](some))))


def put(value: float) -> Any:
    def change(answer: np.ndarray) -> np.ndarray:
        answer[-1, 1, 5, 2] = value
        return answer

    return change


def shifted(answer: np.ndarray) -> np.ndarray:
    answer[-1, 1, 5] = [-0.5, 0.5, 0.5, 0.5]
    return answer


@pytest.mark.parametrize("spelling", LOOKAHEADS)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a[0], r"shape \(4, 9, 4\); return float64\[1, 4, E, 4\]"),
        (lambda a: a[:, :3], r"shape \(1, 3, 9, 4\)"),
        (lambda a: a[..., :3], r"shape \(1, 4, 9, 3\)"),
        (lambda a: a[:, :, :0], r"shape \(1, 4, 0, 4\)"),
        (lambda a: np.concatenate([a, a]), r"shape \(2, 4, 9, 4\)"),
        (lambda a: None, "no array of numbers"),
        (lambda a: a.astype(str), "no array of numbers"),
        (lambda a: [[0.5], [0.5, 0.5]], "no array of numbers"),
        (lambda a: a[:, :, : 9 - (len(a) > 1)], "evaluation sample of 8 rows, and of 9 in the call before"),
        (put(np.nan), r"nan.* for the evaluation row 5 \(row 0 of those asked, label 1\); return probabilities"),
        (put(np.inf), "inf.* for the evaluation row 5"),
        (put(1.7e308), "e\\+308.* for the evaluation row 5"),
        (put(-0.25), "-0.25.* for the evaluation row 5"),
        (put(1.5), "1.5.* whose sum is 1"),
        (shifted, r"\[-0.5, 0.5, 0.5, 0.5\] for the evaluation row 5"),
    ],
)
def test_a_wrong_answer_of_the_look_ahead_is_refused_in_words(spelling: str, change: Any, words: str) -> None:
    with pytest.raises(ViewError, match=f"(?s)lookahead answered.*{words}"):
        propose(spelling, broken(change), 3, rng())


def test_look_ahead_may_answer_with_lists_and_float32() -> None:
    expected = rows("value_of_information", View(**arrays(20)), 20)
    assert rows("value_of_information", broken(lambda a: a.tolist()), 20) == expected
    assert rows("value_of_information", broken(lambda a: a.astype(np.float32)), 20) == expected


def test_an_error_inside_the_look_ahead_reaches_the_caller() -> None:
    def failing(some: Any) -> Any:
        raise KeyError("model is gone")

    with pytest.raises(KeyError, match="model is gone"):
        propose("value_of_information", View(proba=[[0.5, 0.5]], lookahead=failing), 1, rng())
    with pytest.raises(UnmetNeedError, match="lookahead"):
        get("value_of_information").propose(View(proba=[[0.5, 0.5]]), 1, rng())


@pytest.mark.parametrize(
    "text",
    [
        *("expected_error_reduction(loss='square')", "expected_error_reduction(candidates=0)"),
        *("value_of_information(candidates=2.5)", "value_of_information(costs=3)"),
        *("value_of_information(costs=((0, 1), (1,)))", "value_of_information(costs=((0, -1), (1, 0)))"),
        *("value_of_information(costs=((0, 'a'), (1, 0)))", "value_of_information(costs=())"),
        *("value_of_information(costs='ab')", "value_of_information(costs=('ab', 'cd'))"),
        *("bait(ridge=0)", "bait(oversample=5)", "bait(oversample=1.5)", "bait(ridge='1')"),
    ],
)
def test_parameters_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(SpellingError):
        get(text)


def test_costs_must_fit_the_classes_and_reads_back() -> None:
    strategy = get("value_of_information(costs=[[0, 1], [5, 0]])")
    assert strategy.spelling == "value_of_information(costs=((0.0, 1.0), (5.0, 0.0)))"
    assert get(strategy.spelling) == strategy
    assert strategy == type(strategy)(np.array([[0, 1], [5, 0]]))  # type: ignore[call-arg]
    with pytest.raises(ViewError, match="proba has 4 classes, but costs is 2 x 2"):
        propose(strategy, View(**arrays()), 3, rng())
    assert len(rows(strategy.spelling, View(**arrays(classes=2)), 3)) == 3


def classification_task(seed: int) -> tuple[Any, Any, Any, Any, View]:
    """Points, half-labelled classes and model of scikit-activeml, the evaluation points, and our view of them."""
    base = pytest.importorskip("skactiveml.classifier")
    x = rng(seed).normal(size=(32, 3))
    y = (x @ [1.0, 2.0, -1.0] > 0).astype(float) + (x[:, 0] > 1)
    y[12:] = np.nan
    model = base.ParzenWindowClassifier(classes=[0, 1, 2], metric_dict={"gamma": 0.7}, class_prior=0.3).fit(x, y)
    sample = rng(seed + 50).normal(size=(15, 3))

    def lookahead(some: np.ndarray, points: np.ndarray = sample) -> np.ndarray:
        answer = np.empty((len(some), 3, len(points), 3))
        for i, label in itertools.product(range(len(some)), range(3)):
            known = y.copy()
            known[12 + some[i]] = label
            answer[i, label] = (
                base.ParzenWindowClassifier(classes=[0, 1, 2], metric_dict={"gamma": 0.7}, class_prior=0.3)
                .fit(x, known)
                .predict_proba(points)
            )
        return answer

    return x, y, model, sample, View(proba=model.predict_proba(x[12:]), lookahead=lookahead)


@pytest.mark.parametrize(
    ("method", "spelling"),
    [("log_loss", "expected_error_reduction"), ("misclassification_loss", "expected_error_reduction(loss='zero_one')")],
)
@pytest.mark.parametrize("seed", range(2))
def test_expected_error_reduction_agrees_with_scikit_activeml(method: str, spelling: str, seed: int) -> None:
    theirs = pytest.importorskip("skactiveml.pool")
    x, y, model, sample, view = classification_task(seed)
    picked, utilities = theirs.MonteCarloEER(method=method).query(
        x, y, model, X_eval=sample, batch_size=6, return_utilities=True
    )
    answer = propose(spelling, view, 20, rng())
    # Theirs is the sum over the evaluation sample, ours the mean.
    assert answer.score * len(sample) == pytest.approx(utilities[0][12 + answer.rows], rel=1e-9)
    assert answer.rows[:6].tolist() == (picked - 12).tolist()


@pytest.mark.parametrize("costs", [None, [[0, 1, 4], [2, 0, 1], [9, 3, 0]]])
def test_value_of_information_agrees_with_scikit_activeml(costs: Any) -> None:
    theirs = pytest.importorskip("skactiveml.pool")
    x, y, model, _, view = classification_task(3)
    assert view.lookahead is not None
    # Theirs evaluates on the unlabelled rows, and on the labelled ones, which a look-ahead doesn't show.
    other = theirs.ValueOfInformationEER(
        cost_matrix=costs, consider_labeled=False, candidate_to_labeled=False, normalize=True
    )
    picked, utilities = other.query(x, y, model, batch_size=6, return_utilities=True)
    whole = View(proba=view.proba, lookahead=lambda some: view.lookahead(some, x[12:]))  # type: ignore[call-arg,misc]
    answer = propose(f"value_of_information(costs={costs})", whole, 20, rng())
    assert answer.score == pytest.approx(utilities[0][12 + answer.rows], rel=1e-9)
    assert answer.rows[:6].tolist() == (picked - 12).tolist()


# --- BAIT ------------------------------------------------------------------------------------------------------------


def information(proba: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Expected outer product of the gradients of the log-likelihood, row by row and label by label: [rows, CD, CD]."""
    out = np.zeros((len(x), proba.shape[1] * x.shape[1], proba.shape[1] * x.shape[1]))
    for i, label in itertools.product(range(len(x)), range(proba.shape[1])):
        gradient = np.outer(np.eye(proba.shape[1])[label] - proba[i], x[i]).ravel()
        out[i] += proba[i, label] * np.outer(gradient, gradient)
    return out


def bait_by_force(
    view: View, n: int, oversample: int = 2, ridge: float = 1.0, known: list[int] | None = None
) -> tuple[list[int], list[float], np.ndarray]:
    """Rows, falls of the trace, and the objective's inverse, every trace computed from a full matrix."""
    assert view.proba is not None
    assert view.embedding is not None
    x = view.embedding.astype(float)
    scale = np.sqrt(np.mean(x**2))
    each = information(view.proba, x / scale)
    pool, sum_known = each.mean(axis=0), ridge * np.eye(each.shape[1])
    if view.seen_embedding is not None:
        seen_x = view.seen_embedding.astype(float) / scale
        if view.seen_proba is not None:
            sum_known = sum_known + information(view.seen_proba, seen_x).sum(axis=0)
        else:
            mean = np.mean([np.diag(p) - np.outer(p, p) for p in view.proba], axis=0)
            sum_known = sum_known + sum(np.kron(mean, np.outer(v, v)) for v in seen_x)
    sum_known = sum_known + each[known or []].sum(axis=0)

    def trace(batch: list[int]) -> float:
        return float(np.trace(np.linalg.solve(sum_known + each[batch].sum(axis=0), pool)))

    batch: list[int] = []
    falls: dict[int, float] = {}
    free = [row for row in range(len(x)) if row not in (known or [])]
    while len(batch) < min(oversample * n, len(free)):
        row = min((r for r in free if r not in batch), key=lambda r: trace([*batch, r]))
        falls[row] = trace(batch) - trace([*batch, row])
        batch.append(row)
    while len(batch) > n:
        batch.remove(min(batch, key=lambda r: trace([b for b in batch if b != r])))
    return batch, [falls[row] for row in batch], np.array(trace(batch))


def agrees(answer: Proposal, expected: tuple[list[int], list[float], Any]) -> None:
    assert answer.rows.tolist() == expected[0]
    assert answer.score == pytest.approx(expected[1], rel=1e-6)


FIELDS = ("proba", "embedding", "seen_embedding", "seen_proba")


def bait_view(n: int = 25, classes: int = 3, columns: int = 4, labelled: int = 5, seed: int = 0) -> View:
    given = arrays(n, classes=classes, columns=columns, labelled=labelled, seed=seed)
    given["embedding"] = given["embedding"] - 3  # both signs
    return View(**{name: given[name] for name in FIELDS})


@pytest.mark.parametrize("oversample", [1, 2, 4])
@pytest.mark.parametrize("ridge", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_bait_agrees_with_traces_of_full_matrices(oversample: int, ridge: float, classes: int) -> None:
    view = bait_view(classes=classes, seed=classes)
    spelling = f"bait(ridge={ridge}, oversample={oversample})"
    agrees(propose(spelling, view, 6, rng()), bait_by_force(view, 6, oversample, ridge))


@pytest.mark.parametrize("labelled", ["none", "empty", "without probabilities"])
def test_bait_agrees_with_traces_of_full_matrices_without_labels(labelled: str) -> None:
    view = bait_view(labelled=0 if labelled == "empty" else 5)
    kept = {"none": FIELDS[:2], "empty": FIELDS, "without probabilities": FIELDS[:3]}[labelled]
    view = View(**{name: getattr(view, name) for name in kept})
    agrees(propose("bait", view, 6, rng()), bait_by_force(view, 6))
    if labelled == "empty":
        assert rows("bait", view, 6) == rows("bait", View(proba=view.proba, embedding=view.embedding), 6)


def test_bait_takes_out_rows_down_from_the_whole_pool() -> None:
    view = bait_view(n=9)
    agrees(propose("bait(oversample=4)", view, 5, rng()), bait_by_force(view, 5, 4))
    assert sorted(rows("bait", view, 9)) == list(range(9))


def test_baits_scores_sum_to_the_fall_of_the_trace_when_nothing_is_taken_out() -> None:
    view = bait_view()
    answer = propose("bait(oversample=1)", view, 7, rng())
    assert answer.score.sum() == pytest.approx(bait_by_force(view, 0)[2] - bait_by_force(view, 7, 1)[2], rel=1e-9)


def test_bait_chooses_large_batches_in_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bait_module, "_ROUND", 4)
    view = bait_view()
    answer = propose("bait", view, 10, rng())
    expected: list[int] = []
    for size in (4, 4, 2):
        batch, falls, _ = bait_by_force(view, size, known=expected)
        assert answer.score[len(expected) : len(expected) + size] == pytest.approx(falls, rel=1e-6)
        expected += batch
    assert answer.rows.tolist() == expected


def test_bait_compares_the_best_first_picks_of_a_random_subset(monkeypatch: pytest.MonkeyPatch) -> None:
    view = bait_view(n=40)
    every = propose("bait(oversample=1)", view, 1, rng())
    monkeypatch.setattr(bait_module, "_CANDIDATES", 12)
    state = bait_module._State(np.eye(8), np.eye(8), *_small(view))
    gains = [
        np.trace(np.eye(8) - np.linalg.inv(np.eye(8) + matrix))
        for matrix in (np.kron(a, np.outer(v, v)) for a, v in zip(*_small(view), strict=True))
    ]
    assert state.rows.tolist() == sorted(np.argsort(gains)[::-1][:12])
    assert rows("bait(oversample=1)", view, 1) == every.rows.tolist()
    assert len(set(rows("bait", view, 12))) == 12
    monkeypatch.setattr(bait_module, "_MOST_ROWS", 20)
    assert len(set(rows("bait", view, 10))) == 10
    assert len(set(rows("bait", view, 30))) == 30
    assert len({tuple(rows("bait", view, 5, seed)) for seed in range(5)}) > 1


@pytest.mark.parametrize("probabilities", [True, False])
def test_bait_weighs_a_random_subset_of_many_labelled_rows_as_all_of_them(
    probabilities: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = bait_view(n=25, labelled=90)
    assert view.seen_embedding is not None
    assert view.seen_proba is not None
    drawn = np.sort(rng(4).choice(90, 30, replace=False))  # the pool is small enough to be taken whole, without a draw
    thrice = np.repeat(drawn, 3)  # 30 rows stand for 90
    kept = {"proba": view.proba, "embedding": view.embedding}
    whole, part = ({"seen_embedding": view.seen_embedding[some]} for some in (slice(None), thrice))
    if probabilities:
        whole["seen_proba"], part["seen_proba"] = view.seen_proba, view.seen_proba[thrice]
    monkeypatch.setattr(bait_module, "_MOST_ROWS", 30)
    expected = bait_by_force(View(**kept, **part), 6)
    agrees(propose("bait", View(**kept, **whole), 6, rng(4)), expected)
    # The same row many times is its own sample, whichever rows are drawn.
    alike = {name: np.repeat(value[:1], 90, axis=0) for name, value in whole.items()}
    answer = propose("bait", View(**kept, **alike), 6, rng(5))
    monkeypatch.undo()
    agrees(propose("bait", View(**kept, **alike), 6, rng(6)), (answer.rows.tolist(), answer.score.tolist(), None))


def _small(view: View) -> tuple[np.ndarray, np.ndarray]:
    assert view.proba is not None
    assert view.embedding is not None
    basis = bait_module._class_basis(view.proba)
    return bait_module._covariances(view.proba, basis), view.embedding.astype(float)


def test_baits_axes_lose_nothing_that_the_pool_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = bait_view(columns=3)
    assert flat.embedding is not None
    assert flat.seen_embedding is not None
    turn = np.linalg.qr(rng(3).normal(size=(12, 12)))[0][:3]
    wide = View(
        proba=flat.proba,
        embedding=(flat.embedding @ turn),
        seen_embedding=(flat.seen_embedding @ turn),
        seen_proba=flat.seen_proba,
    )
    # The mean square of the entries is a quarter now: a ridge of four times the size is the same.
    expected = propose("bait", flat, 6, rng())
    answer = propose("bait(ridge=4)", wide, 6, rng())
    assert answer.rows.tolist() == expected.rows.tolist()
    monkeypatch.setattr(bait_module, "_MOST_PARAMETERS", 2 * 3)  # three classes have two directions
    cut = propose("bait(ridge=4)", wide, 6, rng())
    assert cut.rows.tolist() == expected.rows.tolist()
    assert cut.score == pytest.approx(answer.score, rel=1e-4)
    assert cut.score == pytest.approx(expected.score, rel=1e-4)
    monkeypatch.setattr(bait_module, "_MOST_PARAMETERS", 2 * 2)
    assert propose("bait(ridge=4)", wide, 6, rng()).score.sum() < cut.score.sum()


def test_bait_with_many_classes_keeps_the_directions_that_the_pool_uses() -> None:
    view = bait_view(classes=4)
    assert view.proba is not None
    assert view.seen_proba is not None
    place = np.zeros((4, 40))
    place[range(4), [3, 11, 12, 39]] = 1
    padded = View(
        proba=view.proba @ place,
        embedding=view.embedding,
        seen_embedding=view.seen_embedding,
        seen_proba=view.seen_proba @ place,
    )
    one, two = propose("bait", view, 6, rng()), propose("bait", padded, 6, rng())
    assert one.rows.tolist() == two.rows.tolist()
    assert one.score == pytest.approx(two.score, rel=1e-6)


def test_bait_does_not_depend_on_the_unit_of_the_embedding_nor_on_the_order_of_the_classes() -> None:
    view = bait_view()
    assert view.proba is not None
    assert view.embedding is not None
    assert view.seen_embedding is not None
    assert view.seen_proba is not None
    expected = propose("bait", view, 6, rng())
    order = [2, 0, 1]
    for unit in (1e-12, 1.0, 1e12):
        other = View(
            proba=view.proba[:, order],
            embedding=view.embedding * np.float32(unit),
            seen_embedding=view.seen_embedding * np.float32(unit),
            seen_proba=view.seen_proba[:, order],
        )
        answer = propose("bait", other, 6, rng())
        assert answer.rows.tolist() == expected.rows.tolist()
        assert answer.score == pytest.approx(expected.score, rel=1e-5)


def test_bait_takes_rows_that_teach_nothing_last() -> None:
    given = arrays(30)
    given["proba"][10:20] = np.eye(4)[np.arange(10) % 4]
    given["embedding"][20:] = 0
    answer = propose("bait(oversample=1)", View(**{name: given[name] for name in FIELDS[:2]}), 30, rng())
    assert sorted(answer.rows[:10]) == list(range(10))
    assert answer.score[10:] == pytest.approx(np.zeros(20), abs=1e-12)


@pytest.mark.parametrize("spelling", ["bait(oversample=1)", "expected_error_reduction(loss='zero_one', candidates=5)"])
def test_other_parameters_keep_the_contract(spelling: str) -> None:
    check_strategy(spelling)
