"""Whether a store keeps what rehearsals need of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from metaal.errors import InputError
from metadata_store import Store, open_store


def check_keeps_branches(store: str | Path | Store) -> None:
    """Refuse a store whose privacy level keeps too little for branches, before anything is played.

    A state is built again from the labels, the ids and the digest in the log, of which L1 keeps nothing and L2 only
    hashes; and of a branch both keep neither the action's name nor more than three digits of a score, so that its
    advantage could not be read from it.

    Parameters
    ----------
    store : Store, str or Path
        A path that does not exist yet has no level.

    Raises
    ------
    InputError
        Its level is L1 or L2.

    Examples
    --------
    >>> check_keeps_branches(open_store("memory:"))
    >>> check_keeps_branches(open_store("memory:", privacy="L1"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    metaal.errors.InputError: store: its privacy level is L1, which keeps neither labels nor ids ...
    """
    level = _level(store)
    if level in ("L1", "L2"):
        raise InputError(
            f"store: its privacy level is {level}, which keeps neither labels nor ids as they are and three digits of "
            "a score, so that no state can be built again to branch from. Rehearse into a store without a level, or of "
            "level L3; what may be shared of it, metaal export --privacy writes into a file"
        )


def _level(store: Any) -> str | None:
    """The privacy level that a store has; None without one."""
    if isinstance(store, str | Path):
        if str(store).startswith("memory:") or not Path(store).is_dir() or not any(Path(store).iterdir()):
            return None
        with open_store(store) as opened:
            return _level(opened)
    settings = getattr(store, "privacy", None)
    return None if settings is None else str(settings.level)
