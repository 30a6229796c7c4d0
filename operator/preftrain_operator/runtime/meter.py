"""What the runtime counts; the edge turns it into metrics."""

from typing import Protocol

from preftrain_operator.core.milestones import Milestones


class Meter(Protocol):
    """Receives figures; must not fail and must not wait."""

    def reconciled(self, outcome: str, seconds: float) -> None:
        """A key was worked on."""

    def resynced(self, added: int, changed: int, removed: int) -> None:
        """A full list differed from the caches in so many objects."""

    def progress_read(self, outcome: str) -> None:
        """A pod was asked for its progress."""

    def passed(self, milestones: Milestones) -> None:
        """A status write has succeeded."""


class NoMeter:
    """Counts nothing."""

    def reconciled(self, outcome: str, seconds: float) -> None:
        """See `Meter`."""

    def resynced(self, added: int, changed: int, removed: int) -> None:
        """See `Meter`."""

    def progress_read(self, outcome: str) -> None:
        """See `Meter`."""

    def passed(self, milestones: Milestones) -> None:
        """See `Meter`."""
