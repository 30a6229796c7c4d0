"""When a run is saved, what a checkpoint says, and whether a run may go on from it."""

import json
from pathlib import Path
from typing import Any

import pytest

from preftrain_api.exit_codes import ExitCode
from preftrain_api.spec import CheckpointSpec
from preftrain_trainer.checkpoint.attempt import Attempt
from preftrain_trainer.checkpoint.local import (
    TornCheckpoint,
    UnknownForm,
    read_state,
    seal,
    tensors_sha256,
    verify,
)
from preftrain_trainer.checkpoint.resume import Wanted, require_same_run
from preftrain_trainer.checkpoint.rhythm import Rhythm, rhythm_of
from preftrain_trainer.checkpoint.state import ADAPTER, RESUME, STEPS
from preftrain_trainer.errors import TrainerError
from preftrain_trainer.progress.records import StepRecord
from support.checkpoints import KEY, sealed, write

OTHER = f"sha256:{'9' * 64}"


@pytest.mark.parametrize(
    ("spec", "total", "expected"),
    [
        (CheckpointSpec(), 1000, Rhythm(100, 600)),
        (CheckpointSpec(), 25, Rhythm(3, 600)),
        (CheckpointSpec(), 3, Rhythm(1, 600)),
        (CheckpointSpec(every_steps=7), 1000, Rhythm(7, None)),
        (CheckpointSpec(every_seconds=60), 1000, Rhythm(None, 60)),
    ],
)
def test_the_rhythm_follows_the_spec(spec: CheckpointSpec, total: int, expected: Rhythm) -> None:
    """By default a tenth of the run or ten minutes; what is asked for stands alone."""
    assert rhythm_of(spec, total) == expected


@pytest.mark.parametrize(
    ("rhythm", "steps", "seconds", "due"),
    [
        (Rhythm(5, 60), 4, 59, False),
        (Rhythm(5, 60), 5, 0, True),
        (Rhythm(5, 60), 1, 60, True),
        (Rhythm(5, None), 1, 1e9, False),
        (Rhythm(None, 60), 1000, 59, False),
    ],
)
def test_a_save_is_due_by_whichever_comes_first(
    rhythm: Rhythm, steps: int, seconds: float, due: bool
) -> None:
    """Steps or seconds, where both are given."""
    assert rhythm.is_due(steps, seconds) is due


def test_a_sealed_checkpoint_is_whole(tmp_path: Path) -> None:
    """What was written is read back, and every file is as listed."""
    state = sealed(tmp_path / "c", 3)

    assert read_state((tmp_path / "c" / RESUME).read_bytes(), "0.1.0") == state
    verify(tmp_path / "c", state)
    assert {file.path for file in state.files} == {ADAPTER, STEPS}


def test_a_torn_checkpoint_is_noticed(tmp_path: Path) -> None:
    """Missing, cut off, changed: each is said."""
    state = sealed(tmp_path / "c", 3)
    log = tmp_path / "c" / STEPS
    whole = log.read_bytes()
    log.write_bytes(b"x" * len(whole))
    with pytest.raises(TornCheckpoint, match="another SHA-256"):
        verify(tmp_path / "c", state)
    log.write_bytes(whole[:-1])
    with pytest.raises(TornCheckpoint, match="bytes, not"):
        verify(tmp_path / "c", state)
    log.unlink()
    with pytest.raises(TornCheckpoint, match="is missing"):
        verify(tmp_path / "c", state)


def test_tensors_that_are_not_those_saved_are_noticed(tmp_path: Path) -> None:
    """Even if the file is the one that is listed."""
    state = sealed(tmp_path / "c", 3).model_copy(update={"adapter_sha256": "0" * 64})
    with pytest.raises(TornCheckpoint, match="other tensors"):
        verify(tmp_path / "c", state)


def test_a_file_outside_of_the_folder_is_refused(tmp_path: Path) -> None:
    """A list of files is data that others may have written."""
    state = sealed(tmp_path / "c", 3)
    (tmp_path / "evil").write_text("x")
    file = state.files[0].model_copy(update={"path": "../evil"})
    with pytest.raises(TornCheckpoint, match="no plain name"):
        verify(tmp_path / "c", state.model_copy(update={"files": (file,)}))


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"step": "many"}'])
def test_a_damaged_description_is_torn(content: bytes) -> None:
    """Whatever stands there."""
    with pytest.raises(TornCheckpoint, match=RESUME):
        read_state(content, "0.1.0")


@pytest.mark.parametrize(
    ("writer", "changes"),
    [
        ("0.2.0", {"apiVersion": "checkpoint.preftrain.dev/v1beta1"}),
        ("0.2.0", {"brandNew": 1}),
        ("0.2.0", {"examples": "many"}),
        ("0.1.0", {"brandNew": 1}),
    ],
)
def test_a_form_of_another_release_is_not_called_damaged(
    tmp_path: Path, writer: str, changes: dict[str, Any]
) -> None:
    """It is whole: another version, a field that is not known here, a value of another type."""
    state = sealed(tmp_path / "c", 3, versions={"preftrain": writer})
    plain = json.loads(state.model_dump_json(by_alias=True)) | changes

    with pytest.raises(UnknownForm) as unknown:
        read_state(json.dumps(plain).encode(), "0.1.0")

    assert (unknown.value.form, unknown.value.writer) == (plain["apiVersion"], writer)


def test_a_wrong_value_of_this_release_is_damage(tmp_path: Path) -> None:
    """Nobody else can have written it."""
    state = sealed(tmp_path / "c", 3, versions={"preftrain": "0.1.0"})
    plain = json.loads(state.model_dump_json(by_alias=True)) | {"examples": "many"}

    with pytest.raises(TornCheckpoint, match="examples"):
        read_state(json.dumps(plain).encode(), "0.1.0")


def test_the_digest_of_tensors_depends_on_names_shapes_and_values() -> None:
    """And not on their order."""
    import numpy as np

    a, b = np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)
    digest = tensors_sha256({"a": a, "b": b})
    assert digest == tensors_sha256({"b": b, "a": a})
    assert digest != tensors_sha256({"a": b, "b": a})
    assert digest != tensors_sha256({"a": a.reshape(3, 2), "b": b})
    assert digest != tensors_sha256({"a": a.astype(np.float64), "b": b})


def wanted(**changes: Any) -> Wanted:
    values: dict[str, Any] = {
        "spec_hash": KEY.spec_hash,
        "data_digest": KEY.data_digest,
        "precision": "FP32",
        "micro_batch_size": None,
    }
    return Wanted(**values | changes)


def test_the_same_run_may_go_on(tmp_path: Path) -> None:
    """Auto takes over the micro-batch, an equal number is equal."""
    state = sealed(tmp_path / "c", 3)
    require_same_run(state, "s3://b/step-3", wanted())
    require_same_run(state, "s3://b/step-3", wanted(micro_batch_size=2))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"spec_hash": OTHER}, "belongs to a run with another spec; raise runRevision"),
        ({"data_digest": OTHER}, "other data than dataset.uri has; raise runRevision"),
        ({"micro_batch_size": 4}, "training.microBatchSize 2, not 4"),
        ({"precision": "BF16"}, "made in FP32, but training.precision is BF16"),
    ],
)
def test_another_run_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    """With 64, the place, what differs, and the way out."""
    state = sealed(tmp_path / "c", 3)
    with pytest.raises(TrainerError, match=says) as refused:
        require_same_run(state, "s3://b/step-3", wanted(**changes))
    assert refused.value.exit_code == ExitCode.BAD_SPEC
    assert str(refused.value).startswith("s3://b/step-3 ")


def attempt(**changes: Any) -> Attempt:
    values: dict[str, Any] = {
        "key": KEY,
        "number": 2,
        "pod_uid": "pod-2",
        "started": 100.0,
        "holds_gpu": True,
        "versions": {},
        "environment": {},
    }
    return Attempt(**values | changes)


def test_attempts_and_gpu_seconds_add_up(tmp_path: Path) -> None:
    """This attempt begins where the checkpoint is, and counts on."""
    before = sealed(tmp_path / "c", 30, gpu_seconds=50.0)
    this = attempt(resumed=before)

    records = this.records(40, now=107.0)

    assert [(r.number, r.pod_uid, r.start_step, r.end_step) for r in records] == [
        (1, "pod-1", 0, 30),
        (2, "pod-2", 30, 40),
    ]
    assert records[-1].seconds == 7.0
    assert this.gpu_seconds(107.0) == 57.0
    assert attempt().start_step == 0
    assert attempt(holds_gpu=False).gpu_seconds(107.0) == 0.0


def test_the_history_of_attempts_is_bounded(tmp_path: Path) -> None:
    """The oldest are forgotten, and the file stays readable."""
    first = sealed(tmp_path / "c", 1)
    many = first.model_copy(update={"attempts": first.attempts * 256})
    records = attempt(resumed=many).records(2, now=101.0)
    assert len(records) == 256
    assert records[-1].pod_uid == "pod-2"
    again = write(tmp_path / "d", 2, attempts=records)
    seal(again.folder, again.describe)


def test_a_record_survives_the_checkpoint() -> None:
    """Figures that another release adds are left out."""
    record = StepRecord(step=3, loss=0.25, grad_norm=1.5)
    assert StepRecord.of_plain({**record.plain(), "brand_new": 1.0}) == record
