"""Every system call of a program fails in every way: nothing acknowledged is lost, the store goes on afterwards."""

import errno

import pytest
from faults import failing, stores
from faults.nursery import nursery, ways
from faults.plans import Call, Fault

FEW = {op: troubles[:1] for op, troubles in failing.TROUBLES.items()}


@pytest.fixture(scope="module", params=ways())
def children(request):
    with nursery(request.param) as one:
        yield one


def test_every_call_may_fail(tmp_path, children):
    counts = failing.every_error(tmp_path, children, "stubborn", stores.nothing, count=2, times=(1,))
    assert counts["fdatasync fail: UnknownStateError"]
    assert counts["write fail: WriteError"]
    assert counts["write short: nothing noticed"]


def test_a_compaction_may_fail_at_any_call(tmp_path):
    with nursery("patched") as children:
        counts = failing.every_error(
            tmp_path, children, "stubborn_keeper", stores.mixed, times=(0,), every=2, troubles=FEW
        )
    assert counts["write fail: WriteError"]


@pytest.mark.parametrize("error", [errno.EIO, errno.EEXIST])
def test_a_link_or_renaming_that_was_made_and_says_it_was_not(tmp_path, error):
    """As network file systems do when an answer is lost: the manifest is there, and counts."""
    troubles = dict.fromkeys(("link", "rename", "unlink", "mkdir"), (("fail-after", error),))
    with nursery("patched") as children:
        failing.every_error(tmp_path, children, "stubborn_keeper", stores.mixed, troubles=troubles)


def test_the_check_of_failed_descriptors_sees_one_that_is_used_again():
    wrong = Call("write", 3, "/a", 0, errno.EIO)
    close, again = Call("close", 3, "/a", 0, 0), Call("write", 3, "/a", 5, 0)
    assert failing.written_after_failure([wrong, again]) == [again]
    assert failing.written_after_failure([wrong, close, again]) == []
    assert failing.written_after_failure([again, again]) == []


def test_a_disk_that_fails_for_ever_leaves_what_was_there(tmp_path, children):
    origin = tmp_path / "store"
    expected = stores.mixed(origin)
    child = children.child("stubborn", origin, Fault(nth=1, action="fail", error=errno.EROFS, times=0), run="new")
    lines = child.rest()
    assert child.wait() == 0
    assert not [line for line in lines if line.startswith("done new")]
    assert {line for line in lines if line.startswith("trouble")} == {"trouble WriteError"}
    failing.check_store(origin, expected.hear_all(lines))


def test_a_sector_that_cannot_be_read_is_damage(tmp_path, children):
    """A disk that answers EIO for one place of a file costs no more than wrong bytes there."""
    origin = tmp_path / "store"
    expected = stores.mixed(origin)
    everything = {f"read {run} {number}" for run, numbers in expected.sure.items() for number in numbers}
    names = [file.relative_to(origin).as_posix() for file in origin.rglob("*") if file.is_file()]
    for name in sorted(set(names) - {"LOCK"}):
        place = Fault(nth=1, times=0, action="fail", error=errno.EIO, ops=("read",), part=name, byte=20)
        child = children.child("read", origin, place)
        lines = child.rest()
        assert child.wait() == 0, (name, lines[-1:])
        found = {line for line in lines if line.startswith("read")}
        if not name.startswith("hot/"):
            assert found == everything, (name, lines)
        assert found <= everything
        assert int(lines[-1].removeprefix("damage ")) > 0, (name, lines[-1])


def test_short_reads_are_continued(tmp_path, children):
    origin = tmp_path / "store"
    expected = stores.mixed(origin)
    child = children.child("read", origin, Fault(nth=1, times=0, action="short", ops=("read",)))
    lines = child.rest()
    assert child.wait() == 0
    assert len(lines) == expected.count + 1
    assert lines[-1] == "damage 0"


@pytest.mark.slow
def test_every_call_of_everything_may_fail(tmp_path, children):
    for number, store in enumerate((stores.nothing, stores.hot, stores.mixed)):
        folder = tmp_path / str(number)
        folder.mkdir()
        failing.every_error(folder, children, "stubborn", store, run="new")
    (tmp_path / "keeper").mkdir()
    failing.every_error(tmp_path / "keeper", children, "stubborn_keeper", stores.mixed)
