"""Where every random number comes from: derived from names, never stored.

A generator is a function of (seed, stream, loop, role). So a resumed run continues bit by bit, and two runs of
one stream that take the same actions see the same random numbers (common random numbers).
"""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, stream: str, loop: int, role: str) -> np.random.Generator:
    """Return the random generator of one role in one loop.

    Parameters
    ----------
    seed : int
        The run's seed, ≥ 0.
    stream : str
        Usually the run's name; runs to be compared share one.
    loop : int
    role : str
        What the numbers are for, such as ``"draw"`` or ``"strategy:margin"``.

    Examples
    --------
    >>> generator(0, "tickets", 3, "draw").random() == generator(0, "tickets", 3, "draw").random()
    True
    """
    text = f"{seed}\x1f{stream}\x1f{loop}\x1f{role}".encode()
    words = np.frombuffer(hashlib.blake2b(text, digest_size=16).digest(), dtype=np.uint32)
    return np.random.default_rng(words)
