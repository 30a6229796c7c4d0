"""The claim: which pod may publish and move the resume pointer of a revision.

`claim.json` holds an epoch and the pod's UID and is only ever written on condition. A later
pod takes it over by raising the epoch; the earlier one notices at its next check and ends.
A store without conditional writes cannot keep two pods apart; the last to write wins there,
and the status says so.
"""

import json
from dataclasses import dataclass

from preftrain_trainer.errors import ObjectStoreUnavailable, Preempted
from preftrain_trainer.places.store import ABSENT, ANYTHING, Condition, Fencing, ObjectStore

CLAIM = "claim.json"
_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim that was held when it was taken; `check` tells whether it still is."""

    store: ObjectStore
    epoch: int
    holder: str

    def check(self) -> None:
        """Go on only while this pod is the newest.

        Raises:
            Preempted: a later pod has taken over.
        """
        found = self.store.get(CLAIM)
        if found is None or _read(self.store, found[0]) != (self.epoch, self.holder):
            raise Preempted(
                f"{self.store.url(CLAIM)} was taken over by a later pod; this one ends "
                "without publishing"
            )


def take_claim(store: ObjectStore, holder: str, fencing: Fencing) -> Claim:
    """Take or take over the claim for the pod `holder`.

    Raises:
        ObjectStoreUnavailable: others keep taking it, or the file is not a claim.
    """
    for _ in range(_ATTEMPTS):
        found = store.get(CLAIM)
        if found is None:
            epoch, tag = 1, None
        else:
            epoch, owner = _read(store, found[0])
            if owner == holder:
                return Claim(store, epoch, holder)
            epoch, tag = epoch + 1, found[1]
        data = json.dumps({"epoch": epoch, "podUid": holder}).encode()
        condition = ABSENT if tag is None else Condition(tag=tag)
        if store.put(CLAIM, data, ANYTHING if fencing == "None" else condition):
            return Claim(store, epoch, holder)
    raise ObjectStoreUnavailable(
        f"{store.url(CLAIM)} changes hands faster than it can be taken; end the other runs"
    )


def _read(store: ObjectStore, data: bytes) -> tuple[int, str]:
    try:
        value = json.loads(data)
        return int(value["epoch"]), str(value["podUid"])
    except (ValueError, KeyError, TypeError) as error:
        raise ObjectStoreUnavailable(
            f"{store.url(CLAIM)} is not a claim of preftrain; remove it or choose another "
            "output.uri"
        ) from error
