"""Kill −9 at random times, at random calls and at every call: nothing acknowledged is lost or doubled."""

import pytest
from faults import killing, stores
from faults.campaign import seed
from faults.nursery import nursery, ways


@pytest.fixture(scope="module", params=ways())
def children(request):
    with nursery(request.param) as one:
        yield one


@pytest.fixture(scope="module")
def some_children():
    """Return the nursery that sees most: one way is enough where the other one would only repeat it."""
    with nursery(ways()[-1]) as one:
        yield one


def test_writers_killed_at_random(tmp_path, some_children):
    counts = killing.random_kills(tmp_path, some_children, count=170, seed=seed())
    assert counts["kills"] == 170
    assert counts["acknowledged"]


@pytest.mark.parametrize("durability", ["commit", "none"])
def test_a_new_store_killed_at_every_call(tmp_path, children, durability):
    counts = killing.every_call(tmp_path, children, "write", stores.nothing, count=3, durability=durability)
    assert counts["kill-before"] >= 15


@pytest.mark.slow
def test_writers_killed_five_hundred_times(tmp_path, children):
    assert killing.random_kills(tmp_path, children, count=500, seed=seed())["kills"] == 500
