"""What is made of words from pods, newer operators and newer schemas."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftrain_api.exit_codes import ExitCode
from preftrain_api.result import PrepareResult, TrainResult
from preftrain_api.status import PreferenceTrainingJobStatus
from preftrain_operator.core.display import duration, steps
from preftrain_operator.core.observed import view_pod
from preftrain_operator.core.reading import read_leniently
from preftrain_operator.core.verdict import ending_of, result_of
from support.situations import make_child, make_pod, plan_for, running
from support.training_jobs import TRAIN, TRAINED

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def ended(exit_code: int, message: str) -> Any:
    """The view of a pod that ended so."""
    return view_pod(make_pod(make_child(), exit_code=exit_code, message=message))


def test_a_status_of_a_newer_operator_is_read_as_far_as_it_is_understood() -> None:
    """Unknown fields and values are passed over; the rest is kept."""
    job, _, _ = running()
    status = json.loads(json.dumps(job["status"]))
    status["sparkle"] = {"a": 1}
    status["attempts"][0]["glitter"] = True
    status["jobRefs"].append({"stage": "Polish", "name": "run-r1-polish"})
    status["resolved"] = {"fencing": "Quantum", "specHash": None}
    read = read_leniently(PreferenceTrainingJobStatus, status)
    assert read is not None
    assert [entry.pod_uid for entry in read.attempts] == ["pod-1"]
    assert [ref.name for ref in read.job_refs] == ["run-r1-1"]
    assert read.resolved is not None
    assert read.resolved.fencing is None


def test_what_is_written_is_read_back() -> None:
    """Otherwise every look would find a difference to write."""
    job, _, _ = running()
    read = read_leniently(PreferenceTrainingJobStatus, job["status"])
    assert read is not None
    assert read.plain() == job["status"]


@pytest.mark.fault(37)
@pytest.mark.case(30)
@given(JSON)
def test_no_status_breaks_the_reader(raw: Any) -> None:
    """Whatever somebody wrote into the status by hand; what is read can be written again."""
    status = read_leniently(PreferenceTrainingJobStatus, raw)
    assert status is None or read_leniently(PreferenceTrainingJobStatus, status.plain()) == status


@pytest.mark.fault(33, 39)
@given(JSON, st.sampled_from(list(ExitCode)))
def test_no_message_breaks_the_verdict(raw: Any, code: ExitCode) -> None:
    """The exit code decides; what is said can only add words."""
    for text in (json.dumps(raw), json.dumps({**TRAINED, "metrics": raw}), str(raw)):
        pod = ended(int(code), text)
        assert ending_of(pod).exit_code == code
        result_of(pod, TrainResult)
        result_of(pod, PrepareResult)


def test_results_are_read_without_what_is_not_understood() -> None:
    """A newer trainer image says more."""
    result = result_of(ended(0, json.dumps({**TRAINED, "sparkle": 1})), TrainResult)
    assert result is not None
    assert result.step == 10


@pytest.mark.parametrize("text", ["", "no json", "[1]", json.dumps(TRAIN), "[" * 4000, "x" * 5000])
def test_other_messages_are_no_result(text: str) -> None:
    """Neither nonsense, nor the result of another stage, nor too long ones."""
    assert result_of(ended(0, text), TrainResult) is None


@pytest.mark.parametrize(
    ("exit_code", "reason", "log", "message"),
    [
        (
            1,
            "InternalError",
            "Traceback:\nImportError: no module named x\n",
            "ImportError: no module",
        ),
        (139, "Killed", "loading weights\nFatal Python error: Segmentation fault", "Fatal Python"),
        (137, "OOMKilled", "step 3 of 10\nstep 4 of 10", "The node's memory limit was exceeded"),
    ],
    ids=["import-error", "crash", "out-of-memory"],
)
def test_the_end_of_the_log_is_kept_where_the_process_said_nothing(
    exit_code: int, reason: str, log: str, message: str
) -> None:
    """The kubelet hands it over; its last line tells most, unless Kubernetes knows better."""
    killed_by = "OOMKilled" if reason == "OOMKilled" else "Error"
    job, child, _ = running()
    pod = make_pod(child, exit_code=exit_code, message=log, reason=killed_by)
    plan = plan_for(job, child, pods=(pod,))
    assert plan.status is not None
    (entry,) = plan.status.attempts
    assert (entry.exit_code, entry.reason) == (exit_code, reason)
    assert (entry.message or "").startswith(message)
    assert entry.log_tail == log.strip()


def test_what_a_process_said_itself_needs_no_log() -> None:
    """A result is a sentence of the trainer's own."""
    ending = ending_of(ended(70, json.dumps({**TRAINED, "message": "out of luck"})))
    assert (ending.message, ending.log_tail) == ("out of luck", "")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (59.6, "1m0s"), (200, "3m20s"), (3700, "1h1m"), (90_000, "1d1h"), (-5, "0s")],
)
def test_durations_are_shown_in_two_units(seconds: float, shown: str) -> None:
    """As in the ETA column."""
    assert duration(seconds) == shown


def test_steps_are_shown_with_their_share() -> None:
    """As in the Progress column; nothing while the total is unknown."""
    assert steps(420, 1000) == "420/1000 42%"
    assert steps(3, 0) is None
