"""What crosses process boundaries: results, status, run spec, numbers, and the public names."""

from __future__ import annotations

import importlib
import json
import pkgutil
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import preftrain_api
from preftrain_api.as_stored import as_stored, stored_number
from preftrain_api.exit_codes import ExitCode
from preftrain_api.reading import read_spec
from preftrain_api.reasons import REASON_OF_EXIT_CODE, Reason
from preftrain_api.report import Artifact, DataReport, Evaluation, Finding, Metrics, Pins
from preftrain_api.resolve import LEARNING_RATE, TARGET_MODULES, resolve
from preftrain_api.result import MAX_RESULT_BYTES, PrepareResult, TrainResult, fits
from preftrain_api.run_spec import RunIdentity, RunSpec
from preftrain_api.spec import CheckpointSpec, PreferenceTrainingJobSpec
from preftrain_api.status import PreferenceTrainingJobStatus
from support.spec_cases import CASES, FULL, MINIMAL

DIGEST = "sha256:" + "f" * 64
FINDING = Finding(name="x" * 253, severity="Warning", message="m" * 1024, count=2**53 - 1)
REPORT = DataReport(rows=1, train_rows=1, eval_rows=0, findings=(FINDING,) * 16)
PLACE = "s3://" + "b" * 1200
ARTIFACT = Artifact(uri=PLACE, digest=DIGEST, manifest=f"{PLACE}/manifest.json")
"""Longer than what the longest output, namespace and name make."""


@pytest.mark.parametrize("case", [case for case in CASES if not case.refused], ids=lambda c: c.name)
def test_resolving_twice_changes_nothing(case: Any) -> None:
    """What is written out once has no default left."""
    once = resolve(read_spec(case.spec()))
    assert resolve(once) == once


def test_resolving_fills_in_what_a_method_needs() -> None:
    """The least manifest trains with the documented settings."""
    spec = resolve(read_spec(MINIMAL)).plain()
    assert spec["training"]["learningRate"] == LEARNING_RATE["DPO"]
    assert spec["training"]["epochs"] == 1
    assert spec["lora"]["targetModules"] == list(TARGET_MODULES)
    assert spec["method"]["dpo"]["losses"] == [{"type": "Sigmoid", "weight": 1}]
    assert spec["dataset"]["evalFraction"] == 0.05
    assert spec["checkpoint"]["uri"] == MINIMAL["output"]["uri"]


def test_resolving_keeps_what_was_written() -> None:
    """No default replaces a user's value."""
    assert resolve(read_spec(FULL)) == read_spec(FULL)


def test_a_spec_cannot_be_changed_in_place() -> None:
    """What was validated stays as it is."""
    spec = read_spec(MINIMAL)
    with pytest.raises(ValidationError, match="frozen"):
        spec.suspend = True  # type: ignore[misc]


def test_a_run_spec_survives_the_way_to_the_pod() -> None:
    """It is written as JSON into an annotation and read back from a file."""
    identity = RunIdentity(namespace="n", name="x", uid="u", revision=1, attempt=1)
    run = RunSpec(identity=identity, stage="Train", spec=resolve(read_spec(FULL)))
    assert RunSpec.model_validate_json(json.dumps(run.plain())) == run
    assert RunSpec.parse(run.plain()) == run


@pytest.mark.parametrize(
    "result",
    [
        TrainResult(message="x" * 1024, findings=(FINDING,) * 8, metrics=Metrics(loss=0.1)),
        TrainResult(message="é" * 1024, artifact=ARTIFACT, findings=(FINDING,) * 8),
        PrepareResult(verdict="Refused", message="x" * 1024, data_report=REPORT),
        PrepareResult(verdict="Adopted", artifact=ARTIFACT, data_report=REPORT, spec_hash=DIGEST),
        TrainResult(),
    ],
    ids=["findings", "wide characters", "data report", "adopted", "empty"],
)
def test_a_result_fits_a_termination_message(result: TrainResult | PrepareResult) -> None:
    """The kubelet cuts at 4096 bytes, and half a JSON document says nothing."""
    text = fits(result)
    assert len(text) <= MAX_RESULT_BYTES
    read = type(result).model_validate_json(text)
    assert result.message.startswith(read.message)


def test_a_result_with_everything_at_its_bound_fits() -> None:
    """Whatever a run can have to say can be reported; the judgement is never dropped."""
    wide = "\N{GRINNING FACE}"
    result = TrainResult(
        message=wide * 1024,
        artifact=ARTIFACT,
        findings=(Finding(name=wide * 253, severity="Error", message=wide * 1024),) * 8,
        data_report=DataReport(
            rows=1,
            train_rows=1,
            eval_rows=1,
            findings=(Finding(name="n", severity="Info", message=wide * 1024),) * 16,
        ),
        evaluation=Evaluation(
            pairs=1, reward_accuracy=1, accuracy_low=0, accuracy_high=1, reward_margin=1
        ),
        resolved={f"k{number}": wide * 1024 for number in range(32)},
    )
    text = fits(result)
    assert len(text) <= MAX_RESULT_BYTES
    assert TrainResult.model_validate_json(text).evaluation == result.evaluation


def test_a_result_that_no_spec_allows_is_an_error_of_ours() -> None:
    """Whatever is left out, what decides about the run stays."""
    artifact = ARTIFACT.model_copy(update={"uri": "s3://" + "x" * MAX_RESULT_BYTES})
    for result in (PrepareResult(verdict="Adopted"), TrainResult()):
        with pytest.raises(ValueError, match="does not fit a termination message"):
            fits(result.model_copy(update={"artifact": artifact}))


def test_a_place_that_is_null_is_none() -> None:
    """As if it were left out: the output's is taken."""
    assert CheckpointSpec(uri=None) == CheckpointSpec()


def test_status_ignores_what_a_newer_operator_wrote() -> None:
    """At every depth; an older operator must be able to go on."""
    raw = {
        "observedGeneration": 3,
        "future": 1,
        "attempts": [{"number": 1, "job": "j", "future": {}}],
        "conditions": [],
        "progress": {"phase": "Dreaming", "step": 5, "future": []},
        "startTime": None,
    }
    status = PreferenceTrainingJobStatus.parse(raw)
    assert status.attempts[0].job == "j"
    assert status.progress is not None
    assert status.progress.step == 5
    assert status.start_time is None


def test_status_survives_the_way_through_the_api_server() -> None:
    """Written as plain JSON, read back equal, without nulls."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    status = PreferenceTrainingJobStatus(
        observed_generation=1, start_time=now, data_report=REPORT, artifact=ARTIFACT, gpu_seconds=2
    )
    plain = status.plain()
    assert "null" not in json.dumps(plain)
    assert PreferenceTrainingJobStatus.parse(json.loads(json.dumps(plain))) == status


def test_every_failure_of_the_trainer_has_a_reason() -> None:
    """No exit code is left without an explanation, and no two reasons are the same."""
    assert set(REASON_OF_EXIT_CODE) == set(ExitCode) - {ExitCode.DONE}
    assert len({reason.value for reason in Reason}) == len(list(Reason))
    assert all(reason.text.endswith(".") for reason in Reason)


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_keep_their_value_and_settle(number: float) -> None:
    """Storing a stored number changes nothing; whole ones within 64 bits are integers."""
    stored = stored_number(number)
    assert stored_number(stored) == stored
    assert type(stored_number(stored)) is type(stored)
    if isinstance(number, float) and number.is_integer() and abs(number) < 2**53:
        assert isinstance(stored, int)
    if isinstance(number, float):
        assert float(stored) == number


def test_nulls_disappear_from_known_fields_and_maps_only() -> None:
    """Unknown fields, lists and parts without a schema keep them, as on an API server."""
    raw = {
        "lora": None,
        "unknown": None,
        "training": {"maxSteps": None, "foo": None},
        "compute": {"podLabels": {"a": None, "b": "c"}, "affinity": {"x": None}},
        "method": {"dpo": {"losses": [None, {"weight": None}]}},
    }
    assert as_stored(raw, PreferenceTrainingJobSpec) == {
        "unknown": None,
        "training": {"foo": None},
        "compute": {"podLabels": {"b": "c"}, "affinity": {"x": None}},
        "method": {"dpo": {"losses": [None, {}]}},
    }


def test_importing_the_contract_needs_neither_side() -> None:
    """Pods without Kubernetes client and operators without torch both import it."""
    names = [info.name for info in pkgutil.walk_packages(preftrain_api.__path__, "preftrain_api.")]
    for name in names:
        if not name.endswith("__main__"):
            importlib.import_module(name)
    assert "preftrain_api.reading" in names


@pytest.mark.parametrize("package", ["preftrain_api.spec", "preftrain_api.crd"])
def test_public_names_exist_and_are_sorted(package: str) -> None:
    """What `__all__` promises can be imported."""
    module = importlib.import_module(package)
    assert all(hasattr(module, name) for name in module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)


def test_pins_are_left_out_while_unknown() -> None:
    """Absent is absent, never null."""
    assert Pins().plain() == {}
