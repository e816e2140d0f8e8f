"""Whatever is done in whatever order, through whichever opening, a directory behaves like a store in memory."""

import shutil
import tempfile
import warnings
from pathlib import Path

import hypothesis
import numpy as np
import pandas as pd
import pytest
from faults.campaign import seed
from faults.expected import no_syncs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from metadata_store import DirectoryStore, LeaseError, MemoryStore, Record, StoreError

RUNS = ["a", "b"]
scalars = st.one_of(
    st.floats(), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.text(max_size=5).filter(str.isprintable)
)
records = st.builds(
    Record,
    st.sampled_from(RUNS),
    st.integers(0, 3),
    st.sampled_from(["ask", "tell"]),
    st.dictionaries(st.sampled_from(["x", "y.z", "w"]), scalars, max_size=3),
    st.sampled_from([{}, {"ids": np.arange(3)}, {"ids": np.zeros((2, 0)), "t": np.array(["é"])}]),
    st.integers(1, 5),
    st.integers(0, 1),
)
tables = st.sampled_from(
    [{"row": np.arange(3), "score": np.array([0.5, np.nan, -0.0])}, {"label": np.array(["é", ""])}]
)
which, runs, loops = st.integers(0, 1), st.sampled_from(RUNS), st.integers(0, 3)
blocks = st.sampled_from(["samples", "more"])


class Stores(RuleBasedStateMachine):
    """Two openings of one directory, as of two processes, beside a store in memory."""

    @initialize(durability=st.sampled_from(["commit", "group", "none"]))
    def begin(self, durability):
        self.folder = Path(tempfile.mkdtemp())
        self.durability = durability
        self.silence = no_syncs()
        self.silence.__enter__()
        self.stores = [self.open(), self.open()]
        self.model = MemoryStore()

    def open(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return DirectoryStore(self.folder / "store", durability=self.durability)

    def both(self, which, call):
        outcomes = []
        for store in (self.stores[which], self.model):
            try:
                outcomes.append(call(store))
            except StoreError as error:
                outcomes.append(type(error))
        return outcomes

    @rule(record=records, which=which)
    def append(self, record, which):
        one, other = self.both(which, lambda store: store.append(record))
        assert one is other or one.same_content(other)

    @rule(many=st.lists(records, max_size=4), which=which)
    def append_many(self, many, which):
        one, other = self.both(which, lambda store: store.append_many(many))
        assert one is other or all(a.same_content(b) for a, b in zip(one, other, strict=True))

    @rule(run=runs, loop=loops, table=tables, name=blocks, which=which)
    def append_block(self, run, loop, table, name, which):
        index = 0 if name == "samples" else 1
        one, other = self.both(which, lambda store: store.append_block(run, loop, table, name=name, index=index, at=7))
        assert one is other or one.same_content(other)

    @rule(which=which)
    def compact(self, which):
        self.stores[which].compact()

    @rule(which=which)
    def reopen(self, which):
        self.stores[which].close()
        self.stores[which] = self.open()

    @rule(junk=st.binary(min_size=1, max_size=60))
    def tear(self, junk):
        """Leave a torn tail, as a killed writer would."""
        for store in self.stores:
            store.close()
        segments = sorted((self.folder / "store" / "hot").glob("*.seg"))
        if segments:
            with segments[-1].open("ab") as file:
                file.write(junk)
        self.stores = [self.open(), self.open()]

    @rule(which=which)
    def repair(self, which):
        self.stores[1 - which].close()
        assert self.stores[which].repair().ok
        self.stores[1 - which] = self.open()

    @rule(run=runs, record=records, which=which)
    def lease(self, run, record, which):
        """With a lease on a run one opening appends to it, and the other one to other runs only."""
        with self.stores[which].lease(run) as lease:
            assert lease.run == run
            if record.run == run:
                with pytest.raises(LeaseError):
                    self.stores[1 - which].append(record)
                with pytest.raises(LeaseError):
                    self.stores[1 - which].lease(run)
                self.append(record, which)
            else:
                self.append(record, 1 - which)

    @invariant()
    def equal(self):
        if not hasattr(self, "stores"):
            return
        for store in self.stores:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert store.runs() == self.model.runs()
            for run in RUNS:
                assert store.count(run) == self.model.count(run)
            for run in self.model.runs():
                for one, other in zip(store.records(run), self.model.records(run), strict=True):
                    assert one.same_content(other)
                    assert one.at == other.at

    @rule(long=st.booleans(), which=which, names=st.sampled_from([None, "x", ["w", "y.*"]]))
    def frame(self, long, which, names):
        one, other = self.both(which, lambda store: store.frame(names, long=long))
        if isinstance(other, type):
            assert one is other
        else:
            pd.testing.assert_frame_equal(one[sorted(one.columns)], other[sorted(other.columns)])

    @rule(name=st.sampled_from(["x", "y.z", "w"]), which=which)
    def series(self, name, which):
        one, other = self.both(which, lambda store: store.series(name))
        if isinstance(other, type):
            assert one is other
        else:
            assert list(one.runs) == list(other.runs)
            np.testing.assert_array_equal(one.matrix, other.matrix)

    @rule(run=runs, loop=loops, name=st.sampled_from(["ids", "t"]), which=which)
    def arrays(self, run, loop, name, which):
        one, other = self.both(which, lambda store: store.arrays(run, loop, name))
        if isinstance(other, type):
            assert one is other
        else:
            assert (one.dtype, one.tolist()) == (other.dtype, other.tolist())

    @rule(run=runs, loop=loops, name=blocks, which=which)
    def block(self, run, loop, name, which):
        one, other = self.both(which, lambda store: store.block(run, loop, name))
        assert one is other or one.to_pydict().keys() == other.to_pydict().keys()
        assert one is other or repr(one.to_pydict()) == repr(other.to_pydict())

    @rule(which=which)
    def dataset(self, which):
        one, other = self.both(which, lambda store: store.dataset().to_table().to_pylist())
        keys = ("run", "loop", "event", "index", "at")
        assert isinstance(one, list)
        assert sorted([row[key] for key in keys] for row in one) == sorted([row[key] for key in keys] for row in other)

    def teardown(self):
        if hasattr(self, "stores"):
            for store in self.stores:
                store.close()
            self.silence.__exit__(None, None, None)
            shutil.rmtree(self.folder)


TestStores = Stores.TestCase
TestStores.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@hypothesis.seed(seed())
class ManyStores(Stores):
    """The same, longer, and other ones for another METAAL_SEED."""


TestManyStores = pytest.mark.slow(ManyStores.TestCase)
TestManyStores.settings = settings(TestStores.settings, max_examples=200, stateful_step_count=50, derandomize=False)
