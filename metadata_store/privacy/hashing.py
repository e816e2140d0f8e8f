"""Ids as keyed hashes: the same id gives the same hash wherever the key is the same, and says nothing without it.

A hash without a key would only look private: whoever has a list of candidate ids hashes them all and compares.

References
----------
Aumasson, Neves, Wilcox-O'Hearn and Winnerlein 2013, BLAKE2: simpler, smaller, fast as MD5.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

MIN_KEY = 16
_ID, _TEXT, _CHECK = b"metaal-id", b"metaal-text", b"metaal-check"


def hash_ids(ids: np.ndarray, key: bytes) -> np.ndarray | None:
    """Hash every id of an array.

    Parameters
    ----------
    ids : whole numbers of any width and byte order, or text; any shape. The number 7 and the text "7" are one id.
    key : at least 16 secret bytes.

    Returns
    -------
    i8 array of the same shape : 64 bits each; two of a million ids share a hash with a chance of 3e-8. None for
    floats and truth values, which are no ids.

    Examples
    --------
    >>> key = bytes(32)
    >>> same = hash_ids(np.array([7], ">u2"), key), hash_ids(np.array(["7"]), key)
    >>> bool(same[0] == same[1]), bool(same[0] == hash_ids(np.array([7]), bytes([1]) * 32))
    (True, False)
    """
    if ids.dtype.kind not in "iuU":
        return None
    start, parts = _keyed(key, _ID), []
    for one in ids.ravel().tolist():
        state = start.copy()  # the key is taken in once
        state.update(str(one).encode("utf-8", "surrogatepass"))
        parts.append(state.digest())
    return np.frombuffer(b"".join(parts), "<i8").astype(np.int64).reshape(ids.shape)


def hash_id(one: int | str, key: bytes) -> int | str:
    """Hash one id as `hash_ids` does: an int to an int of 64 bits, a text to the same number as a text.

    Examples
    --------
    >>> str(hash_id(7, bytes(32))) == hash_id("7", bytes(32))
    True
    """
    number = int.from_bytes(_bytes(str(one), key, _ID), "little", signed=True)
    return str(number) if isinstance(one, str) else number


def hash_text(text: str, key: bytes) -> str:
    """Hash a text, such as a digest of data, to 16 hexadecimal digits.

    Examples
    --------
    >>> len(hash_text("9f86d081884c7d65", bytes(32)))
    16
    """
    return _bytes(text, key, _TEXT).hex()


def key_check(key: bytes) -> str:
    """Return what is stored so that another key is noticed: 16 hexadecimal digits, of which the key cannot be found.

    Examples
    --------
    >>> key_check(bytes(32)) == key_check(bytes([1]) * 32)
    False
    """
    return _bytes("", key, _CHECK).hex()


def _bytes(text: str, key: bytes, use: bytes) -> bytes:
    state = _keyed(key, use)
    state.update(text.encode("utf-8", "surrogatepass"))
    return state.digest()


def _keyed(key: bytes, use: bytes) -> blake2b:
    # BLAKE2b takes 64 bytes of key; a longer one is hashed to that length first
    short = key if len(key) <= 64 else blake2b(key).digest()
    return blake2b(digest_size=8, key=short, person=use)
