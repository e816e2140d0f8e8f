"""Expected gradient length: ask where a label is expected to move the model most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._grid import blocks
from strategy_zoo._uncertainty import F8
from strategy_zoo.errors import SpellingError
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of, literal
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class ExpectedGradientLength(Strategy):
    """The length of the gradient that a row's label would cause in a softmax layer, averaged over the possible labels.

    With the label c the gradient of the logarithmic loss in the weights of a linear softmax layer is
    (p - onehot(c)) ⊗ x, of length ‖p - onehot(c)‖ ‖x‖; the score is sum_c p_c ‖p - onehot(c)‖ ‖x‖, where x is the
    embedding. The paper takes the gradient in all parameters of its model; this is its last layer, in closed form. Rows
    with long embeddings come first by construction: centre or scale the embedding if its length means nothing.

    Parameters
    ----------
    bias : False or True. Whether the layer has a constant input too: ‖x‖ becomes sqrt(‖x‖² + 1).

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(proba=[[0.9, 0.1], [0.5, 0.5], [0.5, 0.5]], embedding=[[3.0], [1.0], [2.0]])
    >>> strategy_zoo.propose("expected_gradient_length", view, 3, np.random.default_rng(0)).rows.tolist()
    [2, 0, 1]

    References
    ----------
    Settles and Craven 2008, An Analysis of Active Learning Strategies for Sequence Labeling Tasks.
    Zhang, Lease and Wallace 2017, Active Discriminative Text Representation Learning (the gradient of single layers).
    """

    name: ClassVar[str] = "expected_gradient_length"
    family: ClassVar[str] = "change"
    needs: ClassVar[tuple[str, ...]] = ("proba", "embedding")
    kind: ClassVar[Kind] = "rowwise"
    growth: ClassVar[str] = "U (C + D)"
    reference: ClassVar[str] = (
        "Settles and Craven 2008, An Analysis of Active Learning Strategies for Sequence Labeling Tasks"
    )

    bias: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.bias, bool | np.bool_):
            raise SpellingError(f"{self.name}: bias is {literal(self.bias)[:60]}, expected True or False")
        object.__setattr__(self, "bias", bool(self.bias))

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        # Squares of float32 numbers are exact in float64, and numpy adds a row's in one order, whatever the threads.
        squared = np.empty(view.n)
        for start, block in blocks(field_of(view, "embedding")):
            squared[start : start + len(block)] = np.square(block).sum(axis=1)
        return _residual(field_of(view, "proba")) * np.sqrt(squared + 1 if self.bias else squared)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (6 * C + 1.5 * D + 80))


def _residual(proba: F8) -> F8:
    """sum_c p_c ‖p - onehot(c)‖ of each row."""
    every, first = np.arange(len(proba)), proba.argmax(axis=1)
    largest = proba[every, first]
    squares = np.square(proba)
    squares[every, first] = 0
    rest = squares.sum(axis=1)  # without the largest, which would swallow the others where a row is nearly certain
    # ‖p - onehot(c)‖² = ‖p‖² - p_c² + (1 - p_c)²
    length = (rest + largest * largest)[:, None] - squares + np.square(1 - proba)
    length[every, first] = rest + np.square(1 - largest)
    np.sqrt(length, out=length)
    length *= proba
    return np.asarray(length.sum(axis=1))
