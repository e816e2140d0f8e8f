"""A view checks what it is given, once, and says precisely what is wrong."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as any_array

from strategy_zoo import FIELDS, Proposal, View, ViewError, ZooError
from strategy_zoo.testing import arrays

P = np.full((4, 2), 0.5)


def test_right_arrays_are_kept_without_copy_and_neither_frozen_nor_written() -> None:
    given_arrays = arrays()
    view = View(**given_arrays)
    for name, array in given_arrays.items():
        if callable(array):
            continue
        kept = getattr(view, name)
        assert np.shares_memory(kept, array), name
        assert not kept.flags.writeable
        assert array.flags.writeable


def test_arrays_are_converted_to_the_stated_types() -> None:
    view = View(proba=[[1, 0]], embedding=np.ones((1, 2), np.float64), seen_y=["a"], prediction=np.float32([3]))
    assert view.proba is not None
    assert view.proba.dtype == np.float64
    assert view.embedding is not None
    assert view.embedding.dtype == np.float32
    assert view.prediction is not None
    assert view.prediction.dtype == np.float64
    assert view.seen_y is not None
    assert view.seen_y.tolist() == ["a"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "holds no array over the pool"),
        ({"seen_y": [1]}, "holds no array over the pool"),
        ({"proba": [0.5, 0.5]}, "column_stack"),
        ({"proba": np.zeros((3, 0))}, "at least one of C"),
        ({"proba": np.ones((3, 2, 2)) / 2}, "expected 2 dimension(s) [U, C]"),
        (
            {"proba": P, "embedding": np.ones((5, 3))},
            "embedding has shape (5, 3) with U=5 rows of the pool, expected U=4 as in proba",
        ),
        ({"proba": P, "previous": np.ones((4, 3)) / 3}, "C=3 classes, expected C=2 as in proba"),
        ({"proba": P, "committee": np.ones((2, 3, 2)) / 2}, "committee has shape (2, 3, 2) with U=3"),
        ({"embedding": np.ones((2, 3)), "seen_embedding": np.ones((1, 2))}, "D=2 embedding columns, expected D=3"),
        ({"proba": P, "seen_embedding": np.ones((2, 2)), "seen_y": [1]}, "L=1 labelled rows, expected L=2"),
        ({"proba": [[0.5, 0.5], [1.2, -0.2]]}, "1 row(s) with negative values (first: row 1, minimum -0.2)"),
        ({"proba": P, "embedding": [[1], [np.nan], [np.inf], [1]]}, "embedding has 2 row(s) with NaN or infinity"),
        ({"embedding": [[1.0], [1e300]]}, "beyond float32 (first: row 1)"),
        ({"prediction": [1, np.inf]}, "prediction has 1 row(s) with NaN or infinity (first: row 1)"),
        ({"committee": [[[0.5, 0.5]], [[0.5, 0.4]]]}, "first: member 1, row 0, sum 0.9"),
        ({"committee": [[[0.5, 0.5]], [[np.nan, 0.4]]]}, "committee has 1 row(s) with NaN"),
        ({"proba": [["a", "b"]]}, "can't be read as numbers"),
        ({"proba": [[1j, 1]]}, "complex"),
        ({"prediction": np.array(["2024-01-01"], "M8[D]")}, "dates"),
        ({"proba": [[0.5, 0.5], [1.0]]}, "can't be read as numbers"),
        ({"proba": np.ma.masked_array(P, mask=P > 0)}, "masked"),
        ({"proba": P, "lookahead": 3}, "lookahead is a int"),
        ({"proba": P, "seen_y": [[1, 2]]}, "seen_y has shape (1, 2), expected 1 dimension(s) [L]"),
        ({"proba": P, "seen_y": [1.0, np.nan]}, "seen_y has 1 row(s) with NaN"),
    ],
)
def test_a_wrong_array_is_refused_in_words(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ViewError) as caught:
        View(**fields)
    assert words in str(caught.value)


def test_sums_that_are_not_one_are_counted_and_the_first_is_shown() -> None:
    proba = np.full((20, 2), 0.5)
    proba[17:] = [0.5, 0.43]
    with pytest.raises(ViewError) as caught:
        View(proba=proba)
    assert str(caught.value) == (
        "proba has 3 rows whose sum is not 1 (first: row 17, sum 0.93); "
        "pass probabilities, or apply a softmax to the scores first"
    )


def test_small_rounding_of_the_sum_is_tolerated_and_left_as_it_is() -> None:
    proba = np.array([[0.5, 0.4995]])
    kept = View(proba=proba).proba
    assert kept is not None
    assert kept.tolist() == proba.tolist()


def test_the_first_bad_row_is_found_in_any_block() -> None:
    embedding = np.zeros((300_000, 8), np.float32)
    embedding[290_001, 3] = np.nan
    embedding[299_999, 3] = np.inf
    with pytest.raises(ViewError, match=r"2 row\(s\) .*first: row 290001"):
        View(embedding=embedding)


def test_size_and_classes_come_from_whatever_is_there() -> None:
    assert (View(embedding=np.ones((3, 2))).n, View(embedding=np.ones((3, 2))).class_count) == (3, None)
    assert View(committee=np.ones((5, 3, 2)) / 2).n == 3
    assert View(committee=np.ones((5, 3, 2)) / 2).class_count == 2
    assert View(proba=np.empty((0, 2))).n == 0
    view = View(proba=P, seen_embedding=np.empty((0, 9)))
    assert [name for name in FIELDS if view.has(name)] == ["proba", "seen_embedding"]
    with pytest.raises(ViewError, match="no field 'probs'"):
        view.has("probs")


def test_take_slices_the_pool_and_keeps_what_is_seen() -> None:
    given_arrays = arrays(10)
    view = View(**given_arrays)
    rows = [7, 2, 2]
    part = view.take(rows)
    assert part.n == 3
    for name in ("proba", "prediction", "embedding", "previous", "gradient"):
        assert np.array_equal(getattr(part, name), given_arrays[name][rows])
        assert not getattr(part, name).flags.writeable
    assert part.committee is not None
    assert np.array_equal(part.committee, given_arrays["committee"][:, rows])
    assert part.seen_embedding is view.seen_embedding
    assert part.lookahead is not None
    whole = given_arrays["lookahead"]
    assert np.array_equal(part.lookahead(np.array([0, 1])), whole([7, 2]))
    again = part.take([1]).lookahead
    assert again is not None
    assert np.array_equal(again(np.array([0])), whole([2]))


def test_block_is_a_slice_without_a_copy() -> None:
    given_arrays = arrays(10)
    view = View(**given_arrays)
    part = view.block(4, 7)
    assert part.n == 3
    for name in ("proba", "quantiles", "embedding", "votes", "label_proba"):
        assert np.array_equal(getattr(part, name), given_arrays[name][4:7])
        assert np.shares_memory(getattr(part, name), given_arrays[name])
    for name in ("committee", "committee_prediction", "stochastic"):
        assert np.array_equal(getattr(part, name), given_arrays[name][:, 4:7])
    assert part.lookahead is not None
    assert np.array_equal(part.lookahead([2]), given_arrays["lookahead"]([6]))
    assert view.block(8, 99).n == 2


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("label_proba", [[0.2, 1.1]], "label_proba has .* in row 0, expected probabilities"),
        ("votes", [[1, -1]], "votes has .* expected numbers of votes"),
        ("seen_labels", [[0, 0.5]], "seen_labels has .* expected 0 or 1"),
        ("quantiles", [[1.0, 3.0, 2.0]], "quantiles has .* don't fall"),
        ("stochastic", [[[0.5, 0.6]]], "stochastic has 1 row whose sum is not 1 .first: member 0, row 0"),
        ("predict", 3, "predict is a int, expected a callable"),
    ],
)
def test_new_fields_refuse_what_they_cannot_hold(name: str, value: Any, words: str) -> None:
    with pytest.raises(ViewError, match=words):
        View(**{"prediction": [0.0], name: value})


@pytest.mark.parametrize("rows", [[10], [-1], [0.5], [[1]], [True]])
def test_take_refuses_rows_that_are_none(rows: Any) -> None:
    with pytest.raises(ViewError, match="rows"):
        View(**arrays(10)).take(rows)


def test_labels_become_columns_where_classes_are_given() -> None:
    view = View(proba=[[0.2, 0.8]], seen_y=["yes", "no", "perhaps"], classes=np.array(["no", "yes"], dtype=object))
    assert view.seen_y is not None
    assert view.seen_y.tolist() == [1, 0, -1]
    assert view.take([0, 0]).seen_y is view.seen_y
    with pytest.raises(ViewError, match="classes repeats"):
        View(proba=[[0.2, 0.8]], classes=["a", "a"])
    with pytest.raises(ViewError, match="C=3"):
        View(proba=[[0.2, 0.8]], classes=["a", "b", "c"])
    with pytest.raises(ViewError, match="of one kind"):
        View(proba=[[0.2, 0.8]], seen_y=[0, 1], classes=["a", "b"])


def test_a_view_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        View(proba=P).proba = P  # type: ignore[misc]
    with pytest.raises(TypeError):
        View(P)  # type: ignore[misc]


@given(any_array(np.float64, st.tuples(st.integers(0, 4), st.integers(0, 4)), elements=st.floats(width=64)))
def test_any_matrix_gives_a_view_of_probabilities_or_a_view_error(matrix: np.ndarray) -> None:
    try:
        view = View(proba=matrix)
    except ViewError:
        return
    assert view.proba is not None
    assert np.allclose(view.proba.sum(axis=1), 1, atol=1e-3)


def test_a_proposal_checks_its_arrays_and_freezes_them() -> None:
    rows = np.array([3, 1])
    answer = Proposal(rows, [1.0, 0.5], probability=[0.5, 1.0])
    assert rows.flags.writeable
    assert not answer.rows.flags.writeable
    assert answer.part.tolist() == [0, 0]
    with pytest.raises(ZooError, match=r"score has shape \(1,\), expected \(2,\)"):
        Proposal(rows, [1.0])
    with pytest.raises(ZooError, match="score is nan at position 1"):
        Proposal(rows, [1.0, np.nan])
    with pytest.raises(ZooError, match="outside of"):
        Proposal(rows, [1.0, 1.0], probability=[0.0, 0.5])
    with pytest.raises(ZooError, match="whole numbers"):
        Proposal([0.5], [1.0])
