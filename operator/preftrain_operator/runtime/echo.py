"""Tells a watch that has died from one that has nothing to say.

Whatever the operator learns by another way than the watch (the answer to a write of its own,
a full list) the watch must tell as well. What it still owes long after a list has succeeded
shows that it is dead; an object that is gone owes nothing.
"""

import time
from collections.abc import Callable

from preftrain_operator.kube.port import Kind


class Echo:
    """What the watches still owe.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._owed: dict[str, tuple[Kind, int, float]] = {}

    def owe(self, kind: Kind, uid: str, version: int) -> None:
        """The object was learnt of at that version; the watch must tell it or a newer one."""
        owed = self._owed.get(uid)
        since = self._clock() if owed is None else owed[2]
        self._owed[uid] = (kind, version, since)

    def told(self, uid: str, version: int) -> None:
        """The watch has told the object at that version."""
        owed = self._owed.get(uid)
        if owed is not None and version >= owed[1]:
            del self._owed[uid]

    def forget(self, uid: str) -> None:
        """The object is gone."""
        self._owed.pop(uid, None)

    def oldest(self) -> tuple[Kind, float] | None:
        """What has been owed longest: its kind, and for how many seconds."""
        if not self._owed:
            return None
        kind, _, since = min(self._owed.values(), key=lambda owed: owed[2])
        return kind, self._clock() - since
