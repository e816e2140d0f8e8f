"""Faults by replaced functions of `os` and `open`: works everywhere, and sees what Python code does."""

from __future__ import annotations

import builtins
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .plans import OPS, Call, Fault

_real = {name: getattr(os, name) for name in dir(os) if callable(getattr(os, name))}
_real_open = builtins.open


class Watch:
    """Counts, logs and spoils the calls on paths below a folder, from `arm` on.

    Parameters
    ----------
    root : absolute path of the folder.
    fault : what is to happen.
    log : descriptor that gets a line for each call, or -1.
    """

    def __init__(self, root: str, fault: Fault, log: int = -1) -> None:
        self.root, self.fault, self.log = root, fault, log
        self.count = 0
        self.paths: dict[int, str] = {}

    def arm(self) -> Watch:
        """Replace the functions, for the rest of this process."""
        for name in ("fsync", "fdatasync", "ftruncate", "close"):
            setattr(os, name, self._by_descriptor(name))
        for name in ("unlink", "remove", "mkdir", "rmdir"):
            setattr(os, name, self._by_name(name, 0))
        for name in ("link", "rename", "replace"):
            setattr(os, name, self._by_name(name, 1))
        for name in ("write", "pwrite", "read", "pread"):
            setattr(os, name, self._moving(name))
        os.open = self._open
        builtins.open = io.open = self._file  # type: ignore[assignment]
        self._replace_parquet_writer()
        return self

    # What a recorder of effects adds; here nothing.

    def before(self, op: str, path: str, descriptor: int, **details: Any) -> None:
        """Look at a call that is about to be made."""

    def after(self, op: str, path: str, descriptor: int, **details: Any) -> None:
        """Look at a call that was made; `details` has what it was given and `error`, the errno or 0."""

    # The calls.

    def below(self, path: Any) -> str:
        """Return the absolute path if it is below the root, else an empty text."""
        if isinstance(path, int):
            return self.paths.get(path, "")
        text = os.path.abspath(os.fsdecode(path))
        return text if text == self.root or text.startswith(self.root + os.sep) else ""

    def _note(self, call: Call) -> None:
        if self.log >= 0:
            _real["write"](self.log, call.line().encode())

    def _fate(self, op: str, path: str, descriptor: int) -> str:
        fault = self.fault
        if op not in fault.ops or fault.part not in path:
            return "none"
        self.count += 1
        action = fault.action if fault.hit(self.count) else "none"
        if action == "kill-before" or (action == "kill-half" and op != "write"):
            self._note(Call(op, descriptor, path, 0, -1))
            self._die()
        if action == "fail":
            self._note(Call(op, descriptor, path, 0, fault.error))
            self.after(op, path, descriptor, error=fault.error, made=False)
            raise OSError(fault.error, os.strerror(fault.error))
        return action

    @staticmethod
    def _die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def _do(self, op: str, path: str, descriptor: int, call: Callable[[str], Any], **details: Any) -> Any:
        action = self._fate(op, path, descriptor)
        self.before(op, path, descriptor, **details)
        result, error = None, None
        try:
            result = call(action)
        except OSError as raised:
            error = raised
        if error is None and action == "fail-after":
            error = OSError(self.fault.error, os.strerror(self.fault.error))
        number = error.errno or 0 if error is not None else 0
        size = result if isinstance(result, int) and op == "write" else len(result) if isinstance(result, bytes) else 0
        self._note(Call(op, descriptor, path, size, number))
        self.after(op, path, descriptor, error=number, size=size, made=True, **details)
        if action in ("kill-after", "kill-half"):
            self._die()
        if error is not None:
            raise error
        return result

    def _by_descriptor(self, name: str) -> Callable[..., Any]:
        def call(descriptor: int, *rest: Any) -> Any:
            path = self.below(descriptor)
            if not path:
                return _real[name](descriptor, *rest)
            try:
                return self._do(name, path, descriptor, lambda _: _real[name](descriptor, *rest), rest=rest)
            finally:
                if name == "close":
                    self.paths.pop(descriptor, None)

        return call

    def _by_name(self, name: str, which: int) -> Callable[..., Any]:
        op = {"remove": "unlink", "replace": "rename"}.get(name, name)

        def call(*names: Any, **more: Any) -> Any:
            path = self.below(names[which])
            if not path:
                return _real[name](*names, **more)
            source = self.below(names[0])
            return self._do(op, path, -1, lambda _: _real[name](*names, **more), source=source)

        return call

    def _moving(self, name: str) -> Callable[..., Any]:
        op = "write" if "write" in name else "read"

        def call(descriptor: int, data: Any, *rest: Any) -> Any:
            path = self.below(descriptor)
            if not path or (op == "read" and (op not in self.fault.ops or not self._meant(descriptor, data, rest))):
                return _real[name](descriptor, data, *rest)

            def move(action: str) -> Any:
                some = data
                if action in ("short", "kill-half"):
                    some = data[: max(1, len(data) // 2)] if op == "write" else max(1, data // 2)
                return _real[name](descriptor, some, *rest)

            return self._do(op, path, descriptor, move, data=data, rest=rest)

        return call

    def _meant(self, descriptor: int, size: int, rest: tuple[Any, ...]) -> bool:
        """Say whether a read is of a stretch that the fault is about."""
        byte = self.fault.byte
        start = rest[0] if rest else _real["lseek"](descriptor, 0, os.SEEK_CUR)
        return byte < 0 or start <= byte < start + size

    def _open(self, path: Any, flags: int, *rest: Any, **more: Any) -> int:
        name = self.below(path)
        if not name:
            return _real["open"](path, flags, *rest, **more)
        makes = bool(flags & (os.O_CREAT | os.O_TRUNC))
        action = self._fate("open", name, -1) if makes else "none"
        new = not os.path.lexists(name)
        descriptor = _real["open"](path, flags, *rest, **more)
        self.paths[descriptor] = name
        self._note(Call("open", descriptor, name, int(makes), 0))
        self.after("open", name, descriptor, new=new, flags=flags, error=0, made=True)
        if action == "kill-after":
            self._die()
        return descriptor

    def _replace_parquet_writer(self) -> None:
        """Let Arrow write through Python, so that its writes are seen here."""
        import pyarrow.parquet as pq

        class Writer(pq.ParquetWriter):
            def __init__(self, where: Any, *rest: Any, **more: Any) -> None:
                self._own = open(where, "wb") if isinstance(where, (str, os.PathLike)) else None  # noqa: SIM115
                super().__init__(where if self._own is None else self._own, *rest, **more)

            def close(self) -> None:
                super().close()
                if self._own is not None:
                    self._own.close()

        pq.ParquetWriter = pq.core.ParquetWriter = Writer  # type: ignore[misc,assignment]

    def _file(self, path: Any, mode: str = "r", buffering: int = -1, *rest: Any, **more: Any) -> Any:
        """`open` for files below the root, with every write going through the functions above."""
        if not isinstance(path, (str, bytes, os.PathLike)) or not self.below(path) or not set(mode) & set("wxa+"):
            return _real_open(path, mode, buffering, *rest, **more)
        raw = _File(path, mode)
        if "b" in mode and buffering == 0:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *rest, **more)


class _File(io.RawIOBase):
    """A file whose calls are those of `os` at the time."""

    def __init__(self, path: Any, mode: str) -> None:
        flags = os.O_RDWR if "+" in mode else os.O_WRONLY
        flags |= {"w": os.O_CREAT | os.O_TRUNC, "x": os.O_CREAT | os.O_EXCL, "a": os.O_CREAT | os.O_APPEND, "r": 0}[
            next(letter for letter in mode if letter in "wxar")
        ]
        self.name, self.mode = os.fspath(path), mode
        self._descriptor = os.open(path, flags | os.O_CLOEXEC, 0o666)

    def readable(self) -> bool:
        return "+" in self.mode

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def readinto(self, buffer: Any) -> int:
        data = os.read(self._descriptor, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        return os.write(self._descriptor, bytes(data))

    def seek(self, offset: int, whence: int = 0) -> int:
        return os.lseek(self._descriptor, offset, whence)

    def truncate(self, size: int | None = None) -> int:
        os.ftruncate(self._descriptor, self.tell() if size is None else size)
        return self.tell() if size is None else size

    def close(self) -> None:
        if not self.closed:
            try:
                super().close()
            finally:
                os.close(self._descriptor)


def arm(root: str | Path, fault: Fault, log: int = -1) -> Watch:
    """Watch the calls of this process on paths below a folder; see `Watch`."""
    assert set(OPS) >= set(fault.ops)
    return Watch(str(root), fault, log).arm()
