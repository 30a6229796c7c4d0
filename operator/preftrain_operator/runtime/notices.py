"""Reads the Events of a Job or a pod that is stuck, seldom: a quota may hold up a thousand."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from preftrain_operator.core.notices import Notice
from preftrain_operator.kube.errors import KubeError
from preftrain_operator.kube.port import Json, Kind, KubePort

FIRST_PAUSE_SECONDS: Final = 30.0
LAST_PAUSE_SECONDS: Final = 600.0
MAX_OBJECTS: Final = 4096
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Kept:
    notices: tuple[Notice, ...]
    pause_seconds: float
    until: float


class Notices:
    """The latest answers; each object is asked about at growing intervals.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, kube: KubePort, clock: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def about(self, namespace: str, uid: str) -> tuple[Notice, ...]:
        """Warnings about the object, the newest first; none where Events may not be read."""
        kept = self._kept.get(uid)
        now = self._clock()
        if kept is not None and now < kept.until:
            return kept.notices
        pause = FIRST_PAUSE_SECONDS
        if kept is not None:
            pause = min(LAST_PAUSE_SECONDS, 2 * kept.pause_seconds)
        notices = await self._read(namespace, uid)
        self._kept[uid] = _Kept(notices, pause, now + pause)
        self._kept.move_to_end(uid)
        while len(self._kept) > MAX_OBJECTS:
            self._kept.popitem(last=False)
        return notices

    async def _read(self, namespace: str, uid: str) -> tuple[Notice, ...]:
        fields = f"involvedObject.uid={uid},type=Warning"
        found: list[Json] = []
        try:
            async for page in self._kube.pages(Kind.EVENTS, namespace, fields=fields):
                found += page.items
        except KubeError as error:
            # What is missing is told without them, if less well.
            _logger.warning("Events in %s were not read: %s", namespace, error)
        found.sort(key=_time, reverse=True)
        return tuple(
            Notice(str(item.get("reason", "")), str(item.get("message", ""))) for item in found
        )


def _time(item: dict[str, Any]) -> str:
    series = item.get("series") or {}
    told = (series.get("lastObservedTime"), item.get("lastTimestamp"), item.get("eventTime"))
    return next((str(time) for time in told if time), "")
