"""From a name to a store."""

from __future__ import annotations

import os

from .appending import Durability
from .directory import DirectoryStore
from .errors import MissingStoreError, OptionError
from .memory import MemoryStore
from .store import Store


def open_store(
    uri: str | os.PathLike[str] = "memory:", *, durability: Durability = "commit", create: bool = True
) -> Store:
    """Open a store, or make one.

    Parameters
    ----------
    uri : "memory:" for a new store in memory, or the path of a directory.
    durability : "commit", "group" or "none"; see `DirectoryStore`.
    create : make the store if there is none; an empty directory becomes one.

    Returns
    -------
    Store

    Raises
    ------
    MissingStoreError : nothing there and `create` is False.
    FormatError : the directory holds something else, or a store of a newer format; nothing is written into it.
    WriteError : the store could not be created.
    OptionError : an impossible uri or durability.

    Warns
    -----
    StoreWarning : damage was found; what is whole can be read.

    Examples
    --------
    >>> store = open_store("memory:")
    >>> store.runs()
    []
    """
    if durability not in ("commit", "group", "none"):
        raise OptionError(f"durability is {durability!r}; give 'commit', 'group' or 'none'")
    if isinstance(uri, str):
        if uri == "memory:":
            if not create:
                raise MissingStoreError("a store in memory is always new; open a directory, or pass create=True")
            return MemoryStore()
        if not uri or "\0" in uri or "://" in uri:
            raise OptionError(f"uri is {uri!r}; give 'memory:' or the path of a local directory")
    return DirectoryStore(uri, durability=durability, create=create)
