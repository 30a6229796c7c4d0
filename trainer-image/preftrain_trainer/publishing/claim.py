"""The claim: which pod may publish and move the resume pointer of a revision.

`claim.json` holds an epoch and the pod's UID and is only ever written on condition. A later
pod takes it over by raising the epoch; the earlier one notices at its next check and ends.

A check alone fences nothing: its holder may stall right behind it, be overtaken, and write
its manifest over the files of its successor. So a publication is decided in the claim itself:
`seal` puts the manifest into it, on condition that it was not taken over meanwhile, and a
sealed claim is not taken over. From then on anyone may write that manifest to its place, and
nobody another.

A store without conditional writes cannot keep two pods apart; the last to write wins there,
and the status says so.
"""

import json
from dataclasses import dataclass, replace
from typing import Final

from preftrain_trainer.errors import ObjectStoreUnavailable, Preempted
from preftrain_trainer.places.store import ABSENT, ANYTHING, Condition, Fencing, ObjectStore

CLAIM: Final = "claim.json"
_ATTEMPTS: Final = 8


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """What `claim.json` says."""

    epoch: int
    holder: str
    """UID of the pod."""
    manifest: str | None = None
    """The manifest that is published or about to be, once that is decided."""

    @classmethod
    def parse(cls, data: bytes) -> "ClaimRecord":
        """Read the file.

        Raises:
            ValueError: it is not a claim.
        """
        try:
            value = json.loads(data)
            manifest = value.get("manifest")
            if manifest is not None and not isinstance(manifest, str):
                raise ValueError("not a claim")
            return cls(int(value["epoch"]), str(value["podUid"]), manifest)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("not a claim") from error

    def encode(self) -> bytes:
        """Content of the file."""
        value: dict[str, object] = {"epoch": self.epoch, "podUid": self.holder}
        if self.manifest is not None:
            value["manifest"] = self.manifest
        return json.dumps(value).encode()


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
        self._own()

    def seal(self, manifest: str) -> None:
        """Decide that this is what the revision publishes, unless a later pod has taken over.

        Only for stores with conditional writes.

        Raises:
            Preempted: a later pod has taken over; nothing was decided.
        """
        for _ in range(_ATTEMPTS):
            record, tag = self._own()
            if record.manifest == manifest:  # the answer of the write was lost
                return
            if record.manifest is not None:
                raise _decided(self.store, record)
            sealed = replace(record, manifest=manifest)
            if self.store.put(CLAIM, sealed.encode(), Condition(tag=tag)):
                return
        raise _changes_hands(self.store)

    def _own(self) -> tuple[ClaimRecord, str]:
        found = read_claim(self.store)
        if found is None or (found[0].epoch, found[0].holder) != (self.epoch, self.holder):
            raise Preempted(
                f"{self.store.url(CLAIM)} was taken over by a later pod; this one ends "
                "without publishing"
            )
        return found


def take_claim(store: ObjectStore, holder: str, fencing: Fencing) -> Claim:
    """Take or take over the claim for the pod `holder`, and end what earlier ones were writing.

    Raises:
        Preempted: a publication was decided since the place was last looked at; the next
            attempt finds it.
        ObjectStoreUnavailable: others keep taking it, or the file is not a claim.
    """
    claim = _take(store, holder, fencing)
    store.discard_unfinished()
    return claim


def read_claim(store: ObjectStore) -> tuple[ClaimRecord, str] | None:
    """What the claim says, and its tag; None when nobody has one.

    Raises:
        ObjectStoreUnavailable: the file is not a claim.
    """
    found = store.get(CLAIM)
    if found is None:
        return None
    try:
        return ClaimRecord.parse(found[0]), found[1]
    except ValueError as error:
        raise ObjectStoreUnavailable(
            f"{store.url(CLAIM)} is not a claim of preftrain; remove it or choose another "
            "output.uri"
        ) from error


def break_seal(store: ObjectStore, record: ClaimRecord, tag: str) -> None:
    """Free the place of a publication that was decided and then deleted by somebody."""
    freed = ClaimRecord(record.epoch + 1, record.holder)
    store.put(CLAIM, freed.encode(), Condition(tag=tag))


def _take(store: ObjectStore, holder: str, fencing: Fencing) -> Claim:
    for _ in range(_ATTEMPTS):
        found = read_claim(store)
        if found is None:
            mine, condition = ClaimRecord(1, holder), ABSENT
        else:
            record, tag = found
            if record.manifest is not None:
                raise _decided(store, record)
            if record.holder == holder:
                return Claim(store, record.epoch, holder)
            mine, condition = ClaimRecord(record.epoch + 1, holder), Condition(tag=tag)
        if store.put(CLAIM, mine.encode(), ANYTHING if fencing == "None" else condition):
            return Claim(store, mine.epoch, holder)
    raise _changes_hands(store)


def _decided(store: ObjectStore, record: ClaimRecord) -> Preempted:
    return Preempted(
        f"{store.url(CLAIM)}: {record.holder} has published meanwhile; the next attempt adopts "
        "what it left"
    )


def _changes_hands(store: ObjectStore) -> ObjectStoreUnavailable:
    return ObjectStoreUnavailable(
        f"{store.url(CLAIM)} changes hands faster than it can be taken; end the other runs"
    )
