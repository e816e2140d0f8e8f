"""A service in memory whose puts can go wrong, and stores on it."""

import itertools

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from metadata_store.object_store import ObjectStore

numbers = itertools.count()


class Flaky(MemoryFileSystem):
    """A service in memory whose puts can be met by `hooks`: (part of the path, what to do instead of the put)."""

    cachable = False

    def __init__(self):
        super().__init__()
        self.hooks = []

    def pipe_file(self, path, value, mode="overwrite", **kwargs):
        for hook in self.hooks:
            if hook[0] in path:
                self.hooks.remove(hook)
                return hook[1](lambda: super(Flaky, self).pipe_file(path, value, mode=mode, **kwargs))
        return super().pipe_file(path, value, mode=mode, **kwargs)


@pytest.fixture
def root():
    path = f"/test-{next(numbers)}"
    yield path
    MemoryFileSystem().rm(path, recursive=True)


@pytest.fixture
def fs():
    return Flaky()


@pytest.fixture
def opened(root):
    """Open a store in memory at the test's root; every call is another opening."""
    stores = []

    def open_one(fs=None, **options):
        stores.append(ObjectStore(Flaky() if fs is None else fs, root, **options))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()
