"""Kill −9 of a repair, and of appends of blocks of samples, at every call: nothing that was readable is lost."""

import pytest
from faults import killing, stores
from faults.nursery import nursery, ways


@pytest.fixture(scope="module")
def some_children():
    """Return the nursery that sees most: one way is enough where the other one would only repeat it."""
    with nursery(ways()[-1]) as one:
        yield one


def test_a_first_block_killed_at_every_call(tmp_path, some_children):
    counts = killing.every_call(tmp_path, some_children, "blocks", stores.nothing, count=2)
    assert counts["kill-before"] >= 20


def test_a_repair_killed_at_every_call(tmp_path, some_children):
    counts = killing.every_call(tmp_path, some_children, "repair", stores.damaged, stores.check_damaged, every=2)
    assert counts["kill-before"] >= 8
