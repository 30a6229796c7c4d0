"""Leaves small files beside a publication: reports, and the manifest of what is withheld."""

from collections.abc import Callable

from preftrain_trainer.places.store import ABSENT, ANYTHING, Condition, Fencing, ObjectStore


def leave(
    store: ObjectStore, fencing: Fencing, key: str, data: bytes, allowed: Callable[[], None]
) -> bool:
    """Write `data` unless somebody else does meanwhile; False when somebody did.

    Args:
        store: folder of the revision.
        fencing: whether its conditional writes hold.
        key: of the file.
        data: its content.
        allowed: called after the look at what is there and before the write, so that a pod
            that is overtaken between the two changes nothing; may raise.

    Raises:
        ObjectStoreUnavailable: the store fails.
    """
    found = store.get(key)
    allowed()
    if found is not None and found[0] == data:
        return True
    condition = ABSENT if found is None else Condition(tag=found[1])
    if store.put(key, data, ANYTHING if fencing == "None" else condition):
        return True
    after = store.get(key)  # its own, if the answer to the write was lost
    return after is not None and after[0] == data
