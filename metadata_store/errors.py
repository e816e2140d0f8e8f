"""Everything that can go wrong with a store, as one tree.

::

    StoreError
    ├── OptionError(ValueError)             an argument of open_store is not possible
    ├── FormatError(ValueError)             the directory is not a store, or of a newer format
    ├── MissingStoreError(FileNotFoundError) nothing there, and creating was not allowed
    ├── RecordError(ValueError)             the record itself is not acceptable; nothing was written
    ├── ConflictError(ValueError)           the key is taken by other content; the log is unchanged
    ├── UnknownRunError(KeyError)           no record of this run
    ├── UnknownNameError(KeyError)          no value or array of this name
    ├── DamagedError(ValueError)            stored bytes no longer match their checksum
    ├── ClosedError(ValueError)             the store was closed
    ├── PrivacyError(ValueError)            the store's privacy level does not allow this; nothing was written
    ├── LeaseError(PermissionError)         another one has the exclusive right to append to the run
    ├── ReadError(OSError)                  stored bytes cannot be read at all
    ├── WriteError(OSError)                 failed: the record is not stored, retry
    └── UnknownStateError(OSError)          unknown: the record may be stored, look first (or append it again)

    StoreWarning(UserWarning)               damage was found while reading; what is whole can still be read
    PrivacyWarning(UserWarning)             a store keeps what can identify rows, because it was told to
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class StoreError(Exception):
    """Anything that this package raises on purpose."""

    def __str__(self) -> str:
        """Return the message as written (KeyError would show its repr, OSError its errno)."""
        return str(self.args[0]) if self.args else ""


class OptionError(StoreError, ValueError):
    """An option of `open_store` has an impossible value."""


class FormatError(StoreError, ValueError):
    """The place holds something that is not a store which this version can read."""


class MissingStoreError(StoreError, FileNotFoundError):
    """There is no store at this place and creating one was not allowed."""


class RecordError(StoreError, ValueError):
    """A record has a field, name or value that cannot be stored."""


class ConflictError(StoreError, ValueError):
    """The key of a record is already taken by a record with other content."""


class UnknownRunError(StoreError, KeyError):
    """The store has no record of this run."""


class UnknownNameError(StoreError, KeyError):
    """The store has no value or array of this name."""


class DamagedError(StoreError, ValueError):
    """Stored bytes do not match their checksum or their description."""


class ClosedError(StoreError, ValueError):
    """The store was closed before this call."""


class PrivacyError(StoreError, ValueError):
    """The store's privacy level does not allow this; nothing was written."""


class LeaseError(StoreError, PermissionError):
    """Another opening of the store has the exclusive right to append to the run, or this one lost it."""


class ReadError(StoreError, OSError):
    """The system does not let stored bytes be read, for another reason than damage."""


class WriteError(StoreError, OSError):
    """Writing failed and the record is not stored: the same append can be tried again."""


class UnknownStateError(StoreError, OSError):
    """Whether the record is stored is unknown: appending the same record again is safe and settles it."""


class StoreWarning(UserWarning):
    """Damage was found while reading a store."""


class PrivacyWarning(UserWarning):
    """A store keeps what can identify rows, because it was told to."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known names come closest to an unknown one.

    Parameters
    ----------
    name : the unknown name.
    known : the names that exist.

    Returns
    -------
    str : half a sentence for the end of an error message.

    Examples
    --------
    >>> nearest("pool.margn", ["pool.margin", "cost.fit"])
    "did you mean 'pool.margin'?"
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return f"did you mean {', '.join(map(repr, close))}?"
    if not names:
        return "there is none yet"
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"there is {', '.join(map(repr, names[:10]))}{more}"
