"""A process that has imported everything and has no threads of its own; its forks are the children that suffer.

A fresh interpreter costs half a second, a fork 5 ms. The parent asks through a socket and hands over the descriptors
that a child reads orders from, acknowledges to, and logs its calls to.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import effects, patched, preloaded
from .plans import Call, Fault

PATIENCE = 60  # seconds
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]


class Talk:
    """A child's side of the conversation; its calls are never counted or spoilt."""

    _write, _read = staticmethod(os.write), staticmethod(os.read)
    overheard: Callable[[str], None] | None = None

    def say(self, *words: object) -> None:
        """Tell the parent a line; it arrives even if the next instruction kills."""
        text = " ".join(map(str, words))
        self._write(1, text.encode() + b"\n")
        if self.overheard is not None:
            self.overheard(text)

    def hear(self) -> str:
        """Wait for a line of the parent; empty when there is none to come."""
        line = b""
        while not line.endswith(b"\n"):
            byte = self._read(0, 1)
            if not byte:
                break
            line += byte
        return line.decode().rstrip("\n")


class Child:
    """The parent's side of a child of the nursery."""

    def __init__(self, nursery: Nursery, pid: int, orders: int, answers: int, log: Path) -> None:
        self.pid, self.log = pid, log
        self._nursery, self._orders = nursery, orders
        self._answers = os.fdopen(answers, "r", encoding="utf-8")
        self._status: int | None = None

    def line(self) -> str:
        """Wait for the next line; empty when the child is dead."""
        return self._answers.readline().rstrip("\n")

    def tell(self, text: str = "") -> None:
        """Send a line; a child that is dead does not mind."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._orders, text.encode() + b"\n")

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal; the nursery has not reaped the child, so its number cannot be another one's."""
        if self._status is None:
            os.kill(self.pid, number)

    def until(self, word: str) -> list[str]:
        """Wait for a line that begins with a word, and return all lines up to it."""
        lines = [self.line()]
        while not lines[-1].startswith(word):
            if not lines[-1] or lines[-1].startswith("!"):
                raise AssertionError(f"the child ended before it said {word!r}: {lines[-1]}")
            lines.append(self.line())
        return lines

    def rest(self) -> list[str]:
        """Wait for the end and return all lines that were not read yet; an incomplete last one is left out."""
        text = self._answers.read()
        return text.split("\n")[:-1]

    def wait(self) -> int:
        """Return the exit code, negative for a signal, after the last line was read."""
        if self._status is None:
            self._status = self._nursery.reap(self.pid)
            self._answers.close()
            os.close(self._orders)
        return self._status

    def calls(self) -> list[Call]:
        """Return the log of calls of a dead child."""
        with open(self.log, encoding="utf-8", errors="surrogateescape") as file:
            return [Call.parse(line) for line in file if line.endswith("\n")]


class Nursery:
    """Starts children.

    Parameters
    ----------
    way : "patched" or "preloaded", how calls are counted and spoilt; "recorded" as patched, with all effects logged.
    """

    def __init__(self, way: str = "patched") -> None:
        self.way = way
        here, there = socket.socketpair()
        paths = [str(HERE.parent), str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}
        if way == "preloaded":
            environment["LD_PRELOAD"] = str(preloaded.library())
        command = [sys.executable, "-m", "faults.nursery", str(there.fileno()), way]
        self._process = subprocess.Popen(command, pass_fds=[there.fileno()], env=environment, cwd=ROOT)
        there.close()
        self._socket = here
        self._logs = tempfile.TemporaryDirectory(prefix="faults-")
        self._number = 0

    def child(
        self, program: str, root: Path, fault: Fault | None = None, *, inside: str = "", **arguments: Any
    ) -> Child:
        """Start one of `programs` or `scenes`, as ``program(talk, root / inside, **arguments)``, with a fault.

        Parameters
        ----------
        program : its name.
        root : the folder; calls on paths below are counted. Must not be a symbolic link.
        fault : None for no watching at all.
        """
        orders, to_child = os.pipe()
        from_child, answers = os.pipe()
        self._number += 1
        log = Path(self._logs.name) / str(self._number)
        logged = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
        request: dict[str, Any] = {"program": program, "root": str(root), "inside": inside, "arguments": arguments}
        request["fault"] = None if fault is None else fault.to_json()
        socket.send_fds(self._socket, [json.dumps(request).encode()], [orders, answers, logged])
        for descriptor in (orders, answers, logged):
            os.close(descriptor)
        return Child(self, self._reply(), to_child, from_child, log)

    def reap(self, pid: int) -> int:
        """Wait for a child to end."""
        self._socket.send(json.dumps({"reap": pid}).encode())
        return self._reply()

    def _reply(self) -> int:
        data = self._socket.recv(64)
        if not data:
            raise RuntimeError("the nursery ended; see its errors above")
        return int(data)

    def close(self) -> None:
        """End the nursery."""
        self._socket.close()
        self._process.wait()
        self._logs.cleanup()


@contextlib.contextmanager
def nursery(way: str = "patched") -> Iterator[Nursery]:
    """A nursery for the length of a with block."""
    one = Nursery(way)
    try:
        yield one
    finally:
        one.close()


def ways() -> list[str]:
    """Return the ways in which this machine can make calls fail."""
    return ["patched", "preloaded"] if preloaded.library() is not None else ["patched"]


def _grow_up(way: str, request: dict[str, Any], descriptors: list[int]) -> None:
    """Be the child: never returns."""
    code = 1
    talk = Talk()
    try:
        signal.alarm(PATIENCE)  # a child that waits for ever is a failure, not a test that never ends
        orders, answers, log = descriptors
        os.dup2(orders, 0)
        os.dup2(answers, 1)
        os.close(orders)
        os.close(answers)
        function = _program(request["program"])
        if request["fault"] is not None:
            _arm(way, talk, request["root"], Fault.from_json(request["fault"]), log)
        function(talk, Path(request["root"]) / request["inside"], **request["arguments"])
        code = 0
    except BaseException:
        talk.say("!", traceback.format_exc().replace("\n", " | "))
        traceback.print_exc()
    finally:
        # not os._exit alone: it would skip the finalizers that close files, which are part of what is tested
        os._exit(code)


def _program(name: str) -> Callable[..., None]:
    """Return a program of `programs` or `scenes`."""
    modules = [importlib.import_module(f"faults.{module}") for module in ("programs", "scenes")]
    return next(getattr(module, name) for module in modules if hasattr(module, name))


def _arm(way: str, talk: Talk, root: str, fault: Fault, log: int) -> None:
    if way == "preloaded":
        preloaded.arm(root, fault, log)
    elif way == "patched":
        patched.arm(root, fault, log)
    else:
        recorder = effects.Recorder(root, fault, log)
        recorder.arm()
        talk.overheard = recorder.said


def _serve(descriptor: int, way: str) -> None:
    _program("warm_up")()
    connection = socket.socket(fileno=descriptor)
    while True:
        data, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 3)
        if not data:
            return
        request = json.loads(data)
        if "reap" in request:
            status = os.waitpid(request["reap"], 0)[1]
            connection.send(str(os.waitstatus_to_exitcode(status)).encode())
            continue
        pid = os.fork()
        if pid == 0:
            connection.close()
            _grow_up(way, request, descriptors)
        for one in descriptors:
            os.close(one)
        connection.send(str(pid).encode())


if __name__ == "__main__":
    _serve(int(sys.argv[1]), sys.argv[2])
