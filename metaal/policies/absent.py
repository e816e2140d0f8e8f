"""What stands for a policy that this process cannot read back, so that its runs can still be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metaal.errors import PolicyError

if TYPE_CHECKING:
    from metaal.actions import ActionSet, Decision
    from metaal.history import History


@dataclass(frozen=True)
class Absent:
    """The policy of a resumed run whose text names a function or an object of another process; it never decides.

    Parameters
    ----------
    spelling : str
        The text in the log.
    checksum : str
        That in the log.
    reason : str
        Why the text cannot be read here, and what to do.
    """

    spelling: str
    checksum: str
    reason: str

    arms: tuple[str, ...] = ()
    multipliers: tuple[float, ...] = ()

    def error(self) -> PolicyError:
        """What to raise where the policy itself is needed."""
        return PolicyError(f"{self.reason}, as in Run.resume(path, policy=...)")

    def decide(self, history: History, actions: ActionSet) -> Decision:
        """Raise the error."""
        raise self.error()
