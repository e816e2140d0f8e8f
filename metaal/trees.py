"""Gradient-boosted trees as plain arrays: trained by LightGBM, saved as data, evaluated in numpy.

A malformed LightGBM text file can kill the process, and importing LightGBM costs over a second; arrays whose every
index is checked before use can do neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from metaal.errors import PolicyFileError

MAX_DEPTH = 64
AT_ONCE = 12_000
"""Rows times trees that are walked together: what is in hand then stays in the cache."""
_DTYPES = {
    "root": np.int32,
    "feature": np.int32,
    "threshold": np.float64,
    "left": np.int32,
    "right": np.int32,
    "nan_left": np.bool_,
    "leaf": np.float64,
}


@dataclass(frozen=True, eq=False)
class Trees:
    """An additive ensemble of binary trees.

    Parameters
    ----------
    root : i4[T]
        First node of each tree; ≥ 0 an inner node, < 0 the leaf ``~root``.
    feature, threshold, left, right, nan_left : arrays [N]
        Inner nodes: a row goes left where ``x[feature] <= threshold`` (or is NaN and ``nan_left``). Children that are
        ≥ 0 are inner nodes, and come after their parent; negative ones are leaves ``~child``.
    leaf : f8[M]
        Values that are summed.

    Raises
    ------
    PolicyFileError
        An array is not what it should be.
    """

    root: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    nan_left: np.ndarray
    leaf: np.ndarray

    def __post_init__(self) -> None:
        for field in fields(self):
            array = getattr(self, field.name)
            if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype != _DTYPES[field.name]:
                raise PolicyFileError(
                    f"trees: array {field.name} is not one-dimensional {_DTYPES[field.name].__name__}"
                )
        nodes, leaves = len(self.feature), len(self.leaf)
        if any(len(getattr(self, name)) != nodes for name in ("threshold", "left", "right", "nan_left")):
            raise PolicyFileError("trees: node arrays differ in length")
        if not np.isfinite(self.leaf).all() or not np.isfinite(self.threshold).all():
            raise PolicyFileError("trees: a threshold or leaf is not finite")
        if nodes and self.feature.min() < 0:
            raise PolicyFileError("trees: a feature number is negative")
        own = np.arange(nodes, dtype=np.int32)
        for name, child, lowest in (("left", self.left, own), ("right", self.right, own), ("root", self.root, None)):
            inner = child >= 0
            # Children after their parents: a walk always ends, whatever the file says.
            if lowest is not None and (child[inner] <= lowest[inner]).any():
                raise PolicyFileError(f"trees: a {name} child comes before its parent")
            if (child[inner] >= nodes).any() or (~child[~inner] >= leaves).any():
                raise PolicyFileError(f"trees: a {name} index points outside")
        object.__setattr__(self, "depth", self._depth())

    def _depth(self) -> int:
        level = np.unique(self.root[self.root >= 0])
        depth = 0
        while len(level):
            depth += 1
            if depth > MAX_DEPTH:
                raise PolicyFileError(f"trees: deeper than {MAX_DEPTH}")
            below = np.concatenate([self.left[level], self.right[level]])
            level = np.unique(below[below >= 0])
        return depth

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Sum of the trees' values f8[A] for rows f8[A,F]; NaN means missing."""
        return self.leaves(x).sum(1)

    def leaves(self, x: np.ndarray) -> np.ndarray:
        """Each tree's own value f8[A,T] for rows f8[A,F]."""
        x = np.ascontiguousarray(x, dtype=np.float64)
        if x.ndim != 2 or (len(self.feature) and x.shape[1] <= self.feature.max()):
            raise PolicyFileError(f"trees: {x.shape} features passed, {self.feature.max(initial=-1) + 1} are read")
        root, column, child = self._places
        # A missing value is ∞ to the nodes that send it right, and −∞ to the others: no step has to ask for it.
        x = x[:, : int(self.feature.max(initial=-1)) + 1]
        missing = np.isnan(x)
        both = np.concatenate([np.where(missing, np.inf, x), np.where(missing, -np.inf, x)], axis=1)
        if len(x) > 2:
            root, child = self._settled(both, root, column, child)
        out = np.empty((len(x), len(root)))
        step = max(1, AT_ONCE // max(len(root), 1))
        for first in range(0, len(x), step):
            out[first : first + step] = self._walked(both[first : first + step], root, column, child)
        return out

    def _walked(self, both: np.ndarray, root: np.ndarray, column: np.ndarray, child: np.ndarray) -> np.ndarray:
        """Values of the leaves f8[A,T] that rows end at, as places in the arrays of `_places` say."""
        nodes, values = len(column), both.ravel()
        at = np.tile(root, len(both))
        walkers = np.flatnonzero(at < nodes)
        node, start = at.take(walkers), walkers // max(len(root), 1) * both.shape[1]
        while len(walkers):  # which ends: children come after their parents
            right = values.take(start + column.take(node)) > self.threshold.take(node)
            node = child.take(2 * node + right)
            at[walkers] = node
            inner = np.flatnonzero(node < nodes)  # most are at a leaf after a few steps
            walkers, node, start = walkers.take(inner), node.take(inner), start.take(inner)
        if not len(at):
            return np.zeros((len(both), len(root)))
        return self.leaf.take(at - nodes).reshape(len(both), len(root))

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Root i8[T], column i8[N] of two tables side by side, left and right child i8[2N]; leaf k is at N + k."""
        nodes, width = len(self.feature), int(self.feature.max(initial=-1)) + 1
        children = np.stack([self.left, self.right], axis=1).ravel()
        root, child = (np.where(x >= 0, x, nodes + ~x.astype(np.int64)) for x in (self.root, children))
        return root, self.feature + width * self.nan_left.astype(np.int64), child

    def _settled(
        self, both: np.ndarray, root: np.ndarray, column: np.ndarray, child: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Root and children with those nodes passed over at which all rows go the same way.

        The rows of one decision differ in a few features only; the questions about all others are asked once.
        """
        same = (both == both[0]).all(0).take(column)
        right = both[0].take(column) > self.threshold
        to = np.arange(len(column) + len(self.leaf))
        passed = np.flatnonzero(same)
        to[passed] = child.take(2 * passed + right[passed])
        for _ in range(int(self.depth).bit_length()):  # type: ignore[attr-defined]
            to = to.take(to)  # each turn passes over twice as many
        return to.take(root), to.take(child)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def joined(ensembles: Sequence[Trees]) -> Trees:
    """All trees of several ensembles, one after the other: walked together they cost little more than one."""
    nodes = np.cumsum([0, *(len(trees.feature) for trees in ensembles)]).astype(np.int32)
    leaves = np.cumsum([0, *(len(trees.leaf) for trees in ensembles)]).astype(np.int32)

    def moved(name: str) -> np.ndarray:
        parts = []
        for k, trees in enumerate(ensembles):
            index = getattr(trees, name)
            parts.append(np.where(index >= 0, index + nodes[k], index - leaves[k]).astype(np.int32))
        return np.concatenate(parts)

    def same(name: str) -> np.ndarray:
        return np.concatenate([getattr(trees, name) for trees in ensembles])

    return Trees(
        root=moved("root"),
        feature=same("feature"),
        threshold=same("threshold"),
        left=moved("left"),
        right=moved("right"),
        nan_left=same("nan_left"),
        leaf=same("leaf"),
    )


def from_lightgbm(booster: Any) -> Trees:
    """Convert a trained LightGBM booster of one output; what it predicts is the booster's raw score.

    Raises
    ------
    PolicyFileError
        It has several outputs, averaged or linear trees, categorical splits, or reads zero as missing.
    """
    model: Mapping[str, Any] = booster.dump_model()
    if model.get("num_tree_per_iteration", 1) != 1 or model.get("average_output", False):
        raise PolicyFileError("trees: several outputs or averaged trees cannot be saved; boost one regression")
    root: list[int] = []
    nodes: list[list[Any]] = []
    leaf: list[float] = []

    def visit(node: Mapping[str, Any]) -> int:
        if "split_index" not in node:
            if "leaf_coeff" in node:
                raise PolicyFileError("trees: linear trees cannot be saved; train with linear_tree=False")
            leaf.append(float(node["leaf_value"]))
            return ~(len(leaf) - 1)
        if node["decision_type"] != "<=":
            raise PolicyFileError(
                f"trees: a split of type {node['decision_type']!r} cannot be saved; use numerical features"
            )
        if node["missing_type"] == "Zero":
            raise PolicyFileError("trees: zero as missing cannot be saved; train with zero_as_missing=False")
        own = len(nodes)
        threshold = float(node["threshold"])
        # Without a missing type LightGBM reads NaN as zero.
        nan_left = bool(node["default_left"]) if node["missing_type"] == "NaN" else threshold >= 0
        nodes.append([int(node["split_feature"]), threshold, 0, 0, nan_left])
        nodes[own][2] = visit(node["left_child"])
        nodes[own][3] = visit(node["right_child"])
        return own

    for tree in model["tree_info"]:
        root.append(visit(tree["tree_structure"]))
    columns: list[Any] = list(zip(*nodes, strict=True)) if nodes else [[], [], [], [], []]
    return Trees(
        root=np.array(root, dtype=np.int32),
        feature=np.array(columns[0], dtype=np.int32),
        threshold=np.array(columns[1], dtype=np.float64),
        left=np.array(columns[2], dtype=np.int32),
        right=np.array(columns[3], dtype=np.int32),
        nan_left=np.array(columns[4], dtype=np.bool_),
        leaf=np.array(leaf, dtype=np.float64),
    )


def constant(value: float) -> Trees:
    """One leaf: the same value for every row."""
    arrays: dict[str, np.ndarray] = {name: np.zeros(0, dtype) for name, dtype in _DTYPES.items()}
    return Trees(**{**arrays, "root": np.array([~0], dtype=np.int32), "leaf": np.array([value])})
