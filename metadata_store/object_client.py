"""What a store asks of an fsspec file system: listings that are never cached, batches, and puts only if absent.

An answer can get lost after the service has acted, and clients repeat requests by themselves. Whether a put was ours is
therefore read from the bytes that are there: what is put contains a time or a random number.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import ReadError

BATCH = 64  # requests at once
TRIES = 8
_MEMORY = threading.RLock()  # fsspec's memory file system looks, then puts


class UncertainError(OSError):
    """No answer to a put: it may have been done, or may still be."""


class Client:
    """An fsspec file system, with every error an OSError, FileNotFoundError or ReadError.

    Parameters
    ----------
    fs : the file system; if it caches listings, they are asked for anew.

    Examples
    --------
    >>> import fsspec
    >>> client = Client(fsspec.filesystem("memory"))
    >>> client.create("/doctest-client/one", b"1"), client.create("/doctest-client/one", b"2")
    (True, False)
    >>> client.names("/doctest-client"), client.get("/doctest-client/one")
    ({'one': 1}, b'1')
    """

    def __init__(self, fs: Any) -> None:
        self._fs, self._pid = fs, os.getpid()
        self.protocol: str = fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0]

    @property
    def fs(self) -> Any:
        """The file system; another one in a forked process."""
        if self._pid != os.getpid():
            self._fs, self._pid = type(self._fs)(*self._fs.storage_args, **self._fs.storage_options), os.getpid()
        return self._fs

    def names(self, folder: str) -> dict[str, int]:
        """Return what is directly in a folder, name to bytes, -1 for a folder; empty if there is no such folder."""
        with _reading(folder):
            try:
                if hasattr(self.fs, "call_s3"):
                    return self._names_s3(folder)
                self.fs.invalidate_cache(folder)
                return {
                    item["name"].rstrip("/").rpartition("/")[2]: int(item["size"]) if item["type"] == "file" else -1
                    for item in self.fs.ls(folder, detail=True)
                    if item["name"].strip("/") != folder.strip("/")
                }
            except (FileNotFoundError, NotADirectoryError):
                return {}

    def _names_s3(self, folder: str) -> dict[str, int]:
        # s3fs's own `ls` lists the parent, too, whenever a folder is empty
        bucket, key, _ = self.fs.split_path(folder)
        prefix = f"{key}/" if key else ""
        found: dict[str, int] = {}
        more: dict[str, str] = {}
        while True:
            page = self.fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, Delimiter="/", **more)
            for item in page.get("Contents", ()):
                if item["Key"] != prefix:
                    found[item["Key"][len(prefix) :]] = int(item["Size"])
            for item in page.get("CommonPrefixes", ()):
                found.setdefault(item["Prefix"][len(prefix) : -1], -1)
            if not page.get("IsTruncated"):
                return found
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def get(self, path: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes of an object, fewer at its end."""
        with _reading(path):
            try:
                if hasattr(self.fs, "call_s3"):
                    # with an end s3fs does not ask for the size first
                    found: bytes = self.fs.cat_file(path, start=start, end=2**40 if stop is None else stop)
                elif getattr(self.fs, "async_impl", False) or (start == 0 and stop is None):
                    found = self.fs.cat_file(path, start=start or None, end=stop)
                else:
                    with self.fs.open(path, "rb") as file:
                        size = file.seek(0, 2)
                        file.seek(min(start, size))
                        found = file.read(max(0, min(size, size if stop is None else stop) - start))
            except OSError as error:
                if status_of(error) == 416:  # nothing there from `start` on
                    return b""
                raise
        return found

    def get_many(self, sizes: dict[str, int]) -> dict[str, bytes]:
        """Return whole objects of known sizes, many requests at once; what failed is left out."""
        paths = list(sizes)
        with _reading("objects"):
            found = self.fs.cat_ranges(
                paths, [0] * len(paths), list(sizes.values()), on_error="return", batch_size=BATCH
            )
        return {path: data for path, data in zip(paths, found, strict=True) if isinstance(data, bytes)}

    def create(self, path: str, data: bytes) -> bool:
        """Put an object unless there is one; return whether what is there now was put by this call.

        Raises
        ------
        UncertainError : it is unknown whether it was put, or will be.
        OSError : it was not.
        """
        for attempt in range(TRIES):
            try:
                self._create(path, data)
                return True
            except OSError as error:
                status = status_of(error)
                if isinstance(error, FileExistsError) or status == 412:
                    break
                if status == 409:  # two puts at once, and neither of them done
                    time.sleep(0.02 * 2**attempt)
                    continue
                if _certain(error, status):
                    raise
                try:
                    return self.get(path) == data
                except OSError:
                    raise UncertainError(f"no answer to the put of {path}: {error}") from error
        else:
            raise OSError(f"{TRIES} puts of {path} met others")
        try:
            return self.get(path) == data
        except FileNotFoundError:
            return False  # it was there, and is gone
        except OSError as error:
            raise UncertainError(f"{path} is there, but it cannot be read whose it is: {error}") from error

    def heeds(self, path: str) -> bool:
        """Say whether the service refuses to put what is there, by putting the same bytes once more."""
        try:
            self._create(path, self.get(path))
        except OSError as error:
            if isinstance(error, FileExistsError | FileNotFoundError) or status_of(error) == 412:
                return True
            raise
        return False

    def _create(self, path: str, data: bytes) -> None:
        with _translated(), _MEMORY if self.protocol == "memory" else contextlib.nullcontext():
            self._folder(path)
            self.fs.pipe_file(path, data, mode="create")

    def replace(self, path: str, data: bytes) -> None:
        """Put an object, whether there is one or not."""
        with _translated():
            self._folder(path)
            self.fs.pipe_file(path, data)

    def upload(self, local: Path, path: str) -> None:
        """Put a local file, whether there is one or not."""
        with _translated():
            self._folder(path)
            self.fs.put_file(str(local), path)

    def remove(self, paths: list[str]) -> None:
        """Remove objects, those that are there; a thousand with a request where the service can."""
        if len(paths) < 2 or not hasattr(self.fs, "call_s3"):
            for path in paths:
                with _translated(), contextlib.suppress(FileNotFoundError):
                    self.fs.rm_file(path)
            return
        for start in range(0, len(paths), 1000):
            pairs = [self.fs.split_path(path)[:2] for path in paths[start : start + 1000]]
            objects = {"Objects": [{"Key": key} for _, key in pairs], "Quiet": True}
            with _translated():
                self.fs.call_s3("delete_objects", Bucket=pairs[0][0], Delete=objects)

    def _folder(self, path: str) -> None:
        """Make the folder of an object where folders are more than parts of names."""
        if not getattr(self.fs, "async_impl", False):
            self.fs.makedirs(path.rpartition("/")[0], exist_ok=True)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Make errors of the client's own kinds, such as botocore's, into OSError."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


@contextlib.contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        with _translated():
            yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error}; is the service there, and is it yours to read?") from error


def status_of(error: BaseException | None) -> int:
    """Return the status with which a service answered, 0 if it is not known.

    Examples
    --------
    >>> status_of(OSError("no answer"))
    0
    """
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        error = error.__cause__
    return 0


def _certain(error: OSError, status: int) -> bool:
    """Say whether a put that failed so was certainly not done."""
    if status:
        return 400 <= status < 500 and status not in (408, 429)
    refused = type(error.__cause__).__name__ in (
        "NoCredentialsError",
        "PartialCredentialsError",
        "ParamValidationError",
    )
    return refused or isinstance(error, PermissionError | FileNotFoundError | NotADirectoryError | IsADirectoryError)
