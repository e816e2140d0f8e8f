"""From a name to a store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from .appending import Durability
from .directory import DirectoryStore
from .errors import MissingStoreError, OptionError
from .memory import MemoryStore
from .privacy import Level, Privacy, private
from .store import Store

EXTRAS = {"s3": "metaal[s3]", "s3a": "metaal[s3]"}


def open_store(
    uri: str | os.PathLike[str] = "memory:",
    *,
    durability: Durability = "commit",
    create: bool = True,
    options: Mapping[str, Any] | None = None,
    filesystem: Any = None,
    privacy: Privacy | Level | None = None,
) -> Store:
    """Open a store, or make one.

    Parameters
    ----------
    uri : "memory:" for a new store in memory, the path of a directory, or a URL: "file:///path" is a directory, and
        anything else that fsspec knows, such as "s3://bucket/prefix", an `ObjectStore`. "memory://name" is one in
        memory that every opening in this process shares.
    durability : "commit", "group" or "none"; see `DirectoryStore` and `ObjectStore`.
    create : make the store if there is none; an empty directory becomes one.
    options : of the fsspec file system of a URL, such as key, secret and endpoint_url of S3; what is not given comes
        from the service's usual environment variables and files.
    filesystem : an fsspec or pyarrow file system that has the store; `uri` is a path in it then.
    privacy : what may be written, "L0" to "L3" or a `Privacy` (L2 needs a key); it is kept with the store, and None
        means what is kept there. "L0" leaves the uri alone: nothing is written anywhere. See `metadata_store.privacy`.

    Returns
    -------
    Store

    Raises
    ------
    MissingStoreError : nothing there and `create` is False.
    FormatError : the directory holds something else, or a store of a newer format; nothing is written into it.
    WriteError : the store could not be created.
    OptionError : an impossible uri, durability or option, or a package that the URL needs is not installed.
    PrivacyError : the store has another privacy level, or another key.

    Warns
    -----
    StoreWarning : damage was found; what is whole can be read.

    Examples
    --------
    >>> store = open_store("memory:")
    >>> store.runs()
    []
    """
    if "L0" in (privacy, getattr(privacy, "level", None)):
        return private(MemoryStore(), privacy)
    store = _open(uri, durability, create, options, filesystem)
    try:
        return private(store, privacy)
    except BaseException:
        store.close()
        raise


def _open(
    uri: str | os.PathLike[str],
    durability: Durability,
    create: bool,
    options: Mapping[str, Any] | None,
    filesystem: Any,
) -> Store:
    if durability not in ("commit", "group", "none"):
        raise OptionError(f"durability is {durability!r}; give 'commit', 'group' or 'none'")
    name = os.fspath(uri)
    if not name or "\0" in name:
        raise OptionError(f"uri is {uri!r}; give 'memory:', the path of a local directory, or a URL")
    if filesystem is not None:
        if options is not None or "://" in name:
            raise OptionError("filesystem has its options and place itself; give a path in it as uri, and no options")
        return _objects(_fsspec(filesystem), name, durability, create)
    scheme = name.partition("://")[0] if isinstance(uri, str) and "://" in name else ""
    if options is not None and scheme in ("", "file", "local"):
        raise OptionError(f"{name} is no URL of a service, and takes no options")
    if name == "memory:" and isinstance(uri, str):
        if not create:
            raise MissingStoreError("a store in memory is always new; open a directory, or pass create=True")
        return MemoryStore()
    if scheme in ("file", "local"):
        parts = urlsplit(name)
        if parts.netloc not in ("", "localhost") or not parts.path.strip("/"):
            raise OptionError(f"uri is {name!r}; a local directory is 'file:///path', with three slashes")
        return DirectoryStore(unquote(parts.path), durability=durability, create=create)
    if scheme:
        return _objects(*_connect(name, scheme, options or {}), durability, create)
    return DirectoryStore(uri, durability=durability, create=create)


def _connect(url: str, scheme: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it."""
    needed = EXTRAS.get(scheme, "fsspec")
    try:
        import fsspec
    except ImportError as error:
        raise OptionError(f"{url} needs fsspec; install it with: pip install '{needed}'") from error
    try:
        # what others write must be seen
        fs, path = fsspec.core.url_to_fs(url, **{"use_listings_cache": False, **options})
    except ImportError as error:
        told = f"pip install '{needed}'" if scheme in EXTRAS else "what it says"
        raise OptionError(f"{url} needs a package that is not installed ({error}); install it with: {told}") from error
    except (ValueError, TypeError) as error:
        raise OptionError(
            f"cannot open {url}: {error}; give a URL that fsspec knows, and options of its class"
        ) from error
    return fs, path


def _fsspec(filesystem: Any) -> Any:
    """Return a file system as one of fsspec."""
    if hasattr(filesystem, "pipe_file"):
        return filesystem
    import pyarrow.fs as pafs

    if not isinstance(filesystem, pafs.FileSystem):
        raise OptionError(f"filesystem is a {type(filesystem).__name__}; give one of fsspec or of pyarrow.fs")
    try:
        from fsspec.implementations.arrow import ArrowFSWrapper
    except ImportError as error:
        raise OptionError("a file system of pyarrow needs fsspec; install it with: pip install fsspec") from error
    return ArrowFSWrapper(filesystem)


def _objects(fs: Any, path: str, durability: Durability, create: bool) -> Store:
    from .object_store import ObjectStore

    if not path.strip("/"):
        raise OptionError("the URL names no place for the store; give one, such as 's3://bucket/prefix'")
    return ObjectStore(fs, path, durability=durability, create=create)
