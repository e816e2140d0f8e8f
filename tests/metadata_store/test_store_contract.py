"""Both stores keep the contract, and the checks of the contract fire."""

import itertools
from pathlib import Path

import pytest

from metadata_store import DirectoryStore, MemoryStore, Record, Store
from metadata_store.testing import CHECKS, check_store


@pytest.fixture(params=["memory", "commit", "group", "none"])
def factory(request, tmp_path):
    if request.param == "memory":
        return MemoryStore
    numbers = itertools.count()

    def make(store: Store | None = None) -> Store:
        path = store.path if isinstance(store, DirectoryStore) else tmp_path / str(next(numbers))
        return DirectoryStore(path, durability=request.param)

    return make


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_contract(name, factory):
    CHECKS[name](factory)


def test_stores_are_stores(tmp_path: Path):
    assert isinstance(MemoryStore(), Store)
    with DirectoryStore(tmp_path / "s") as store:
        assert isinstance(store, Store)


class Forgetful(MemoryStore):
    def append(self, record):
        kept = super().append(record)
        for run, records in self._records.items():
            self._records[run] = records[:2]
        return kept


class Careless(MemoryStore):
    def append_many(self, records):
        for record in list(records):
            self._keys.pop(record.key, None)
        return super().append_many(records)


class Typeless(MemoryStore):
    def append_many(self, records):
        self._kinds.of.clear()
        return super().append_many(records)


class Unclosable(MemoryStore):
    def _check_open(self):
        pass


class Backwards(MemoryStore):
    def records(self, run):
        return super().records(run)[::-1]


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (Forgetful, "read_back"),
        (Careless, "conflict"),
        (Careless, "same_again"),
        (Typeless, "types"),
        (Unclosable, "closed"),
        (Backwards, "read_back"),
        (Backwards, "runs"),
    ],
)
def test_checks_fire(broken, check):
    with pytest.raises(AssertionError):
        CHECKS[check](broken)
    with pytest.raises(AssertionError):
        check_store(broken)


def test_times_grow_when_the_clock_goes_back(factory, monkeypatch):
    clock = itertools.chain([10**18, 10**17, 5], itertools.repeat(4))
    store = factory()
    monkeypatch.setattr("time.time_ns", lambda: next(clock))
    times = [store.append(Record("r", loop, "tell")).at for loop in range(5)]
    assert times == sorted(set(times))
    assert [record.loop for record in store.records("r")] == list(range(5))
    store.close()
