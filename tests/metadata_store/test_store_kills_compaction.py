"""Kill −9 of a compaction, and with it of the commit of a manifest, at every call: no record is lost or doubled."""

import pytest
from faults import killing, stores
from faults.nursery import nursery, ways


@pytest.fixture(scope="module", params=ways())
def children(request):
    with nursery(request.param) as one:
        yield one


def test_a_first_compaction_killed_at_calls_of_python(tmp_path):
    with nursery("patched") as children:
        counts = killing.every_call(tmp_path, children, "compact", stores.hot)
    assert counts["kill-before"] >= 30


def test_a_second_compaction_killed_at_some_of_all_calls(tmp_path):
    with nursery(ways()[-1]) as children:
        counts = killing.every_call(tmp_path, children, "compact", stores.mixed, every=4)
    assert counts["kill-before"] >= 8


@pytest.mark.slow
@pytest.mark.parametrize("store", [stores.hot, stores.mixed])
def test_a_compaction_killed_at_every_call(tmp_path, children, store):
    counts = killing.every_call(
        tmp_path, children, "compact", store, actions=("kill-before", "kill-half", "kill-after")
    )
    assert counts["kill-before"] >= 30


@pytest.mark.slow
def test_a_compaction_killed_twice(tmp_path, children):
    """What the first killed one left behind does not disturb the second one, which is killed too."""

    def once_killed(path):
        expected = stores.mixed(path)
        for part in ("/cold/", "/manifest/"):
            child = children.child("compact", path, killing.Fault(nth=2, action="kill-after", part=part))
            child.rest()
            assert child.wait() == killing.KILLED
        return expected

    killing.every_call(tmp_path, children, "compact", once_killed, every=2)
