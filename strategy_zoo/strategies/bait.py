"""BAIT: the batch whose Fisher information covers that of the pool best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo._grid import F8, Rows
from strategy_zoo._narrowing import subset
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of, real, top, whole
from strategy_zoo.view import View

_MOST_ROWS = 10_000  # of the pool, and of the labelled rows
_MOST_CLASSES = 16  # directions of the classes; 17 classes have 16, because probabilities sum to 1
_MOST_PARAMETERS = 512  # directions of the classes times directions of the embedding
_CANDIDATES = 1_024  # rows that a round compares
_ROUND = 256  # picks of a round


@register
@dataclass(frozen=True, repr=False)
class Bait(Strategy):
    """Greedily lower trace((ridge I + Σ I(x) over labelled rows and batch)⁻¹ · mean I(x) over the pool).

    I(x) = (diag p - p pᵀ) ⊗ x xᵀ is the Fisher information of a linear last layer without intercept. First
    `oversample` * n rows are picked one by one, each the one that lowers the trace most; then those are taken out whose
    loss raises it least, until n are left, in the order in which they came in. The score is the amount by which a row
    lowered the trace when it was picked. Inverses are updated by Woodbury's identity, never computed anew for a row.

    Bounds and deviations. The embedding is divided by the root mean square of its entries, so that the ridge has no
    unit. Information of labelled rows is summed like that of the batch (the authors' program weighs it less); without
    `seen_proba` they get the pool's mean class covariance. Pools (and labelled rows) above 10,000 rows are replaced by
    a random subset. The batch comes in rounds of 256 rows, and each round compares the 1,024 rows that would lower the
    trace most as its first pick. The information is complete while (C - 1) * D is at most 512 and C at most 17. Beyond
    that the model is restricted to the 16 leading directions of the pool's mean class covariance, and to as many
    leading principal axes (about the origin) of the embedding as leave 512 parameters. Linear algebra is LAPACK's:
    where two rows are equally good to the last digits, the choice may depend on the number of threads. With one class
    there is nothing to learn, and the first rows are taken.

    Parameters
    ----------
    ridge : 1e-4 to 1e6, no unit. Information that every direction has beforehand.
    oversample : 1 to 4. Rows picked for each row wanted, before the superfluous ones are taken out; 2 in the paper.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     proba=[[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.9, 0.1]],
    ...     embedding=[[3.0, 0.0], [2.9, 0.0], [0.0, 2.8], [0.0, 2.8]],
    ... )
    >>> strategy_zoo.propose("bait", view, 2, np.random.default_rng(0)).rows.tolist()
    [0, 2]

    References
    ----------
    Ash, Goel, Krishnamurthy and Kakade 2021, Gone Fishing: Neural Active Learning with Fisher Embeddings.
    """

    name: ClassVar[str] = "bait"
    family: ClassVar[str] = "look-ahead"
    needs: ClassVar[tuple[str, ...]] = ("proba", "embedding")
    uses: ClassVar[tuple[str, ...]] = ("seen_embedding", "seen_proba")
    kind: ClassVar[Kind] = "batch"
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "min(U, 10000) min((C - 1) D, 512)² + oversample n 1000 C² (C + D)"
    reference: ClassVar[str] = "Ash et al. 2021, Gone Fishing: Neural Active Learning with Fisher Embeddings"
    limit: ClassVar[int | None] = _MOST_ROWS

    ridge: float = 1.0
    oversample: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "ridge", real(self.name, "ridge", self.ridge, 1e-4, 1e6))
        object.__setattr__(self, "oversample", whole(self.name, "oversample", self.oversample, 1, 4))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        kept = subset(view.n, max(_MOST_ROWS, n), rng)
        proba, x = field_of(view, "proba")[kept], field_of(view, "embedding")[kept].astype(np.float64)
        if proba.shape[1] == 1:  # one class: nothing is left to learn, and any row is as good as another
            return Proposal(kept[:n], np.zeros(n))
        scale = np.sqrt(np.square(x).mean()) or 1.0
        x /= scale
        basis, axes = _class_basis(proba), _axes(x, proba.shape[1])
        x = x if axes is None else x @ axes
        covariance = _covariances(proba, basis)
        pool = _information(covariance, x) / len(x)
        known = self.ridge * np.eye(len(pool))
        if view.seen_embedding is not None and len(view.seen_embedding):
            some = subset(len(view.seen_embedding), _MOST_ROWS, rng)
            seen = view.seen_embedding[some].astype(np.float64) / scale
            seen = seen if axes is None else seen @ axes
            if view.seen_proba is not None:
                covariance_seen = _covariances(view.seen_proba[some], basis)
            else:
                covariance_seen = np.broadcast_to(covariance.mean(axis=0), (len(seen), *covariance.shape[1:]))
            known += _information(covariance_seen, seen) * (len(view.seen_embedding) / len(some))
        left, rows, score = np.arange(len(x)), np.empty(0, np.int64), np.empty(0)
        while len(rows) < n:
            state = _State(known, pool, covariance[left], x[left])
            picked, gain = state.batch(min(_ROUND, n - len(rows)), self.oversample)
            rows, score = np.concatenate([rows, left[picked]]), np.concatenate([score, gain])
            if len(rows) < n:
                known += _information(covariance[left[picked]], x[left[picked]])
                left = np.delete(left, picked)
        return Proposal(kept[rows], score)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        c = min(max(1, C - 1), _MOST_CLASSES)
        d = min(D, _MOST_PARAMETERS // c)
        rows, rounds = min(U, max(_MOST_ROWS, n)), -(-n // _ROUND)
        begin = 30 * U + rows * (17 * D + 100) + (0 if d == D else D**3)
        # Products of the information with every row, for the pool, the labelled rows and the start of each round.
        squares = (rows * (1 + rounds) + min(L, _MOST_ROWS)) * (c * d) ** 2 / 25
        each_round = 1.3 * (c * d) ** 3 + 130 * rows * c * c
        # Rows compared, on the way in and on the way out.
        compared = float(min(self.oversample * n, rows) * min(rows, _CANDIDATES))
        compared += (self.oversample - 1) * n * min(n, _ROUND) * (self.oversample + 1) / 2
        return float(begin + squares + rounds * each_round + compared * (130 + c * c * (80 + 0.9 * d)))


class _State:
    """The inverse information of what is known, and for each row of the pool what its label would add.

    With A the class covariance of a row and X = I ⊗ x, a row adds X A Xᵀ to the information M. The trace falls by
    trace((I + A K)⁻¹ A L) where K = Xᵀ M⁻¹ X and L = Xᵀ M⁻¹ F M⁻¹ X are small; F is the pool's information.
    Taking a row out is the same with -A.
    """

    def __init__(self, known: F8, pool: F8, covariance: F8, x: F8) -> None:
        inverse = np.linalg.inv(known)
        self.inverse = (inverse + inverse.T) / 2
        self.both = self.inverse @ pool @ self.inverse
        small, gain = np.empty_like(covariance), np.empty(len(x))
        step = max(1, (1 << 18) // max(x.shape[1], covariance[0].size))
        for start in range(0, len(x), step):
            part = slice(start, start + step)
            small[part] = _sandwich(self.inverse, x[part])
            gain[part] = _gain(covariance[part], small[part], _sandwich(self.both, x[part]))
        self.rows = np.sort(top(gain, _CANDIDATES))
        self.covariance, self.x = covariance[self.rows], x[self.rows]
        self.k, self.l = small[self.rows], _sandwich(self.both, self.x)

    def batch(self, n: int, oversample: int) -> tuple[Rows, F8]:
        """n rows in the order in which they were picked, and how far each lowered the trace then."""
        picked, gains = [], []
        free = np.zeros(len(self.x))
        for _ in range(min(oversample * n, len(self.x))):
            gain = _gain(self.covariance, self.k, self.l) + free
            row = int(gain.argmax())
            picked.append(row)
            gains.append(gain[row])
            free[row] = -np.inf
            self._update(row, 1)
        order = np.array(picked, np.int64)
        self._keep(order)
        rows, gained = self.rows, np.array(gains)
        while len(rows) > n:
            out = int(_gain(-self.covariance, self.k, self.l).argmax())
            self._update(out, -1)
            rest = np.delete(np.arange(len(rows)), out)
            self._keep(rest)
            rows, gained = rows[rest], gained[rest]
        return rows, gained

    def _keep(self, order: Rows) -> None:
        self.rows, self.covariance, self.x = self.rows[order], self.covariance[order], self.x[order]
        self.k, self.l = self.k[order], self.l[order]

    def _update(self, row: int, sign: int) -> None:
        """Put the row into what is known (sign 1), or take it out (sign -1)."""
        a, x = sign * self.covariance[row], self.x[row]
        c, d = len(a), len(x)
        r = (self.inverse.reshape(-1, d) @ x).reshape(c * d, c)  # M⁻¹ X
        z = (self.both.reshape(-1, d) @ x).reshape(c * d, c)  # M⁻¹ F M⁻¹ X
        inner = np.linalg.solve(np.eye(c) + a @ self.k[row], a)
        middle = inner @ self.l[row] @ inner.T
        mine, their = self._through(r), self._through(z)
        self.inverse -= (r @ inner) @ r.T
        half = z @ inner.T - r @ (middle / 2)
        change = r @ half.T
        self.both -= change + change.T
        half = their @ inner.T - mine @ (middle / 2)
        self.k -= (mine @ inner) @ mine.swapaxes(1, 2)
        change = mine @ half.swapaxes(1, 2)
        change += change.swapaxes(1, 2).copy()
        self.l -= change

    def _through(self, r: F8) -> F8:
        """Xᵀ r for each row: [rows, c, c]."""
        d = self.x.shape[1]
        c = len(r) // d
        wide = np.ascontiguousarray(r.reshape(c, d, c).transpose(1, 0, 2)).reshape(d, c * c)
        return (self.x @ wide).reshape(-1, c, c)


def _gain(a: F8, k: F8, small: F8) -> F8:
    inside = a @ k
    inside += np.eye(a.shape[1])
    solved = np.linalg.solve(inside, a)
    solved *= small
    return np.asarray(solved.sum(axis=(1, 2)))


def _sandwich(matrix: F8, x: F8) -> F8:
    """Xᵀ matrix X for each row, where X = I ⊗ x: [rows, c, c]."""
    d = x.shape[1]
    c = len(matrix) // d
    blocks, out = matrix.reshape(c, d, c, d), np.empty((len(x), c, c))
    for i in range(c):
        for j in range(i, c):
            out[:, i, j] = out[:, j, i] = np.einsum("nd,nd->n", x @ blocks[i, :, j, :], x)
    return out


def _information(covariance: F8, x: F8) -> F8:
    """Sum of covariance ⊗ x xᵀ over the rows."""
    c, d = covariance.shape[1], x.shape[1]
    out = np.empty((c, d, c, d))
    for i in range(c):
        for j in range(i, c):
            out[i, :, j, :] = out[j, :, i, :] = x.T @ (x * covariance[:, i, j, None])
    return out.reshape(c * d, c * d)


def _covariances(proba: F8, basis: F8) -> F8:
    """diag p - p pᵀ of each row in the given basis of the classes: [rows, c, c]."""
    c = basis.shape[1]
    pairs = (basis[:, :, None] * basis[:, None, :]).reshape(len(basis), c * c)
    out = (proba @ pairs).reshape(-1, c, c)
    along = proba @ basis
    out -= along[:, :, None] * along[:, None, :]
    return out


def _class_basis(proba: F8) -> F8:
    """Orthonormal directions of the classes, without the one along which probabilities never change: [C, c]."""
    classes = proba.shape[1]
    basis = np.linalg.qr(np.column_stack([np.ones(classes), np.eye(classes)[:, 1:]]))[0][:, 1:]
    if classes - 1 > _MOST_CLASSES:
        mean = np.diag(proba.mean(axis=0)) - proba.T @ proba / len(proba)
        basis = basis @ np.linalg.eigh(basis.T @ mean @ basis)[1][:, ::-1][:, :_MOST_CLASSES]
    return basis


def _axes(x: F8, classes: int) -> F8 | None:
    """The leading principal axes of the embedding about the origin, [D, d]; None when it can be taken as it is."""
    d = _MOST_PARAMETERS // min(classes - 1, _MOST_CLASSES)
    return None if x.shape[1] <= d else np.linalg.eigh(x.T @ x)[1][:, ::-1][:, :d]
