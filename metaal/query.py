"""What `Run.ask` hands out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from metaal.actions import Refit
    from metaal.state import RunState


@dataclass(frozen=True, eq=False)
class Query:
    """Rows to label now, and where they come from.

    Parameters
    ----------
    ids : i8[n] or U[n]
        Keys of the rows to label, best first. Empty when the policy stops.
    rows : i8[n]
        Their positions in the pool as passed to ``ask`` (empty on a query restored from the log).
    loop : int
        Number of the loop, from 0.
    stop : bool
        No further labels are worth asking for: the policy says so, the budget is spent, or every remaining row fits
        into this batch, so that there is nothing left to choose (``ids`` then holds those rows).
    action : str
        The strategy that chose the rows, with its batch multiplier if that is not 1.
    reason : str
        Why, in words.
    propensity : float
        Probability with which the action was drawn, in (0, 1].
    part : i8[n]
        Ingredient of a mixture that chose each row.
    score : f8[n]
        How much the strategy wants each row; comparable within this query only.
    share : float
        Share of the pool, in (0, 1], for which outputs are worth computing in the next loop; `Run.sample` draws it.
    refit : str
        How to train on these labels: ``"full"`` (from scratch), ``"warm"`` (from the last model's parameters, on all
        labels), ``"skip"`` (keep the last model for another loop). Advice: nothing breaks where it is not followed.
    """

    ids: np.ndarray
    loop: int
    stop: bool = False
    action: str = ""
    reason: str = ""
    propensity: float = 1.0
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    part: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    score: np.ndarray = field(default_factory=lambda: np.zeros(0))
    share: float = 1.0
    refit: Refit = "full"

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        what = "stop" if self.stop else f"{len(self)} rows"
        return f"Query(loop {self.loop}: {what} by {self.action}; {self.reason})"


def restored(state: RunState, ids: np.ndarray) -> Query:
    """The last query of a run as far as it concerns ``ids``; rows of earlier loops have no score and part −1."""
    last = state.asks[-1]
    keys = ids.tolist()
    own = [state.position[key] if state.waiting.get(key) == state.loop else -1 for key in keys]
    score, part = last.arrays["query.score"], last.arrays["query.part"]
    return Query(
        ids,
        state.loop,
        bool(last.values["action.stop"]),
        str(last.values["action.name"]),
        str(last.values["decision.reason"]),
        float(last.values["action.propensity"]),
        part=np.array([part[k] if k >= 0 else -1 for k in own], dtype=np.int64),
        score=np.array([score[k] if k >= 0 else np.nan for k in own], dtype=np.float64),
        share=float(last.values.get("action.share", 1.0)),
        refit=cast("Refit", last.values.get("action.refit", "full")),
    )
