"""One active-learning run: ask for rows, tell their labels; everything that happens is a record in the store.

A run is ``begin (ask tell)* end``. The caller keeps the model, the data and the loop; the run sees only the outputs
that are passed to ``ask``. Every call checks its input first, then writes one record, then changes its own state from
that record, so that a process killed between any two calls loses nothing and goes on as if unbroken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from metaal import answers
from metaal.actions import DEFAULT_ARM, Policy
from metaal.errors import EmptyPoolError, InputError, OutOfTurnError, PolicyError
from metaal.history import History
from metaal.inputs import among, check_count, check_ids, check_labels, check_number, check_tags, plain_array
from metaal.journal import Journal
from metaal.policies import read_policy
from metaal.policies.absent import Absent
from metaal.policies.arms import check_arm
from metaal.query import Query, restored
from metaal.sampling import sample_next
from metaal.shown import digest_of, make_view, pool_digest
from metaal.state import Id
from metaal.turn import Turn
from metadata_store import Store
from strategy_zoo import FIELDS, Strategy, View
from strategy_zoo.plain import Rule


class Run:
    """The strategy provider of a loop that the caller owns.

    Parameters
    ----------
    path : str, Path
        ``store/name``: directory of the store, and the run's name in it. A run that exists is continued. With
        ``store=``, the name alone.
    policy : Policy or str
        Who decides: ``"default"``, ``"learned"``, the spelling of a strategy, ``"uniform"``, ``"schedule"``, the path
        of a ``.metaal`` file, or a policy object.
    seed : int
        ≥ 0; every random number derives from it, the stream, the loop and its role.
    budget : int, optional
        Labels that may be asked for in all; the query before it is cut, the one after it says stop.
    task : str, optional
        Name of what is being learnt; runs of one task are kept together when a policy is trained. Default: the name.
    tags : mapping, optional
        Further facts to log with the run, such as ``{"learner": "logistic"}``.
    stream : str, optional
        Name that random numbers derive from; runs to be compared under common random numbers share one.
    default : str, Strategy or function
        Strategy that is previewed beside the chosen one in every loop, so that logs can train a policy. Default: the
        policy's own, else cluster_margin.
    store : Store, optional
        An open store instead of a directory.

    Raises
    ------
    MismatchError
        The run exists and began with another policy, seed, budget or stream.

    Examples
    --------
    >>> import numpy as np
    >>> from metadata_store import open_store
    >>> run = Run("demo", policy="margin", seed=0, store=open_store("memory:"))
    >>> query = run.ask(1, ids=["a", "b"], proba=[[0.9, 0.1], [0.6, 0.4]])
    >>> query.ids.tolist()
    ['b']
    >>> run.tell([1], score=0.7)
    >>> run.labels
    {'b': 1}
    """

    def __init__(
        self,
        path: str | Path,
        *,
        policy: Policy | str = "default",
        seed: int = 0,
        budget: int | None = None,
        task: str | None = None,
        tags: Mapping[str, str | float] | None = None,
        stream: str | None = None,
        default: str | Strategy | Rule | None = None,
        store: Store | None = None,
    ) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise InputError(f"seed: got {seed!r}, expected a whole number ≥ 0")
        if budget is not None:
            budget = check_count(budget, name="budget", meaning="labels in all; None for no limit")
        self.policy = read_policy(policy)
        # A learned policy measures advantages against the default that it was trained with.
        self.default = check_arm(default or str(getattr(self.policy, "default", DEFAULT_ARM)))
        self.seed = int(seed)
        self.budget = budget
        self._journal = Journal(path, store)
        self.name = self._journal.name
        self.stream = stream or self.name
        self._state = self._journal.state
        self._delivered = False
        settings: dict[str, str | int | float] = {
            "run.policy": self.policy.spelling,
            "run.policy.checksum": str(getattr(self.policy, "checksum", "")),
            "run.seed": self.seed,
            "run.stream": self.stream,
            "run.default": self.default,
            "run.budget": budget or 0,  # 0 = no limit
        }
        try:
            if self._journal.exists:
                self._journal.replay()
                self._journal.check({**settings, **check_tags(tags)})
            else:
                self._journal.write("begin", {**settings, "run.task": task or self.name, **check_tags(tags)}, {})
        except BaseException:
            self.close()
            raise

    @classmethod
    def resume(cls, path: str | Path, *, policy: Policy | str | None = None, store: Store | None = None) -> Run:
        """Open a run that exists with the settings it began with.

        Parameters
        ----------
        path : str, Path
        policy : Policy or str, optional
            Needed only to ask further in a run that began with a function, or with a policy object that has no text
            form of its own; without it such a run can be read, and labels be told.
        store : Store, optional

        Raises
        ------
        InputError
            There is no such run.
        """
        journal = Journal(path, store, create=False)
        try:
            if not journal.exists:
                raise InputError(f"no run {journal.name!r} to resume here; begin it with metaal.Run")
            journal.replay()
        finally:
            journal.close()
        begin = journal.state.begin.values if journal.state.begin is not None else {}
        if policy is None:
            # a private store may have kept neither the policy's text nor the stream's name
            text = str(begin.get("run.policy", ""))
            try:
                policy = read_policy(text)
            except PolicyError as error:
                policy = Absent(text, str(begin.get("run.policy.checksum", "")), str(error))
        return cls(
            path,
            policy=policy,
            seed=int(begin["run.seed"]),
            budget=int(begin["run.budget"]) or None,
            stream=str(begin.get("run.stream", "")) or None,
            default=str(begin.get("run.default", "")) or None,
            store=store,
        )

    # ------------------------------------------------------------------ ask

    def ask(
        self,
        n: int,
        *,
        ids: Any,
        proba: Any = None,
        prediction: Any = None,
        quantiles: Any = None,
        embedding: Any = None,
        committee: Any = None,
        committee_prediction: Any = None,
        stochastic: Any = None,
        previous: Any = None,
        gradient: Any = None,
        label_proba: Any = None,
        votes: Any = None,
        seen_embedding: Any = None,
        seen_y: Any = None,
        seen_proba: Any = None,
        seen_labels: Any = None,
        lookahead: Callable[..., Any] | None = None,
        predict: Callable[..., Any] | None = None,
        classes: Any = None,
        unscored: int = 0,
    ) -> Query:
        """Choose rows to label from the outputs of the current model.

        Every output is optional; which ones a strategy needs stands in ``metaal zoo``, and ``metaal.outputs`` computes
        them for scikit-learn and LightGBM estimators.

        Parameters
        ----------
        n : int
            Rows wanted, ≥ 1; the policy may ask for a multiple.
        ids : (U,) whole numbers or text
            Key of each pool row, without repeats. Rows that wait for a label or were skipped are left out by the run.
        proba : (U, C) array, optional
            Class probabilities, rows summing to one.
        prediction : (U,) array, optional
            Predictions, for regression.
        quantiles : (U, Q) array, optional
            Predicted quantiles, for regression, not falling from left to right.
        embedding : (U, D) array, optional
            A vector a row in which near means alike (features or the model's last layer).
        committee : (M, U, C) array, optional
            Probabilities of several members.
        committee_prediction : (M, U) array, optional
            Predictions of several members, for regression.
        stochastic : (S, U, C) array, optional
            Probabilities by several noisy passes of the same model.
        previous : (U, C) array, optional
            Probabilities of the same rows in the last loop.
        gradient : (U, G) array, optional
            Gradient embedding.
        label_proba : (U, K) array, optional
            Probability of each label, for multi-label tasks.
        votes : (U, C) array, optional
            Votes of annotators for each class so far. Rows with votes may be in the pool although they have a label in
            this run: they can be asked again, and the next label told for them replaces the old one.
        seen_embedding : (L, D) array, optional
            Vectors of the labelled rows.
        seen_y : (L,) array, optional
            Their labels.
        seen_proba : (L, C) array, optional
            Their class probabilities, out of fold where possible.
        seen_labels : (L, K) array, optional
            Their labels in a multi-label task, 0 or 1.
        lookahead : callable, optional
            What a further label would change; see ``strategy_zoo.View``.
        predict : callable, optional
            Class probabilities at any points of the embedding, for query synthesis.
        classes : (C,) array, optional
            The label that each column of proba stands for (``model.classes_``). Without it, labels (also ``seen_y``)
            are read as column numbers where they can be.
        unscored : int
            Further rows of the pool, ≥ 0, that no outputs were computed for; see `sample`.

        Returns
        -------
        Query

        Raises
        ------
        OutOfTurnError
            The last query has no answer yet, or the run has ended.
        InputError, EmptyPoolError, UnavailableError
            Something passed is wrong; nothing was logged.
        """
        given = locals()  # the outputs by name
        n = check_count(n)
        if isinstance(unscored, bool) or not isinstance(unscored, int | np.integer) or unscored < 0:
            raise InputError(f"unscored: got {unscored!r}, expected a whole number ≥ 0 of pool rows without outputs")
        if self._state.ended is not None:
            raise OutOfTurnError(f"run {self.name!r} has ended; begin another one to go on")
        self._journal.recognise(ids)
        pool_ids = check_ids(ids, like=self._state.id_example)
        outputs = {name: value for name, value in given.items() if name in FIELDS}
        view = make_view(pool_ids, outputs)
        pool = self._journal.keyed(shown := pool_digest(n, pool_ids))
        if not self._state.answered:
            return self._again(pool, pool_ids)
        if self.stopped and self._state.quiet and self._state.asks[-1].values["state.pool"] == pool:
            return restored(
                self._state, self._state.asks[-1].arrays["query.ids"]
            )  # nothing has happened since the stop
        if isinstance(self.policy, Absent):
            raise self.policy.error()
        digest = digest_of(n, pool_ids, view)
        rows, scored = self._candidates(pool_ids, view), len(pool_ids)
        view, pool_ids = (view, pool_ids) if len(rows) == len(pool_ids) else (view.take(rows), pool_ids[rows])
        turn = Turn(
            state=self._state,
            seed=self.seed,
            stream=self.stream,
            default=self.default,
            budget=self.budget,
            n=n,
            view=view,
            ids=pool_ids,
            scored=scored,
            unscored=int(unscored),
        )
        turn.observe()
        query = turn.choose(self.policy)
        self._journal.write("ask", {**turn.values, "state.digest": digest, "state.pool": shown}, turn.arrays)
        self._delivered = True
        # Positions are given in the pool as the caller passed it, not in the candidates.
        return replace(query, rows=rows[query.rows])

    def sample(self, ids: Any) -> np.ndarray:
        """Positions of the pool rows that the policy wants scored for the next `ask`; all of them, unless it says less.

        Scoring a large pool can cost more than training. Where the last query's ``share`` is below 1, pass only these
        rows to ``ask``, with the number of the others as ``unscored=``. The same rows are drawn after a restart.

        Parameters
        ----------
        ids : (U,) whole numbers or text
            Keys of all rows without a label.

        Returns
        -------
        i8[m]
            Ascending.

        Examples
        --------
        >>> from metadata_store import open_store
        >>> run = Run("demo", policy="margin", store=open_store("memory:"))
        >>> run.sample(["a", "b", "c"]).tolist()
        [0, 1, 2]
        """
        keys = check_ids(ids, like=self._state.id_example)
        return sample_next(self._state, keys, seed=self.seed, stream=self.stream)

    def _again(self, pool: str, pool_ids: np.ndarray) -> Query:
        """Hand out the pending query to a process that has not seen it yet; a second ask is out of turn.

        The rows and the number wanted must be the same. The outputs need not: a model that was fitted again may differ
        in the last bits, and the query may already be with the annotators.
        """
        last = self._state.asks[-1]
        if self._delivered:
            raise OutOfTurnError(
                f"ask() was called twice: the query of loop {self._state.loop} ({len(self._state.waiting)} rows) has "
                "no answer yet; tell() its labels, or skip() rows that cannot be labelled"
            )
        if last.values["state.pool"] != pool:
            raise OutOfTurnError(
                f"the query of loop {self._state.loop} is still pending from an earlier process, and ask() was called "
                "for other rows or another number of them; read run.pending, then tell() its labels or skip() them"
            )
        self._delivered = True
        # Only the last ask's rows: none of them has an answer, and all of them are in this pool.
        query = restored(self._state, last.arrays["query.ids"])
        place = {key: row for row, key in enumerate(pool_ids.tolist())}
        return replace(query, rows=np.array([place[key] for key in query.ids.tolist()], dtype=np.int64))

    def _candidates(self, pool_ids: np.ndarray, view: View) -> np.ndarray:
        """Positions of the pool rows that may be asked now."""
        again = among(pool_ids, self._state.labels)
        if view.votes is not None:
            again &= view.votes.sum(axis=1) == 0  # a row with votes may be asked for another one
        labelled = np.flatnonzero(again)
        if len(labelled):
            raise InputError(
                f"ids: {len(labelled)} rows already have a label in this run (for example "
                f"{pool_ids[labelled[0]].item()!r}); drop them from the pool; to ask again, withdraw() their labels or "
                "pass votes="
            )
        rows = np.flatnonzero(~among(pool_ids, self._state.excluded()))
        if not len(rows):
            raise EmptyPoolError(
                f"ids: all {len(pool_ids)} rows wait for a label or were skipped; tell() their labels, or end the run"
            )
        return rows

    # ----------------------------------------------------------------- tell

    def tell(
        self,
        labels: Any,
        *,
        ids: Any = None,
        seconds: Mapping[str, float] | float | None = None,
        score: float | Mapping[str, float] | None = None,
        **stats: float,
    ) -> None:
        """Log labels, in any order, in parts, or late.

        Parameters
        ----------
        labels : (n,) whole numbers, text, truth values or numbers
            One for each id; in a multi-label task (``ask`` had ``label_proba``) a row (K,) of 0 and 1 for each.
        ids : (n,) array, optional
            The rows they belong to. Default: all rows of the pending query, in its order.
        seconds : mapping or float, optional
            Seconds spent in this loop on ``fit``, ``score`` and ``label``; a plain number is ``fit``.
        score : float or mapping, optional
            Quality of the model whose outputs this loop's ``ask`` saw, on validation data of your own; several as
            ``{"value": 0.9, "log_loss": 0.3}``. Training reads it; no policy sees it while deciding.
        **stats : float
            Further numbers of yours, logged as ``user.NAME``.

        Raises
        ------
        OutOfTurnError
            Nothing was asked yet, or the run has ended.
        UnknownIdError
            An id was never asked.
        InputError
            Wrong count, a missing label, or a row that already has one (use ``change``).
        """
        answers.check_turn(self._state, "tell")
        self._journal.recognise(ids, of_query=ids is None)
        measured = answers.outcomes(seconds, score, stats)
        keys, values, counts = answers.told(self._state, labels, ids)
        self._journal.write("tell", {**measured, **counts}, {"ids": keys, "labels": values})

    def skip(self, ids: Any) -> None:
        """Log that rows cannot be labelled; they are not asked again (a late label is still welcome)."""
        state = self._state
        answers.check_turn(state, "skip")
        self._journal.recognise(ids)
        keys = answers.asked_ids(state, ids)
        # A row that waits for a second label may be skipped, and keeps its first one.
        known = state.labels.keys() - state.waiting.keys()
        answers.refuse(keys, lambda key: key in known, "already has a label; withdraw() it instead")
        answers.refuse(keys, lambda key: key in state.skipped, "was skipped already")
        self._journal.write("skip", answers.count(state, "oracle.skipped", len(keys)), {"ids": keys})

    def change(self, ids: Any, labels: Any) -> None:
        """Replace the labels of rows that have one."""
        state = self._state
        answers.check_turn(state, "change")
        self._journal.recognise(ids)
        keys = answers.asked_ids(state, ids)
        width = answers.label_width(state)
        values = check_labels(labels, len(keys), of="one for each of the ids", width=width)
        answers.refuse(keys, lambda key: key not in state.labels, "has no label yet; tell() it")
        answers.same_kind(state, values)
        counts = answers.count(state, "oracle.changed", len(keys))
        self._journal.write("change", counts, {"ids": keys, "labels": values})

    def withdraw(self, ids: Any) -> None:
        """Take labels back; the rows may be asked again when they are in the pool."""
        state = self._state
        answers.check_turn(state, "withdraw")
        self._journal.recognise(ids)
        keys = answers.asked_ids(state, ids)
        answers.refuse(keys, lambda key: key not in state.labels, "has no label to withdraw")
        self._journal.write("withdraw", answers.count(state, "oracle.withdrawn", len(keys)), {"ids": keys})

    def report(self, values: Mapping[str, float]) -> None:
        """Log numbers for people only, such as test scores: no policy ever sees them.

        They belong to the model that the next ``ask`` will show (after ``end``: to the last one).
        """
        loop = self._state.ended.loop if self._state.ended is not None else self._state.loop + 1
        numbers = {f"report.{name}": check_number(name, value) for name, value in values.items()}
        if any(old.loop == loop and dict(old.values) == numbers for old in self._state.reports):
            return  # a resumed loop reports what it had reported before
        self._journal.write("report", numbers, {}, loop=loop)

    def end(
        self,
        *,
        seconds: Mapping[str, float] | float | None = None,
        score: float | Mapping[str, float] | None = None,
        **stats: float,
    ) -> None:
        """End the run; ``score`` and ``seconds`` are of the model trained on all labels.

        Raises
        ------
        OutOfTurnError
            The run has already ended.
        """
        if self._state.ended is not None:
            raise OutOfTurnError(f"run {self.name!r} has already ended")
        logged = answers.outcomes(seconds, score, stats)
        logged["labels.told"] = float(len(self._state.labels))
        initial = self._state.rows[0].get("labels.count", 0.0) if self._state.rows else 0.0
        logged["labels.count"] = initial + logged["labels.told"]
        self._journal.write("end", logged, {}, loop=self._state.loop + 1)

    # ---------------------------------------------------------------- state

    @property
    def pending(self) -> Query | None:
        """The rows that were asked and have neither a label nor a skip, oldest first; None if there are none."""
        state = self._state
        if not state.waiting or state.ended is not None:
            return None
        return restored(state, np.array(list(state.waiting)))

    @property
    def stopped(self) -> bool:
        """Whether the last query said stop."""
        return bool(self._state.asks) and bool(self._state.asks[-1].values["action.stop"])

    @property
    def history(self) -> History:
        """Every series of the run so far, loops × names."""
        return self._state.history()

    @property
    def labels(self) -> dict[Id, Any]:
        """Every label told so far, by id."""
        return dict(self._state.labels)

    @property
    def ended(self) -> bool:
        """Whether ``end`` was logged."""
        return self._state.ended is not None

    def keys(self, ids: Any) -> np.ndarray:
        """``ids`` in the kind that this run keys its rows by: text that spells whole numbers, where it uses these."""
        array = plain_array("ids", ids)
        self._journal.recognise(array)
        like = self._state.id_example
        if like is None or array.dtype.kind == like.dtype.kind:
            return array
        if like.dtype.kind == "U":
            return array.astype(str)
        try:
            return array.astype(np.int64)
        except ValueError:
            raise InputError(f"ids: this run keys its rows by whole numbers, got {array[0]!r}") from None

    def why(self) -> str:
        """The last action and its reason, in one line."""
        if not self._state.asks:
            return "nothing was asked yet"
        last = self._state.asks[-1].values
        chance = f"p = {last['action.propensity']:.2f}"
        return f"loop {self._state.loop}: {last['action.name']} ({chance}); {last['decision.reason']}"

    def close(self) -> None:
        """Release the store if this run opened it; the run can be resumed at any time."""
        self._journal.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = self._state
        counts = f"{len(state.labels)} labels, {len(state.waiting)} pending"
        return f"Run({self.name!r}, {self.policy.spelling}, loop {state.loop}, {counts})"
