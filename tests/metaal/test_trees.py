"""Trees as arrays predict what LightGBM predicts, and a policy file can be hostile without doing harm."""

from __future__ import annotations

import hashlib
import json
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from metaal import Action, Learned, PolicyFileError, Prices, load
from metaal.features import action_names
from metaal.policies.policyfile import MAGIC, read_policy_file
from metaal.testing import check_policy, make_actions, make_history
from metaal.trees import MAX_DEPTH, Trees, constant, from_lightgbm
from metaal.trees import joined as together

WIDTH = len(action_names())


def boost(x: np.ndarray, y: np.ndarray, rounds: int = 20, **more: Any) -> Any:
    settings = {"objective": "regression", "verbosity": -1, "num_threads": 1, "seed": 1, "min_data_in_leaf": 5}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of LightGBM's own, about its arguments
        data = lightgbm.Dataset(x, y, categorical_feature=more.pop("categorical", "auto"))
        return lightgbm.train({**settings, **more}, data, num_boost_round=rounds)


def table(rows: int = 300, holes: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 6)).round(1)  # rounded, so that values meet thresholds and zero is hit
    y = np.sin(x[:, 0] * 2) + x[:, 1] * (x[:, 2] > 0) + 0.1 * rng.normal(size=rows)
    x[rng.random(x.shape) < holes] = np.nan
    return x, y


def nodes(**change: Any) -> dict[str, Any]:
    """Two trees: an inner node over (a node over two leaves) and a leaf; and one leaf alone."""
    arrays: dict[str, Any] = {
        "root": np.array([0, ~3], np.int32),
        "feature": np.array([0, 1], np.int32),
        "threshold": np.array([0.5, -1.0]),
        "left": np.array([1, ~0], np.int32),
        "right": np.array([~2, ~1], np.int32),
        "nan_left": np.array([True, False]),
        "leaf": np.array([1.0, 2.0, 4.0, 10.0]),
    }
    return {**arrays, **change}


@pytest.mark.parametrize("trained", [0.0, 0.3])
@pytest.mark.parametrize("asked", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("more", [{}, {"use_missing": False}, {"num_leaves": 4}, {"feature_fraction": 0.5}])
def test_the_prediction_is_that_of_lightgbm(trained: float, asked: float, more: dict[str, Any]) -> None:
    booster = boost(*table(holes=trained), **more)
    x, _ = table(rows=200, holes=asked, seed=1)
    np.testing.assert_allclose(from_lightgbm(booster).predict(x), booster.predict(x), rtol=1e-12, atol=1e-12)


def test_a_constant_target_is_one_leaf() -> None:
    x, _ = table()
    trees = from_lightgbm(boost(x, np.full(len(x), 2.5)))
    assert len(trees.feature) == 0
    assert trees.predict(x[:3]).tolist() == [2.5, 2.5, 2.5]


def test_what_arrays_cannot_hold_is_refused() -> None:
    x, y = table()
    x[:, 0] = np.random.default_rng(0).integers(0, 4, len(x))
    several = np.random.default_rng(0).integers(0, 3, len(x))
    for booster, word in [
        (boost(x, x[:, 0] % 2, categorical=[0]), "numerical features"),
        (boost(x, several, objective="multiclass", num_class=3), "several outputs"),
        (boost(x, y, boosting="rf", bagging_fraction=0.5, bagging_freq=1), "averaged trees"),
        (boost(x, y, zero_as_missing=True), "zero as missing"),
        (boost(x, y, linear_tree=True), "linear trees"),
    ]:
        with pytest.raises(PolicyFileError, match=word):
            from_lightgbm(booster)


def test_trees_are_walked_from_the_root_to_a_leaf() -> None:
    trees = Trees(**nodes())
    x = np.array([[0.5, -1.0], [0.5, 0.0], [0.6, 0.0], [np.nan, np.nan]])
    assert trees.predict(x).tolist() == [11.0, 12.0, 14.0, 12.0]
    assert trees.predict(np.zeros((0, 2))).tolist() == []
    assert constant(3.0).predict(np.zeros((2, 0))).tolist() == [3.0, 3.0]
    assert trees.arrays().keys() == nodes().keys()


def test_no_tree_predicts_nought() -> None:
    empty = {name: array[:0] for name, array in nodes().items()}
    assert Trees(**empty).predict(np.ones((2, 1))).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"leaf": [1.0, 2.0, 4.0, 10.0]}, "array leaf is not one-dimensional float64"),
        ({"leaf": np.ones((4, 1))}, "array leaf is not one-dimensional"),
        ({"leaf": np.ones(4, np.float32)}, "array leaf is not one-dimensional float64"),
        ({"root": np.array([0, ~3])}, "array root is not one-dimensional int32"),
        ({"feature": np.array([0.0, 1.0])}, "array feature is not one-dimensional int32"),
        ({"nan_left": np.array([1, 0], np.int32)}, "array nan_left is not one-dimensional bool"),
        ({"threshold": np.array([0.5])}, "node arrays differ in length"),
        ({"nan_left": np.array([True] * 3)}, "node arrays differ in length"),
        ({"threshold": np.array([0.5, np.nan])}, "not finite"),
        ({"threshold": np.array([0.5, np.inf])}, "not finite"),
        ({"leaf": np.array([1.0, 2.0, 4.0, -np.inf])}, "not finite"),
        ({"feature": np.array([0, -1], np.int32)}, "negative"),
        ({"left": np.array([1, 0], np.int32)}, "left child comes before its parent"),
        ({"left": np.array([0, ~0], np.int32)}, "left child comes before its parent"),
        ({"right": np.array([~2, 1], np.int32)}, "right child comes before its parent"),
        ({"left": np.array([2, ~0], np.int32)}, "left index points outside"),
        ({"right": np.array([~4, ~1], np.int32)}, "right index points outside"),
        ({"right": np.array([-(2**31), ~1], np.int32)}, "right index points outside"),
        ({"root": np.array([2], np.int32)}, "root index points outside"),
        ({"root": np.array([~4], np.int32)}, "root index points outside"),
    ],
)
def test_every_fault_of_the_arrays_is_named(change: dict[str, Any], word: str) -> None:
    with pytest.raises(PolicyFileError, match=word):
        Trees(**nodes(**change))


def test_trees_that_are_too_deep_or_read_too_far_are_refused() -> None:
    def chain(depth: int) -> Trees:
        own = np.arange(depth, dtype=np.int32)
        left = np.where(own + 1 < depth, own + 1, ~0).astype(np.int32)
        return Trees(np.zeros(1, np.int32), own * 0, own * 0.0, left, own * 0 - 1, own < 0, np.ones(1))

    assert chain(MAX_DEPTH).predict(np.zeros((1, 1))).tolist() == [1.0]
    with pytest.raises(PolicyFileError, match="deeper than"):
        chain(MAX_DEPTH + 1)
    for x in (np.zeros((3, 1)), np.zeros(2)):
        with pytest.raises(PolicyFileError, match="features passed, 2 are read"):
            Trees(**nodes()).predict(x)


# ------------------------------------------------------------------- files


@pytest.fixture(scope="module")
def policy() -> Learned:
    """A small policy whose ensembles read features of every kind."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(200, WIDTH))
    x[:, ::5] = np.nan
    members = tuple(from_lightgbm(boost(x, rng.normal(size=200), 3, num_leaves=5, seed=s)) for s in (1, 2))
    return Learned(
        heads={
            "advantage": members,
            "first": (from_lightgbm(boost(x[:, :40], rng.normal(size=200), 2, num_leaves=3)),),
            "fit": (from_lightgbm(boost(x[:, :40], rng.normal(size=200), 2, num_leaves=3)),),
            "ahead3": members,
        },
        low=np.full(WIDTH, -1e4),
        high=np.full(WIDTH, 1e4),
        scale=0.02,
        gate=0.1,
        actions=("cluster_margin", "random", "badge ×2", "margin, share 0.25", "random ×2, skip"),
        default="cluster_margin",
        prices=Prices(label=0.01, second=0.0001, round=0.1, point=5, final=1),
        previews=2,
        informs=0.05,
        facts={"trained on": "noise", "note": "ä"},
    )


@pytest.fixture(scope="module")
def data(policy: Learned, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("policy") / "policy.metaal"
    policy.save(path)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "policy.metaal"


def sealed(body: bytes) -> bytes:
    return body + hashlib.sha256(body).digest()


def parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack_from("<I", data, len(MAGIC))
    start = len(MAGIC) + 4
    return json.loads(data[start : start + length]), data[start + length : -32]


def joined(head: Any, blocks: bytes) -> bytes:
    text = json.dumps(head).encode()
    return sealed(MAGIC + struct.pack("<I", len(text)) + text + blocks)


def survives(path: Path, content: bytes) -> bool:
    """Whether the file is read and then decides; anything but PolicyFileError on reading is a failure."""
    path.write_bytes(content)
    try:
        read = load(path)
    except PolicyFileError:
        return False
    for loops in (1, 4):
        actions = make_actions(read)
        decision = read.decide(make_history(loops), actions).checked(actions)
        assert decision.reason
    assert read.card()
    return True


def test_a_saved_policy_decides_identically(policy: Learned, path: Path) -> None:
    policy.save(path)
    again = load(path)
    assert again.spelling == str(path)
    assert (again.arms, again.multipliers, again.actions) == (policy.arms, policy.multipliers, policy.actions)
    assert again.previews == policy.previews
    assert (again.prices, again.facts, again.gate, again.scale) == (
        policy.prices,
        policy.facts,
        policy.gate,
        policy.scale,
    )
    taken = set()
    for seed in range(30):
        history, actions = make_history(1 + seed % 6, seed=seed), make_actions(policy)
        one, two = policy.decide(history, actions), again.decide(history, actions)
        assert one.reason == two.reason
        for name in ("probabilities", "advantage", "lower", "utility", "seconds"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
        taken.add(actions[int(one.probabilities.argmax())])
    assert len(taken) > 1, "the comparison must see deviations"
    again.save(path.with_name("again.metaal"))
    assert path.read_bytes() == path.with_name("again.metaal").read_bytes()
    check_policy(again)


def test_damage_of_any_byte_is_noticed(data: bytes, path: Path) -> None:
    rng = np.random.default_rng(0)
    for place in [*range(12), *range(12, len(data), 11), *range(len(data) - 32, len(data))]:
        broken = bytearray(data)
        broken[place] ^= int(rng.integers(1, 256))
        path.write_bytes(broken)
        with pytest.raises(PolicyFileError):
            load(path)


def test_a_truncated_or_longer_file_is_noticed(data: bytes, path: Path) -> None:
    for size in [*range(64), *range(64, len(data), 53), len(data) - 1]:
        path.write_bytes(data[:size])
        with pytest.raises(PolicyFileError):
            load(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(PolicyFileError, match="checksum"):
        load(path)


def test_bytes_changed_under_a_good_checksum_do_no_harm(data: bytes, path: Path) -> None:
    rng = np.random.default_rng(1)
    body, read = data[:-32], 0
    for place in [*range(len(MAGIC), len(MAGIC) + 4), *range(12, len(body), 19)]:
        broken = bytearray(body)
        broken[place] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(256))]))
        read += survives(path, sealed(bytes(broken)))
    assert read > 50, "most changes of a number give another policy, and that must be tried"


def test_a_cut_under_a_good_checksum_is_refused(data: bytes, path: Path) -> None:
    for size in range(8, len(data) - 32, 97):
        path.write_bytes(sealed(data[:size]))
        with pytest.raises(PolicyFileError):
            load(path)


HOSTILE = [None, True, -1, 0, 3, 2.5, 1e308, -1e308, 10**400, float("nan"), float("inf"), "", "x", "margin", [], {}]
HOSTILE += [[[]], [["margin", 1.0]], [["margin", 1e308]], [["nothing", 1.0]], {"label": 1e308}, {"wrong": 1}]
HOSTILE += [[["margin", 1.0]] * 2000, "narrow(" * 500, [[[0] * 50] * 50] * 2, {"point": 1e308, "second": 1e308}]


def test_hostile_heads_do_no_harm(data: bytes, path: Path) -> None:
    head, blocks = parts(data)
    read = 0
    for name in head:
        path.write_bytes(joined({key: value for key, value in head.items() if key != name}, blocks))
        with pytest.raises(PolicyFileError):
            load(path)
        for value in HOSTILE:
            read += survives(path, joined({**head, name: value}, blocks))
    assert read > 10
    for whole in HOSTILE:
        assert not survives(path, joined(whole, blocks))
    for text in (b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe\x00", b"1" * 5000, b"\0" * 40):
        assert not survives(path, sealed(MAGIC + struct.pack("<I", len(text)) + text + blocks))


def test_hostile_arrays_do_no_harm(data: bytes, path: Path) -> None:
    """Every number of every array in turn is replaced by the worst ones of its kind."""
    head, blocks = parts(data)
    worst: dict[str, list[bytes]] = {
        "i4": [struct.pack("<i", v) for v in (-(2**31), 2**31 - 1, 0, -1)],
        "f8": [struct.pack("<d", v) for v in (float("nan"), float("inf"), 1.7e308, -1.7e308, 5e-324)],
        "b1": [b"\0", b"\1", b"\2", b"\xff"],
    }
    offset = 0
    for _, kind, count in head["arrays"]:
        width = len(worst[kind][0])
        for number, value in enumerate(worst[kind]):
            for k in {0, count // 2, count - 1} if number % 2 else {0, count - 1}:
                at = offset + k * width
                survives(path, joined(head, blocks[:at] + value + blocks[at + width :]))
        every = blocks[:offset] + worst[kind][2] * count + blocks[offset + count * width :]
        survives(path, joined(head, every))
        offset += count * width


@pytest.mark.parametrize("kind", ["i4", "f8", "b1", "O", "", 5, [], None])
def test_arrays_of_another_kind_are_refused(data: bytes, path: Path, kind: Any) -> None:
    """The specification calls an array by another type, and its bytes are filled up to match."""
    head, blocks = parts(data)
    size = {"i4": 4, "f8": 8, "b1": 1}
    offset = 0
    for number, (name, own, count) in enumerate(head["arrays"]):
        specs = [list(spec) for spec in head["arrays"]]
        specs[number][1] = kind
        old = count * size[own]
        new = count * size.get(kind, 1) if isinstance(kind, str) else old
        changed = blocks[:offset] + bytes(new) + blocks[offset + old :]
        assert not survives(path, joined({**head, "arrays": specs}, changed)) or kind == own, name
        offset += old


def larger(trees: int) -> Callable[[dict[str, Any], bytes], bytes]:
    def change(head: dict[str, Any], blocks: bytes) -> bytes:
        specs = [["low", "f8", WIDTH], ["high", "f8", WIDTH]]
        lengths = {"root": trees, "leaf": 1}
        kinds = {"threshold": "f8", "leaf": "f8", "nan_left": "b1"}
        names = list(Trees.__dataclass_fields__)
        specs += [[f"advantage.0.{name}", kinds.get(name, "i4"), lengths.get(name, 0)] for name in names]
        low = np.full(WIDTH, -1e4).tobytes() + np.full(WIDTH, 1e4).tobytes()
        rest = np.full(trees, -1, np.int32).tobytes() + np.ones(1).tobytes()
        return joined({**head, "heads": {"advantage": 1}, "arrays": specs}, low + rest)

    return change


def test_a_file_that_would_keep_a_decision_busy_is_refused(data: bytes, path: Path) -> None:
    assert survives(path, larger(1000)(*parts(data)))
    path.write_bytes(larger(200_000)(*parts(data)))
    with pytest.raises(PolicyFileError, match="more than"):
        load(path)


def test_foreign_and_newer_files_are_told_apart(data: bytes, path: Path) -> None:
    for content, word in [
        (b"", "not a policy file"),
        (b"tree\nversion=v4\n", "not a policy file"),
        (b"\x80\x04\x95", "not a policy file"),
        (b"METAALP2" + data[8:], "not known to this version; update"),
        (data[:-1], "checksum"),
    ]:
        path.write_bytes(content)
        with pytest.raises(PolicyFileError, match=word):
            load(path)
    head, blocks = parts(data)
    for change in ({"kind": "other"}, {"features": head["features"][::-1]}):
        path.write_bytes(joined({**head, **change}, blocks))
        with pytest.raises(PolicyFileError, match="other features"):
            load(path)


def test_what_cannot_be_opened_is_said(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (tmp_path / "none.metaal", tmp_path, "nul\0.metaal", "x" * 5000):
        with pytest.raises(PolicyFileError, match="cannot be read"):
            load(place)
    path.write_bytes(bytes(100))
    monkeypatch.setattr("metaal.policies.policyfile.LIMIT", 99)
    with pytest.raises(PolicyFileError, match=r"100 bytes; a policy file has at most 99$"):
        load(path)


def test_the_checksum_covers_everything(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    head, arrays, checksum = read_policy_file(path)
    assert checksum == data[-32:].hex()[:16]
    assert "arrays" not in head
    assert not any(array.flags.writeable for array in arrays.values())
    assert Action("badge", 2.0) in list(make_actions(load(path)))


# ---------------------------------------------------------- several at once


def test_ensembles_walked_together_give_what_they_give_alone_to_the_last_bit() -> None:
    rng = np.random.default_rng(4)
    ensembles = [
        from_lightgbm(boost(*table(holes=0.2, seed=s), rounds=5 + s, num_leaves=4 + 5 * s, seed=s)) for s in range(3)
    ]
    ensembles[1:1] = [constant(3.0), Trees(**{name: array[:0] for name, array in nodes().items()})]
    whole = together(ensembles)
    assert len(whole.root) == sum(len(trees.root) for trees in ensembles)
    for rows in (0, 1, 2, 3, 40):
        x = rng.normal(size=(rows, 6))
        x[rng.random(x.shape) < 0.2] = np.nan
        apart = np.concatenate([trees.leaves(x) for trees in ensembles], axis=1)
        np.testing.assert_array_equal(whole.leaves(x), apart)
        np.testing.assert_array_equal(whole.predict(x), apart.sum(1))


@pytest.mark.parametrize("alike", [(), (0, 1, 2), (0, 1, 2, 3, 4, 5)])
def test_rows_that_are_alike_in_some_features_are_walked_as_if_alone(alike: tuple[int, ...]) -> None:
    """What all rows agree on is asked once for all of them; the leaves are the same."""
    trees = from_lightgbm(boost(*table(holes=0.3), rounds=40, num_leaves=15))
    for seed, missing in ((0, 0.0), (1, 0.4)):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(30, 6)).round(1)
        x[rng.random(x.shape) < missing] = np.nan
        x[:, list(alike)] = x[0, list(alike)]
        one_by_one = np.concatenate([trees.leaves(row[None]) for row in x])
        np.testing.assert_array_equal(trees.leaves(x), one_by_one)
        wide = np.concatenate([x, rng.normal(size=(30, 3))], axis=1)  # columns that no tree reads
        np.testing.assert_array_equal(trees.leaves(wide), one_by_one)


def test_infinite_values_go_where_they_compare_and_missing_ones_where_they_are_sent() -> None:
    trees = Trees(**nodes())
    x = np.array([[-np.inf, np.nan], [-np.inf, np.inf], [np.inf, 0.0], [np.nan, -np.inf], [-np.inf, -np.inf]])
    assert trees.predict(x).tolist() == [12.0, 12.0, 14.0, 11.0, 11.0]
    assert [float(trees.predict(row[None])[0]) for row in x] == [12.0, 12.0, 14.0, 11.0, 11.0]


def test_many_rows_are_walked_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    trees = from_lightgbm(boost(*table(), rounds=7))
    x, _ = table(rows=50, holes=0.1, seed=2)
    expected = trees.leaves(x)
    for at_once in (1, 7, 20, 349):
        monkeypatch.setattr("metaal.trees.AT_ONCE", at_once)
        np.testing.assert_array_equal(trees.leaves(x), expected)


def test_hostile_heads_are_refused_or_decide(data: bytes, path: Path) -> None:
    head, blocks = parts(data)
    for change, word in [
        ({"version": 2}, "other features"),
        ({"heads": {"other": 1}}, "head 'other'"),
        ({"heads": {"advantage": -1}}, "members"),
        ({"heads": {"advantage": 3}}, "does not fit"),
        ({"previews": True}, "previews"),
        ({"actions": ["cluster_margin", "stop"]}, "a head of its own"),
        ({"actions": ["margin"] * 2}, "none twice"),
        ({"actions": [f"margin ×{k}" for k in range(1, 1002)]}, "actions, expected 1 to"),
        ({"actions": "margin"}, "does not fit"),
    ]:
        path.write_bytes(joined({**head, **change}, blocks))
        with pytest.raises(PolicyFileError, match=word):
            load(path)
    assert survives(path, joined({**head, "heads": {}}, blocks))
    assert survives(path, joined({**head, "heads": {"advantage": 0, "fit": 0}}, blocks))
    assert survives(path, joined({**head, "heads": {"fit": 1, "ahead3": 2}}, blocks))


def test_many_trees_for_many_actions_are_refused(data: bytes, path: Path) -> None:
    head, blocks = parts(data)
    many = [f"margin ×{k}" for k in range(2, 900)]
    path.write_bytes(larger(9_000)({**head, "actions": many}, blocks))
    with pytest.raises(PolicyFileError, match="9000 trees for 898 actions"):
        load(path)
