"""Stores of objects without a service: the contract, URLs, and everything that can go wrong with a put."""

import itertools
import sys

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from metadata_store import FormatError, MissingStoreError, OptionError, Store, UnknownStateError, WriteError, open_store
from metadata_store.testing import CHECKS

numbers = itertools.count()


@pytest.fixture(params=["memory commit", "memory group", "memory none", "file", "local objects", "pyarrow objects"])
def factory(request, tmp_path):
    kind, _, durability = request.param.partition(" ")
    made = []

    def make(store: Store | None = None) -> Store:
        number = made.index(store) if store is not None else next(numbers)
        while len(made) <= number:
            made.append(None)
        if kind == "memory":
            made[number] = open_store(f"memory://contract-{number}", durability=durability)
        elif kind == "file":
            made[number] = open_store((tmp_path / str(number)).as_uri())
        else:
            import pyarrow.fs as pafs

            fs = fsspec.filesystem("file") if kind == "local" else pafs.LocalFileSystem()
            made[number] = open_store(str(tmp_path / str(number)), filesystem=fs)
        return made[number]

    yield make
    if kind == "memory" and MemoryFileSystem().exists("/"):
        for path in MemoryFileSystem().ls("/", detail=False):
            if path.startswith("/contract-"):
                MemoryFileSystem().rm(path, recursive=True)


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_contract(name, factory):
    CHECKS[name](factory)


def lost_before(put):
    raise TimeoutError("no answer")


def lost_after(put):
    put()
    raise TimeoutError("no answer")


def test_an_answer_that_is_lost_after_the_put_is_no_error(fs, opened, make):
    store = opened(fs)
    store.append(make(0))
    fs.hooks.append(("/hot/", lost_after))
    store.append(make(1))
    assert [record.loop for record in store.records("r")] == [0, 1]


def test_a_put_repeated_by_the_client_finds_itself(fs, opened, make):
    """The first try was done, its answer lost, and the second try is told that there is something already."""
    store = opened(fs)

    def twice(put):
        put()
        put()

    fs.hooks.append(("/hot/", twice))
    store.append(make(0))
    assert [record.loop for record in store.records("r")] == [0]


@pytest.mark.parametrize("late", [False, True])
def test_no_answer_and_nothing_there_is_an_unknown_state_that_appending_again_settles(fs, opened, make, late):
    store = opened(fs)
    arrived = []

    def delayed(put):
        arrived.append(put)
        raise TimeoutError("no answer")

    fs.hooks.append(("/hot/", delayed))
    with pytest.raises(UnknownStateError, match="append the same"):
        store.append(make(0))
    if late:
        arrived[0]()  # it arrives after all
    store.append(make(0))
    if not late:
        with pytest.raises(FileExistsError):
            arrived[0]()  # too late
    assert [record.loop for record in store.records("r")] == [0]
    assert opened().verify().ok


@pytest.mark.parametrize("error", [PermissionError("not yours"), FileNotFoundError("no bucket")])
def test_a_put_that_was_refused_is_a_write_error(fs, opened, make, error):
    store = opened(fs)

    def refuse(put):
        raise error

    fs.hooks.append(("/hot/", refuse))
    with pytest.raises(WriteError, match="nothing is stored"):
        store.append(make(0))
    assert store.runs() == []
    store.append(make(0))
    assert opened().count("r") == 1


def test_a_service_that_overwrites_is_found_out(fs, opened, make):
    store = opened(fs)
    fs.pipe_file = lambda path, value, mode="overwrite": MemoryFileSystem.pipe_file(fs, path, value)
    with pytest.raises(WriteError, match="If-None-Match"):
        store.append(make(0))


def test_unknown_errors_of_a_client_are_store_errors(fs, opened, make):
    store = opened(fs)

    def strange(put):
        raise RuntimeError("a client's own kind of error")

    fs.hooks.append(("/hot/", strange))
    with pytest.raises(UnknownStateError, match="own kind of error"):
        store.append(make(0))


def test_places_that_are_no_store(root, fs, opened):
    with pytest.raises(MissingStoreError):
        opened(create=False)
    fs.pipe_file(f"{root}/thesis.tex", b"x")
    with pytest.raises(FormatError, match=r"thesis\.tex"):
        opened()
    fs.rm(f"{root}/thesis.tex")
    for text in (b"other", b'{"format": "metaal-store", "version": 1, "crc": 0}'):
        fs.pipe_file(f"{root}/FORMAT", text)
        with pytest.raises(FormatError):
            opened()
    fs.rm(f"{root}/FORMAT")
    opened()


@pytest.mark.parametrize(
    ("uri", "options", "match"),
    [
        ("nonsense://x", None, "nonsense"),
        ("memory://", None, "names no place"),
        ("file://host/path", None, "three slashes"),
        ("file:///", None, "three slashes"),
        ("memory:", {"a": 1}, "no options"),
        ("plain", {"a": 1}, "no options"),
        ("a\0b", None, "URL"),
    ],
)
def test_impossible_urls_are_refused_with_a_reason(uri, options, match):
    with pytest.raises(OptionError, match=match):
        open_store(uri, options=options)


def test_a_missing_package_is_named_with_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)  # another test may have used it
    with pytest.raises(OptionError, match=r"metaal\[s3\]"):
        open_store("s3://bucket/prefix")


def test_a_filesystem_is_one_of_fsspec_or_pyarrow_and_has_its_options_itself(tmp_path):
    with pytest.raises(OptionError, match="pyarrow"):
        open_store("x", filesystem=object())
    with pytest.raises(OptionError, match="no options"):
        open_store("x", filesystem=fsspec.filesystem("memory"), options={})
