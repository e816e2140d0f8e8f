"""Everything that a child does to the disk, with the bytes, in order; and what of it is durable when."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from .patched import Watch, _real

NEVER = 2**62


class Recorder(Watch):
    """A watch whose log has every effect as a line of JSON."""

    def before(self, op: str, path: str, descriptor: int, **details: Any) -> None:
        """Take note of where a write is going to be."""
        if op == "write":
            rest = details["rest"]
            append = _real["fstat"](descriptor).st_size if _appends(descriptor) else None
            self._at = rest[0] if rest else append if append is not None else _real["lseek"](descriptor, 0, os.SEEK_CUR)

    def after(self, op: str, path: str, descriptor: int, **details: Any) -> None:
        """Write the line."""
        if op == "open" and not details.get("made"):
            return
        event: dict[str, Any] = {"op": op, "path": path, "fd": descriptor, "error": details["error"]}
        if op == "write":
            event |= {"at": self._at, "data": bytes(details.get("data", b""))[: details.get("size", 0)].hex()}
        elif op == "open":
            event |= {"new": details["new"], "cut": bool(details["flags"] & os.O_TRUNC)}
        elif op == "ftruncate":
            event["size"] = details["rest"][0]
        elif op in ("link", "rename"):
            event["source"] = details.get("source", "")
        self._write(event)

    def said(self, text: str) -> None:
        """Put what the child told its parent between the effects."""
        self._write({"op": "say", "text": text})

    def _note(self, call: Any) -> None:
        pass

    def _write(self, event: dict[str, Any]) -> None:
        _real["write"](self.log, json.dumps(event).encode() + b"\n")


def _appends(descriptor: int) -> bool:
    import fcntl

    return bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND)


def read(log: Path) -> list[dict[str, Any]]:
    """Return the events of a recorder's log."""
    with open(log, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]


@dataclass(eq=False)
class Effect:
    """One change of the disk; durable from event `durable` on.

    kind "add" and "remove": a name in a folder; "data": bytes at an offset; "size": the file is cut or extended.
    """

    kind: str
    node: int
    issued: int
    durable: int = NEVER
    folder: int = -1
    name: str = ""
    offset: int = 0
    data: bytes = b""
    partner: Effect | None = None  # the other half of a renaming
    doomed: bool = False  # a sync failed: later ones make nothing of it durable


class History:
    """The effects of a child on a folder, and what was there before.

    Parameters
    ----------
    events : as recorded.
    root : the folder on which calls were watched; it stands for the whole disk.
    before : a folder with what was there, durable, when the child began; it may be absent.
    """

    def __init__(self, events: list[dict[str, Any]], root: Path, before: Path | None = None) -> None:
        self.events = events
        self.effects: list[Effect] = []
        self.base: dict[int, bytes] = {}  # contents of the files that were there before
        self._kinds: dict[int, str] = {0: "folder"}
        self._root = PurePosixPath(root)
        self._live: dict[str, int] = {str(root): 0}
        self._open: dict[int, int] = {}
        if before is not None and before.exists():
            self._begin(before)
        for number, event in enumerate(events):
            if event["op"] != "say":
                self._take(number, event)

    def folders(self) -> set[int]:
        """Return the nodes that are folders."""
        return {node for node, kind in self._kinds.items() if kind == "folder"}

    def said(self, last: int) -> Iterable[str]:
        """Return what the child had said when event `last` was over."""
        return [event["text"] for event in self.events[: last + 1] if event["op"] == "say"]

    def _begin(self, before: Path) -> None:
        for path in sorted(before.rglob("*")):
            node = self._new("folder" if path.is_dir() else "file")
            inside = PurePosixPath(path.relative_to(before).as_posix())
            full = str(self._root / inside)
            self._live[full] = node
            folder = self._live[str(PurePosixPath(full).parent)]
            self.effects.append(Effect("add", node, -1, -1, folder, inside.name))
            if path.is_file():
                self.base[node] = path.read_bytes()

    def _new(self, kind: str) -> int:
        node = len(self._kinds)
        self._kinds[node] = kind
        return node

    def _entry(self, kind: str, path: str, node: int, at: int) -> Effect:
        inside = PurePosixPath(path)
        folder = self._live.get(str(inside.parent), 0)
        effect = Effect(kind, node, at, folder=folder, name=inside.name)
        if path == str(self._root):
            # the folder itself is where the disk begins
            effect.durable = at
            return effect
        self.effects.append(effect)
        return effect

    def _take(self, at: int, event: dict[str, Any]) -> None:
        op, path = event["op"], event["path"]
        if event["error"] and op not in ("fsync", "fdatasync"):
            return
        if op == "open":
            node = self._live.get(path)
            if node is None:
                node = self._live[path] = self._new("file")
                self._entry("add", path, node, at)
            elif event["cut"]:
                self.effects.append(Effect("size", node, at))
            self._open[event["fd"]] = node
        elif op == "close":
            self._open.pop(event["fd"], None)
        elif op == "mkdir":
            if path != str(self._root):
                self._live[path] = self._new("folder")
                self._entry("add", path, self._live[path], at)
        elif op == "link":
            node = self._live[path] = self._live[event["source"]]
            self._entry("add", path, node, at)
        elif op == "rename":
            node = self._live.pop(event["source"])
            added = self._entry("add", path, node, at)
            removed = self._entry("remove", event["source"], node, at)
            removed.partner, self._live[path] = added, node
        elif op in ("unlink", "rmdir"):
            self._entry("remove", path, self._live.pop(path), at)
        elif op == "write":
            data = bytes.fromhex(event["data"])
            node = self._open[event["fd"]]
            self.effects.append(Effect("data", node, at, offset=event["at"], data=data))
        elif op == "ftruncate":
            self.effects.append(Effect("size", self._open[event["fd"]], at, offset=event["size"]))
        elif op in ("fsync", "fdatasync"):
            self._sync(self._open[event["fd"]], at, failed=bool(event["error"]))

    def _sync(self, node: int, at: int, *, failed: bool) -> None:
        folder = self._kinds[node] == "folder"
        for effect in self.effects:
            mine = effect.folder == node if folder else effect.node == node and effect.kind in ("data", "size")
            if mine and effect.durable == NEVER and not effect.doomed:
                if failed:
                    effect.doomed = True
                else:
                    effect.durable = at
