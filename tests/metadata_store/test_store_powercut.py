"""A simulated power cut after every system call, with unsynced writes and names lost, torn and out of order."""

import errno

import pytest
from faults import cutting, stores
from faults.campaign import seed
from faults.nursery import nursery
from faults.plans import Fault


@pytest.fixture(scope="module")
def children():
    with nursery("recorded") as one:
        yield one


def test_a_store_in_new_folders_is_durable(tmp_path, children):
    cutting.power_cuts(tmp_path, children, "write", stores.nothing, inside="a/b/store", count=2)


@pytest.mark.parametrize("store", [stores.nothing, stores.hot])
def test_acknowledged_records_survive_a_power_cut(tmp_path, children, store):
    counts = cutting.power_cuts(tmp_path, children, "stubborn", store, run="new", count=3, seed=seed(), samples=3)
    assert counts["disks"] >= 40


def test_a_group_is_durable_when_several_are_appended_or_the_store_is_closed(tmp_path, children):
    counts = cutting.power_cuts(tmp_path, children, "grouped", stores.nothing, seed=seed(), every=2)
    assert counts["disks"] >= 20


@pytest.mark.parametrize("nth", [1, 2, 4])
def test_bytes_of_a_failed_sync_count_as_lost(tmp_path, children, nth):
    """After a failed sync the system may show bytes that never reach the disk, whatever later syncs say."""
    fault = Fault(nth=nth, action="fail", ops=("fdatasync",), error=errno.EIO)
    counts = cutting.power_cuts(tmp_path, children, "stubborn", stores.nothing, fault=fault, count=3, seed=seed())
    assert counts["disks"] >= 20
