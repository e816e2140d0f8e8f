"""System errors: every call of a program fails once, or from then on, in every way that it can."""

from __future__ import annotations

import errno
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from metadata_store import layout

from .expected import Expected, check_store
from .nursery import Nursery
from .plans import Call, Fault

# What the calls may do wrong: action, errno.
TROUBLES: dict[str, tuple[tuple[str, int], ...]] = {
    "write": (
        ("fail", errno.ENOSPC),
        ("fail", errno.EIO),
        ("fail", errno.EINTR),
        ("fail-after", errno.EIO),
        ("short", 0),
    ),
    "fsync": (("fail", errno.EIO), ("fail-after", errno.EIO)),
    "fdatasync": (("fail", errno.EIO), ("fail-after", errno.EDQUOT)),
    "open": (("fail", errno.EMFILE), ("fail", errno.EACCES), ("fail", errno.ENOSPC)),
    "link": (("fail", errno.EIO), ("fail", errno.EPERM), ("fail-after", errno.EIO)),
    "rename": (("fail", errno.EIO), ("fail", errno.ENOSPC), ("fail-after", errno.EIO)),
    "unlink": (("fail", errno.EIO), ("fail-after", errno.EIO)),
    "mkdir": (("fail", errno.ENOSPC), ("fail-after", errno.EIO)),
    "rmdir": (("fail", errno.EIO),),
    "ftruncate": (("fail", errno.EIO),),
}


def written_after_failure(calls: Iterable[Call]) -> list[Call]:
    """Return the calls that wrote to, cut or synced a descriptor on which a write or sync had failed before.

    Files in the making are exempt: Arrow may go on writing to one, but it is thrown away.
    """
    failed: set[int] = set()
    found = []
    for call in calls:
        if call.op in ("open", "close"):
            failed.discard(call.descriptor)
        elif call.op in ("write", "fsync", "fdatasync", "ftruncate"):
            if call.descriptor in failed and f"/{layout.SCRATCH}/" not in call.path:
                found.append(call)
            if call.error and call.error != errno.EINTR:  # Python itself makes an interrupted call again
                failed.add(call.descriptor)
    return found


def every_error(
    folder: Path,
    nursery: Nursery,
    program: str,
    prepare: Callable[[Path], Expected],
    check: Callable[[Path, Expected], Any] | None = None,
    *,
    times: tuple[int, ...] = (1, 0),
    every: int = 1,
    troubles: dict[str, tuple[tuple[str, int], ...]] = TROUBLES,
    **arguments: Any,
) -> Counter[str]:
    """Let every call of a program fail, and check the store and the log of calls.

    Parameters
    ----------
    program : its name in `programs`; it copes with `StoreError`s, and any other error fails the test.
    prepare : makes the store at a path that may not exist yet, and returns what is in it.
    check : what must hold afterwards; by default `check_store`.
    times : how often in a row: 0 for ever.
    every : only each such call.
    troubles : what may go wrong, by call.
    arguments : of the program.

    Returns
    -------
    Counter : faults, and the outcomes that the program saw.
    """
    origin = folder / "origin"
    expected = prepare(origin)

    def run(path: Path, fault: Fault) -> tuple[Expected, list[Call], list[str]]:
        if origin.exists():
            shutil.copytree(origin, path)
        child = nursery.child(program, path, fault, **arguments)
        lines = child.rest()
        status = child.wait()
        heard = expected.copy().hear_all(lines)
        assert status == 0, f"the program ended with {status} after {lines[-1:]}"
        return heard, child.calls(), [line.split()[1] for line in lines if line.startswith("trouble ")]

    _, calls, said = run(folder / "whole", Fault())
    assert not said, "the program has trouble by itself"
    ops = [call.op for call in calls if call.op in Fault().ops and (call.op != "open" or call.size)]
    counts = Counter[str](calls=len(ops))
    faults = [
        Fault(nth=nth, action=action, error=error, times=often)
        for nth, op in list(enumerate(ops, start=1))[::every]
        for action, error in troubles.get(op, ())
        for often in (times if action == "fail" and error != errno.EINTR else (1,))  # Python would try for ever
    ]
    for number, fault in enumerate(faults):
        path = folder / f"fault-{number}"
        op = ops[fault.nth - 1]
        try:
            heard, calls, said = run(path, fault)
            again = written_after_failure(calls)
            assert not again, f"{again[0]} used a descriptor that had failed"
            if check is not None:
                check(path, heard)
            elif path.exists() or heard.count:
                check_store(path, heard)
        except BaseException as error:
            error.add_note(f"{program}: {op}, call {fault.nth} of {len(ops)}, {fault}; see {path}")
            raise
        counts["faults"] += 1
        counts.update(f"{op} {fault.action}: {outcome}" for outcome in said or ["nothing noticed"])
        shutil.rmtree(path, ignore_errors=True)
    return counts
