"""Every file of a store with a hot and a cold tier, damaged: it opens, loses no more than the place hit, is mended."""

import pytest
from faults import damaging, stores
from faults.campaign import seed


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    return damaging.Subject.of(tmp_path_factory.mktemp("subject"), stores.tiny)


def test_flipped_bits_of_every_file(tmp_path, subject):
    places = damaging.sample(subject.bits(), 70, seed())
    counts = damaging.flips(tmp_path, subject, places)
    assert {kind.partition(": ")[2] for kind in counts if kind.startswith("flips:")} >= KINDS
    assert not [kind for kind in counts if "lost" in kind and "hot" not in kind]


def test_files_cut_short(tmp_path, subject):
    damaging.cuts(tmp_path, subject, damaging.sample(subject.cuts(), 50, seed()))


KINDS = {
    "FORMAT",
    "blocks.parquet",
    "cold/arrays.parquet",
    "cold/records.parquet",
    "guard of arrays",
    "guard of blocks",
    "guard of records",
    "hot.seg",
    "manifest.copy",
    "manifest.json",
}


def test_a_missing_file_costs_no_other_one(tmp_path, subject):
    # nothing but the segment itself says that there was one, so its loss is the one that nobody can notice
    for name in (name for name in subject.files if not name.startswith("hot/")):
        own = name.startswith(("cold/records", "cold/arrays", "blocks"))
        damaging.check_damaged(
            subject, tmp_path / "missing", name, None, may_lose=3 if own else 0, mend=True, exact=False
        )


def test_two_damaged_files_that_guard_each_other(tmp_path, subject):
    """The manifest and its copy; a part and its guard: the rest of the store is read, and the loss is reported."""
    pairs = [("manifest/", "manifest/"), ("cold/records", "cold/guard/records"), ("cold/arrays", "cold/guard/arrays")]
    for one, other in pairs:
        first = next(name for name in subject.files if name.startswith(one))
        second = next(name for name in reversed(list(subject.files)) if name.startswith(other))
        assert first != second
        both = damaging.Subject(
            subject.expected, {**subject.files, first: damaging.flipped(subject.files[first], 8 * 40)}
        )
        may_lose = 0 if one == "manifest/" else 3
        damaging.check_damaged(
            both,
            tmp_path / "pair",
            second,
            damaging.flipped(subject.files[second], 8 * 50 + 3),
            may_lose=may_lose,
            mend=True,
            exact=False,
        )


@pytest.mark.slow
def test_many_flipped_bits_of_every_file(tmp_path, subject):
    damaging.flips(tmp_path, subject, damaging.sample(subject.bits(), 3000, seed()), mend_each=5)


@pytest.mark.slow
def test_many_files_cut_short(tmp_path, subject):
    damaging.cuts(tmp_path, subject, damaging.sample(subject.cuts(), 3000, seed()), mend_each=5)
