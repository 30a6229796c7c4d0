"""What is left in a revision's folder before anyone holds its claim: the report on the data.

Prepare holds no claim, since taking one ends whoever trains. So it writes only while there is
neither a claim nor a manifest, and on condition of what was there before it looked. A prepare
pod that was cut off and comes back, or a resource that was deleted and made anew with other data,
then changes nothing of what a training pod has published or is about to.
"""

from collections.abc import Mapping

from preftrain_trainer.places.store import ABSENT, ANYTHING, Condition, Fencing, ObjectStore
from preftrain_trainer.publishing.claim import CLAIM, read_claim
from preftrain_trainer.publishing.publish import MANIFEST


def leave_unclaimed(store: ObjectStore, fencing: Fencing, files: Mapping[str, bytes]) -> str | None:
    """Write `files` by key, unless the folder is somebody's already.

    Returns:
        None, or the object that tells whose folder it is.

    Raises:
        ObjectStoreUnavailable: the store fails.
    """
    # Before the look at the claim: what its holder writes has another tag, or is there by then.
    found = {key: store.head(key) for key in files}
    if store.head(MANIFEST) is not None:
        return store.url(MANIFEST)
    if read_claim(store) is not None:
        return store.url(CLAIM)
    for key, content in files.items():
        before = found[key]
        condition = ABSENT if before is None else Condition(tag=before.tag)
        store.put(key, content, ANYTHING if fencing == "None" else condition)
    return None
