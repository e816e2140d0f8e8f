"""Whatever is done in whatever order, a directory behaves like a store in memory."""

import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from metadata_store import DirectoryStore, MemoryStore, Record, StoreError

scalars = st.one_of(
    st.floats(), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.text(max_size=5).filter(str.isprintable)
)
records = st.builds(
    Record,
    st.sampled_from(["a", "b"]),
    st.integers(0, 3),
    st.sampled_from(["ask", "tell"]),
    st.dictionaries(st.sampled_from(["x", "y.z", "w"]), scalars, max_size=3),
    st.sampled_from([{}, {"ids": np.arange(3)}, {"ids": np.zeros((2, 0)), "t": np.array(["é"])}]),
    st.integers(1, 5),
    st.integers(0, 1),
)


class Stores(RuleBasedStateMachine):
    @initialize(durability=st.sampled_from(["commit", "group", "none"]))
    def begin(self, durability):
        self.folder = Path(tempfile.mkdtemp())
        self.durability = durability
        self.store = DirectoryStore(self.folder / "store", durability=durability)
        self.model = MemoryStore()

    def both(self, call):
        outcomes = []
        for store in (self.store, self.model):
            try:
                outcomes.append(call(store))
            except StoreError as error:
                outcomes.append(type(error))
        return outcomes

    @rule(record=records)
    def append(self, record):
        one, other = self.both(lambda store: store.append(record))
        assert one is other or one.same_content(other)

    @rule(many=st.lists(records, max_size=4))
    def append_many(self, many):
        one, other = self.both(lambda store: store.append_many(many))
        assert one is other or all(a.same_content(b) for a, b in zip(one, other, strict=True))

    @rule()
    def reopen(self):
        self.store.close()
        self.store = DirectoryStore(self.folder / "store", durability=self.durability)

    @rule(junk=st.binary(min_size=1, max_size=60))
    def tear(self, junk):
        """Leave a torn tail, as a killed writer would."""
        self.store.close()
        segments = sorted((self.folder / "store" / "hot").glob("*.seg"))
        if segments:
            with segments[-1].open("ab") as file:
                file.write(junk)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.store = DirectoryStore(self.folder / "store", durability=self.durability)

    @rule()
    def repair(self):
        assert self.store.repair().ok

    @invariant()
    def equal(self):
        if not hasattr(self, "store"):
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert self.store.runs() == self.model.runs()
        for run in self.model.runs():
            for one, other in zip(self.store.records(run), self.model.records(run), strict=True):
                assert one.same_content(other)
                assert one.at == other.at

    @rule(long=st.booleans())
    def frame(self, long):
        one, other = (store.frame(long=long) for store in (self.store, self.model))
        pd.testing.assert_frame_equal(one[sorted(one.columns)], other[sorted(other.columns)])

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
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
