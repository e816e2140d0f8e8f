"""A simulated power cut in the cold tier: blocks of samples, compactions, repairs."""

import pytest
from faults import cutting, stores
from faults.campaign import seed
from faults.nursery import nursery


@pytest.fixture(scope="module")
def children():
    with nursery("recorded") as one:
        yield one


def test_acknowledged_blocks_survive_a_power_cut(tmp_path, children):
    counts = cutting.power_cuts(tmp_path, children, "blocks", stores.nothing, count=2, seed=seed(), samples=1, every=2)
    assert counts["disks"] >= 20


@pytest.mark.parametrize("store", [stores.hot, stores.mixed])
def test_a_power_cut_in_a_compaction_loses_nothing(tmp_path, children, store):
    counts = cutting.power_cuts(tmp_path, children, "compact", store, seed=seed(), samples=1, every=6)
    assert counts["disks"] >= 10


def test_a_power_cut_in_a_repair_loses_nothing(tmp_path, children):
    cutting.power_cuts(
        tmp_path, children, "repair", stores.damaged, stores.check_damaged, seed=seed(), samples=1, every=9
    )


@pytest.mark.slow
@pytest.mark.parametrize("program", ["stubborn", "compact", "blocks"])
@pytest.mark.parametrize("store", [stores.hot, stores.mixed])
def test_many_power_cuts(tmp_path, children, program, store):
    counts = cutting.power_cuts(tmp_path, children, program, store, seed=seed(), samples=12)
    assert counts["disks"] >= 100
