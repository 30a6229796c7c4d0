"""Objects of one kind as they rest in memory: ten thousand are there, and few are looked at."""

import json
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from preftrain_operator.kube.port import Json

ROOM: Final = 512
"""Objects that stay as they are: more than are worked on at once."""
_LEVEL: Final = 1
"""The quickest: an object may be packed at every event."""


@dataclass(frozen=True, slots=True)
class _Packed:
    version: int
    text: bytes


class Shelf:
    """Objects by UID. Those used last are kept as they are, the others as compressed JSON, which
    takes far less memory than dicts and strings.

    Args:
        room: how many are kept as they are.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._at_hand: OrderedDict[str, Json] = OrderedDict()
        self._packed: dict[str, _Packed] = {}

    def __contains__(self, uid: str) -> bool:
        return uid in self._at_hand or uid in self._packed

    def __iter__(self) -> Iterator[str]:
        yield from self._packed
        yield from self._at_hand

    def version(self, uid: str) -> int | None:
        """The version of an object, which is not used thereby; None when it is not there."""
        packed = self._packed.get(uid)
        if packed is not None:
            return packed.version
        item = self._at_hand.get(uid)
        return None if item is None else version_of(item)

    def get(self, uid: str) -> Json | None:
        """An object, for reading only; None when it is not there."""
        item = self._at_hand.get(uid)
        if item is not None:
            self._at_hand.move_to_end(uid)
            return item
        packed = self._packed.get(uid)
        if packed is None:
            return None
        unpacked: Json = json.loads(zlib.decompress(packed.text))
        self.put(uid, unpacked)
        return unpacked

    def put(self, uid: str, item: Json) -> None:
        """Keep an object, in place of an earlier version."""
        self._packed.pop(uid, None)
        self._at_hand[uid] = item
        self._at_hand.move_to_end(uid)
        if len(self._at_hand) > self._room:
            longest, unused = self._at_hand.popitem(last=False)
            text = json.dumps(unused, separators=(",", ":")).encode()
            self._packed[longest] = _Packed(version_of(unused), zlib.compress(text, _LEVEL))

    def discard(self, uid: str) -> None:
        """Keep it no longer."""
        self._packed.pop(uid, None)
        self._at_hand.pop(uid, None)


def version_of(item: Json) -> int:
    """The object's place in the API server's order; resource versions of one kind compare
    as integers (Kubernetes API conventions since 1.35).
    """
    return int(item["metadata"]["resourceVersion"])
