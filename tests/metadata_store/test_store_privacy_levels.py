"""A store has one level, says which, and nobody opens it at another one."""

from __future__ import annotations

import json

import pytest

from metadata_store import DirectoryStore, MemoryStore, Record, StoreError
from metadata_store.privacy import (
    Privacy,
    PrivacyError,
    PrivacyWarning,
    PrivateStore,
    Shared,
    private,
)
from tests.metadata_store.canaries import KEY, OTHER, opened, search


@pytest.fixture
def at(path):
    """Open the store of the test at a level, without the warning of L3."""
    return lambda level, where=path: opened(where, level)


def test_a_store_keeps_the_level_that_it_was_made_with(at, path):
    at("L1").close()
    for level in ("L3", Privacy("L2", key=KEY), Privacy("L1", k=20), Privacy("L1", pool=50), Privacy("L1", digits=6)):
        with pytest.raises(PrivacyError, match="was made with"):
            at(level)
    with pytest.raises(PrivacyError, match="level L0 keeps nothing outside"):
        at("L0")
    store = at(None)
    assert isinstance(store, PrivateStore)
    assert store.privacy.level == "L1"
    store.append(Record("r", 0, "tell", {"note": "Mrs. X"}))
    store.close()
    assert search(path, ["Mrs. X"]) == set()
    assert isinstance(at("L1"), PrivateStore)


def test_another_key_is_noticed_and_without_one_the_store_can_only_be_read(at, path):
    store = at("L2")
    store.append(Record("r", 0, "tell", {}, {"ids": ["a"]}))
    store.close()
    with pytest.raises(PrivacyError, match="another key"):
        at(Privacy("L2", key=OTHER))
    for locked in (at(None), at(Privacy("L2"))):
        assert locked.count("r") == 1
        with pytest.raises(PrivacyError, match="none was given"):
            locked.append(Record("r", 1, "tell"))
        locked.close()
    again = at("L2")
    again.append(Record("r", 1, "tell", {}, {"ids": ["a"]}))
    assert again.arrays("r", 0, "ids").tolist() == again.arrays("r", 1, "ids").tolist()
    again.close()
    assert set(json.loads((path / "PRIVACY").read_text())) == {
        "format",
        "version",
        "level",
        "k",
        "pool",
        "digits",
        "check",
    }


def test_a_store_that_was_written_without_a_level_does_not_become_private(at):
    plain = at(None)
    assert type(plain) is DirectoryStore
    plain.append(Record("r", 0, "tell", {"note": "Mrs. X"}))
    plain.close()
    with pytest.raises(PrivacyError, match="written without a privacy level"):
        at("L1")
    at("L3").close()


def test_a_private_store_can_be_asked_for_its_level_again():
    store = private(MemoryStore(), "L1")
    assert private(store) is store
    assert isinstance(private(store, "L1"), PrivateStore)
    with pytest.raises(PrivacyError):
        private(store, Privacy("L2", key=KEY))


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\xfe", b'{"format": "metaal-privacy", "version": 2}', b"[" * 5000])
def test_a_damaged_note_opens_nothing(at, path, data):
    at("L1").close()
    (path / "PRIVACY").write_bytes(data)
    for level in (None, "L1", "L3"):
        with pytest.raises(PrivacyError, match="PRIVACY"):
            at(level)
    (path / "PRIVACY").write_bytes(
        b'{"format":"metaal-privacy","version":1,"level":"L9","k":10,"pool":1,"digits":3,"check":""}'
    )
    with pytest.raises(PrivacyError, match="no setting"):
        at(None)


def test_of_two_that_make_a_store_at_once_the_first_one_sets_the_level(path):
    one, two = DirectoryStore(path), DirectoryStore(path)
    private(one, "L1")
    with pytest.raises(PrivacyError, match="level L1, not L2"):
        private(two, Privacy("L2", key=KEY))
    one.close()
    two.close()


def test_a_store_without_a_place_for_its_level_cannot_be_private():
    class Elsewhere:
        def runs(self):
            return []

    with pytest.raises(PrivacyError, match="no place for its privacy level"):
        private(Elsewhere(), "L1")


def test_level_3_warns_when_it_is_asked_for(path):
    with pytest.warns(PrivacyWarning, match="single rows"):
        private(DirectoryStore(path), "L3").close()
    assert type(private(DirectoryStore(path))) is DirectoryStore


@pytest.mark.parametrize(
    "options",
    [
        {"level": "L4"},
        {"level": 1},
        {"level": "L2", "key": b"short"},
        {"level": "L2", "key": 17},
        {"level": "L1", "k": 1},
        {"level": "L1", "k": 2.5},
        {"level": "L1", "pool": -1},
        {"level": "L1", "digits": 7},
        {"level": "L1", "texts": "logistic"},
    ],
)
def test_impossible_settings_are_refused_without_showing_the_key(options):
    with pytest.raises(PrivacyError) as caught:
        Privacy(**options)
    assert isinstance(caught.value, StoreError | ValueError)
    assert "short" not in str(caught.value).replace("too short", "")


def test_the_key_is_in_no_repr():
    assert repr(KEY)[2:20] not in repr(Privacy("L2", key=KEY))
    assert "key" not in repr(PrivateStore(MemoryStore(), Privacy("L2", key=KEY)))


def test_a_new_store_of_level_2_needs_a_key(at):
    with pytest.raises(PrivacyError, match="needs a key"):
        at(Privacy("L2"))
    with pytest.raises(PrivacyError, match="give 'L0' to 'L3'"):
        private(MemoryStore(), 2)
    with pytest.raises(PrivacyError, match="nothing is shared"):
        Shared(MemoryStore(), "L0")
    with pytest.raises(PrivacyError, match="needs a key"):
        Shared(MemoryStore(), "L2")
