"""The report on the data is left before anyone holds the claim, and never over a holder's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from preftrain_trainer.audit.judge import RefusedData
from preftrain_trainer.errors import DataRefused, ObjectStoreUnavailable
from preftrain_trainer.prepare import prepare
from preftrain_trainer.publishing.beforehand import leave_unclaimed
from preftrain_trainer.publishing.claim import CLAIM, take_claim
from preftrain_trainer.publishing.publish import MANIFEST, PlaceTaken
from preftrain_trainer.stop import StopRequest
from support.publication import results, send, visible
from support.result_place import Revision
from support.trainer_cases import run_spec, text_rows, write_model, write_rows

pytestmark = pytest.mark.integration

KEY = "report/data_report.json"


def content(revision: Revision) -> bytes:
    found = revision.store().get(KEY)
    assert found is not None
    return found[0]


def test_a_later_look_replaces_an_earlier_one(revision: Revision) -> None:
    """Nobody has begun: the newest report is the one to read."""
    store = revision.store()
    for text in (b"first", b"second"):
        assert leave_unclaimed(store, "ConditionalWrites", {KEY: text}) is None
        assert content(revision) == text


def test_a_claimed_place_is_left_alone(revision: Revision) -> None:
    """A prepare pod that comes back late finds a training pod at work."""
    store = revision.store()
    leave_unclaimed(store, "ConditionalWrites", {KEY: b"what is trained on"})
    take_claim(store, "training", "ConditionalWrites")

    taken = leave_unclaimed(store, "ConditionalWrites", {KEY: b"late"})

    assert taken == store.url(CLAIM)
    assert content(revision) == b"what is trained on"


def test_what_is_published_stays_as_its_manifest_lists_it(revision: Revision) -> None:
    """Also where nothing tells of a claim any more."""
    store = revision.store()
    folders = results(revision.tmp_path / "results")
    (folders["report"] / "data_report.json").write_bytes(b"published")
    claim = take_claim(store, "training", "ConditionalWrites")
    send(store, claim, revision.run, folders)
    store.delete(CLAIM)

    taken = leave_unclaimed(store, "ConditionalWrites", {KEY: b"of other data"})

    assert taken == store.url(MANIFEST)
    assert visible(store) is not None


@dataclass(frozen=True, slots=True)
class Stalled:
    """A store as a pod sees it that stalls right before its first write."""

    store: Any
    meanwhile: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def put(self, *given: Any) -> bool:
        self.meanwhile()
        done: bool = self.store.put(*given)
        return done


@pytest.mark.parametrize("before", [None, b"of an earlier prepare pod"])
def test_a_pod_that_stalls_behind_its_look_writes_nothing(
    revision: Revision, before: bytes | None
) -> None:
    """Whoever takes the claim meanwhile writes something else than what was seen."""
    store = revision.store()
    if before is not None:
        store.put(KEY, before)

    def trained() -> None:
        folders = results(revision.tmp_path / "results")
        (folders["report"] / "data_report.json").write_bytes(b"published")
        send(store, take_claim(store, "training", "ConditionalWrites"), revision.run, folders)

    leave_unclaimed(Stalled(store, trained), "ConditionalWrites", {KEY: b"late"})

    assert content(revision) == b"published"
    assert visible(store) is not None


def test_a_store_without_conditions_takes_the_report_too(revision: Revision) -> None:
    """The look is all that there is."""
    store = revision.store()
    for text in (b"first", b"second"):
        leave_unclaimed(store, "None", {KEY: text})
    assert content(revision) == text


@pytest.mark.parametrize("error", [ObjectStoreUnavailable("503"), OSError("503")])
def test_refused_data_stay_refused_where_their_report_is_lost(
    revision: Revision, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Another try would find the same data; what could not be left is said."""
    root = revision.tmp_path
    write_model(root / "model")
    write_rows(root / "data.jsonl", [{"prompt": "q", "chosen": "same", "rejected": "same"}] * 90)
    run = run_spec(root, output=revision.place.output)

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("preftrain_trainer.prepare.leave_unclaimed", fails)
    with pytest.raises(RefusedData, match="could not be left in the output: 503") as refusal:
        prepare(run, replace(revision.workspace(), base=root), StopRequest())

    assert "90 of 90" in str(refusal.value)
    assert refusal.value.report.rows == 90


@pytest.mark.parametrize("usable", [True, False])
def test_a_job_of_the_same_name_with_other_data_spoils_no_adapter(
    revision: Revision, usable: bool
) -> None:
    """Its report would be another than the one that the manifest lists."""
    root = revision.tmp_path
    write_model(root / "model")
    data = write_rows(root / "data.jsonl", text_rows(200))
    run = run_spec(root, output=revision.place.output)
    folders = replace(revision.workspace(), base=root)
    prepared = prepare(run, folders, StopRequest())
    published = {**results(root / "results"), "report": folders.report}
    claim = take_claim(revision.store(), "training", prepared.fencing)
    send(revision.store(), claim, run, published, spec_hash=prepared.spec_hash)
    assert visible(revision.store()) is not None
    same = [{"prompt": "q", "chosen": "same", "rejected": "same"}] * 90
    write_rows(data, text_rows(220) + ([] if usable else same))

    look = replace(revision.workspace("again"), base=root)
    kind, says = (PlaceTaken, "raise runRevision") if usable else (DataRefused, "90 of 310")
    with pytest.raises(kind, match=says):
        prepare(run, look, StopRequest())

    assert visible(revision.store()) is not None
