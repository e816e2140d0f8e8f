"""Which loops of a run were seen, in little memory."""

from __future__ import annotations

NONE: frozenset[int] = frozenset()


class Loops:
    """The loops of one run that were seen; those in order cost no memory.

    Examples
    --------
    >>> loops = Loops()
    >>> [loops.add(loop) for loop in (3, 4, 9, 4, 9, 0)]
    [True, True, True, False, False, True]
    """

    __slots__ = ("others", "start", "stop")  # a table may have as many runs as rows

    def __init__(self) -> None:
        self.start = self.stop = -1
        self.others: set[int] | frozenset[int] = NONE

    def add(self, loop: int) -> bool:
        """Take note of a loop; say whether it is new."""
        if self.start <= loop < self.stop or loop in self.others:
            return False
        if self.start < 0:
            self.start = self.stop = loop
        if loop == self.stop:
            self.stop += 1
            while self.stop in self.others:
                self.others.remove(self.stop)  # type: ignore[union-attr]
                self.stop += 1
        else:
            self.others = self.others or set()
            self.others.add(loop)  # type: ignore[union-attr]
        return True

    @property
    def gap(self) -> int | None:
        """The first loop that is missing between the least and the largest one; None if none is."""
        known = {*self.others, self.start, self.stop - 1}
        if max(known) - min(known) + 1 == len(self.others) + self.stop - self.start:
            return None
        return next(k for k in range(min(known), max(known)) if not (self.start <= k < self.stop or k in self.others))
