"""Publishing needs the claim, which one pod holds at a time and which keeps what was decided."""

import threading

import pytest

from preftrain_trainer.errors import ObjectStoreUnavailable, Preempted
from preftrain_trainer.places.store import ANYTHING, Condition
from preftrain_trainer.publishing.claim import CLAIM, Claim, read_claim, take_claim
from preftrain_trainer.publishing.publish import (
    MANIFEST,
)
from support.publication import attempt, results
from support.result_place import Revision
from support.wrapped_store import Died, DiesAt, Wrapped

pytestmark = pytest.mark.integration


def test_a_later_pod_takes_the_claim_over(revision: Revision) -> None:
    """The earlier pod notices at its next check and ends with 75."""
    first = take_claim(revision.store("old"), "old", "ConditionalWrites")
    first.check()

    second = take_claim(revision.store("new"), "new", "ConditionalWrites")

    second.check()
    assert second.epoch == first.epoch + 1
    with pytest.raises(Preempted, match="taken over by a later pod"):
        first.check()


def test_a_pod_that_asks_again_keeps_its_claim(revision: Revision) -> None:
    """A write whose answer was lost does not lock its own writer out."""
    first = take_claim(revision.store(), "pod", "ConditionalWrites")

    assert take_claim(revision.store(), "pod", "ConditionalWrites").epoch == first.epoch
    first.check()


def test_of_many_pods_exactly_one_holds_the_claim(revision: Revision) -> None:
    """Whatever the schedule, epochs differ and only the newest passes its check."""
    claims: list[Claim] = []

    def compete(pod: str) -> None:
        claims.append(take_claim(revision.store(pod), pod, "ConditionalWrites"))

    threads = [threading.Thread(target=compete, args=(f"pod-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(claim.epoch for claim in claims) == [1, 2, 3, 4]
    newest = max(claims, key=lambda claim: claim.epoch)
    newest.check()
    for claim in claims:
        if claim is not newest:
            with pytest.raises(Preempted):
                claim.check()


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"epoch": "x", "podUid": "p"}'])
def test_what_is_no_claim_is_left_alone(folder: Revision, content: bytes) -> None:
    """The message names the file and the way out."""
    folder.store().put(CLAIM, content)

    with pytest.raises(ObjectStoreUnavailable, match="is not a claim of preftrain; remove it"):
        take_claim(folder.store(), "pod-1", "ConditionalWrites")


def test_a_claim_that_others_keep_taking_is_given_up(folder: Revision) -> None:
    """Nobody waits for ever for a place that others fight for."""
    claim = take_claim(folder.store(), "pod-1", "ConditionalWrites")
    store = Wrapped(folder.store())

    def beaten(key: str, data: bytes, condition: Condition = ANYTHING) -> bool:
        return False

    store.put = beaten

    with pytest.raises(ObjectStoreUnavailable, match="changes hands faster"):
        take_claim(store, "pod-2", "ConditionalWrites")
    with pytest.raises(ObjectStoreUnavailable, match="changes hands faster"):
        Claim(store, claim.epoch, claim.holder).seal("{}")


def test_a_decided_publication_is_not_taken_over(folder: Revision) -> None:
    """Whoever comes meanwhile ends with 75 and finds it with the next attempt."""
    overtaken = take_claim(folder.store(), "pod-1", "ConditionalWrites")
    with pytest.raises(Died):
        attempt(
            DiesAt(folder.store(), MANIFEST), "pod-2", folder.run, results(folder.tmp_path / "2")
        )

    with pytest.raises(Preempted, match="pod-2 has published meanwhile"):
        take_claim(folder.store(), "pod-3", "ConditionalWrites")
    with pytest.raises(Preempted, match="taken over"):
        overtaken.seal("another manifest")


def test_deciding_twice_is_deciding_once(folder: Revision) -> None:
    """The same manifest again is no harm, another one is refused."""
    claim = take_claim(folder.store(), "pod-1", "ConditionalWrites")

    claim.seal("{}")
    claim.seal("{}")

    with pytest.raises(Preempted, match="has published meanwhile"):
        claim.seal("[]")


def test_a_claim_says_what_was_decided(folder: Revision) -> None:
    """The manifest stands in it byte for byte."""
    folder.publish("pod-1")

    found, manifest = read_claim(folder.store()), folder.store().get(MANIFEST)

    assert found is not None
    assert manifest is not None
    assert found[0].manifest == manifest[0].decode()
