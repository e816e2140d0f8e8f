"""Records that wait to be put, and leases that expire."""

import time
from types import SimpleNamespace

import pytest

from metadata_store import ConflictError, LeaseError, Record, UnknownStateError, object_leases


def test_waiting_records_are_seen_by_their_store_at_once_and_by_others_when_they_are_put(opened, make):
    store, other = opened(durability="none"), opened()
    for number in range(5):
        store.append(make(number))
    assert other.count("r") < 5  # the first one is put at once, the others wait
    assert store.count("r") == 5
    assert other.count("r") == 5
    store.append(make(5))
    assert other.count("r") == 5
    with pytest.raises(ConflictError):
        store.append(Record("r", 5, "tell"))
    store.append(make(5))
    store.append_many([make(6)])
    assert [record.loop for record in other.records("r")] == list(range(7))
    store.append(make(7))
    store.close()
    assert other.count("r") == 8


def test_a_conflict_of_a_waiting_record_is_raised_when_it_is_put_and_costs_no_other_record(opened, make):
    store, other = opened(durability="none"), opened()
    for number in range(4):
        store.append(make(number))
    other.append(Record("r", 2, "tell", {"note": "other"}))
    with pytest.raises(ConflictError, match="2"):
        store.runs()
    assert sorted(record.loop for record in store.records("r")) == [0, 1, 2, 3]
    assert {record.values["note"] for record in store.records("r")} == {"note 0", "note 1", "other", "note 3"}


def test_waiting_records_stay_when_the_service_is_away(fs, opened, make):
    store = opened(fs, durability="none")
    for number in range(3):
        store.append(make(number))

    def away(put):
        raise TimeoutError("no answer")

    fs.hooks.append(("/hot/", away))
    with pytest.raises(UnknownStateError):
        store.runs()
    assert store.count("r") == 3


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(at=time.time_ns())
    monkeypatch.setattr(object_leases, "time", SimpleNamespace(time_ns=lambda: now.at))
    return now


def test_a_lease_keeps_others_out_until_it_is_released(opened, make):
    one, two = opened(), opened()
    two.append(make(0))  # it has looked, and found no lease
    with one.lease("r") as lease:
        with pytest.raises(LeaseError, match="leased by"):
            two.append(make(1))
        with pytest.raises(LeaseError):
            two.lease("r")
        two.append(make(0, "s"))
        one.append(make(1))
    two.append(make(2))
    with two.lease("r") as later:
        assert later.epoch == lease.epoch + 1
    assert [record.loop for record in opened().records("r")] == [0, 1, 2]


def test_a_lease_expires_and_is_taken_over_and_its_holder_learns_of_it_before_it_writes(opened, make, clock):
    one, two = opened(ttl=10), opened(ttl=10)
    lease = one.lease("r")
    one.append(make(0))
    clock.at += 11 * 10**9
    with pytest.raises(LeaseError, match="expired"):
        one.append(make(1))
    second = two.lease("r")
    assert second.epoch == lease.epoch + 1
    two.append(make(1))
    clock.at -= 5 * 10**9  # the clock of the first one is late
    with pytest.raises(LeaseError, match="taken over"):
        one.append(make(2))
    lease.release()  # which is not the lease of the other one
    with pytest.raises(LeaseError):
        one.append(make(2))
    second.release()
    one.append(make(2))
    assert [record.loop for record in opened().records("r")] == [0, 1, 2]


def test_a_lease_is_renewed_by_appending_when_half_of_it_is_over(opened, make, clock):
    one, two = opened(ttl=10), opened(ttl=10)
    lease = one.lease("r")
    for number in range(5):
        clock.at += 6 * 10**9
        one.append(make(number))
    with pytest.raises(LeaseError):
        two.append(make(9))
    lease.release()


def test_a_dead_holder_keeps_others_out_only_until_its_lease_expires(opened, make, clock):
    opened(ttl=10).lease("r")
    other = opened(ttl=10)
    with pytest.raises(LeaseError):
        other.append(make(0))
    clock.at += 11 * 10**9
    other.append(make(0))


def test_a_lease_is_noticed_by_a_writer_that_only_read_since(opened, make):
    one, two = opened(), opened()
    two.append(make(0))
    lease = one.lease("r")
    assert two.count("r") == 1  # this reads the fence
    with pytest.raises(LeaseError):
        two.append(make(1))
    lease.release()
