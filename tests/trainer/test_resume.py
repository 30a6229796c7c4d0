"""Trainers that are struck by real signals and go on in a new process.

`support.kill_matrix` has more moments than these; `make test-resume` goes through all of them.
"""

import json
import os
import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from preftrain_api.exit_codes import ExitCode
from preftrain_trainer.checkpoint.local import tensors_sha256
from support.kill_matrix import CHOSEN, problems
from support.moments import Moment
from support.struck_runs import METHODS, STEPS, Outcome, Pod, make_inputs, play
from support.trainer_cases import job
from support.trainer_zygote import TrainerZygote
from support.waiting import eventually

pytestmark = pytest.mark.trainer

DPO = METHODS["DPO"]
PATIENCE = {
    "evaluation": {"everySteps": 2, "earlyStopping": {"patience": 2, "minDelta": 1000.0}},
}
"""No evaluation ever improves by so much, so training ends after the third."""
HARMFUL = {
    "training": {"learningRate": 0.05},
    "evaluation": {
        "everySteps": 2,
        "earlyStopping": {"metric": "ChosenLogRatio", "patience": 100},
    },
}
"""At this rate the chosen answers only lose likelihood, so the first evaluation is the best."""


class Stage:
    """Pods of tests, below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inputs = make_inputs(root / "inputs")
        self.zygote = TrainerZygote(self.inputs / "cache", root / "zygote.log")
        self.whole = cache(self._whole)
        self._pods = 0

    def pod(self) -> Pod:
        self._pods += 1
        return Pod(self.root / f"run-{self._pods}", self.zygote, self.inputs)

    def _whole(self, method: str) -> Outcome:
        return play(self.pod(), METHODS[method])


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("resume"))
    yield stage
    stage.zygote.close()


@pytest.mark.parametrize("moment", CHOSEN, ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_a_struck_run_ends_in_the_same_adapter(stage: Stage, method: str, moment: Moment) -> None:
    """Bit for bit, and its log has every step once."""
    whole = stage.whole(method)
    outcome = play(stage.pod(), METHODS[method], moment)

    assert list(problems(outcome, whole, moment)) == []
    assert [step["step"] for step in outcome.steps] == list(range(1, STEPS + 1))
    attempts = outcome.manifest["attempts"]
    assert len(attempts) == 2
    assert attempts[1]["startStep"] == attempts[0]["endStep"] > 0
    assert attempts[1]["endStep"] == STEPS


def test_an_attempt_that_was_asked_to_end_says_how_far_it_came(stage: Stage) -> None:
    """Step, saved step, and where the next one began."""
    pod = stage.pod()
    assert pod.run(DPO, Moment("TERM", "accumulating", 8)) == ExitCode.PREEMPTED
    assert pod.run(DPO, Moment("TERM", "accumulating", 2)) == ExitCode.PREEMPTED
    assert pod.run(DPO) == ExitCode.DONE

    first, second, last = (pod.result(attempt) for attempt in (1, 2, 3))

    assert "which is saved; the next attempt goes on from there" in first.message
    assert (first.start_step, first.step, first.checkpoint_step) == (0, 2, 2)
    # Nothing new was done, so nothing was saved again.
    assert (second.start_step, second.step, second.checkpoint_step) == (2, 2, 2)
    assert (last.start_step, last.step, last.checkpoint_step) == (2, STEPS, STEPS)
    assert pod.published()[0] == stage.whole("DPO").adapter


def test_a_request_during_publishing_waits_for_its_end(stage: Stage) -> None:
    """What is left takes less time than the pod is given."""
    pod = stage.pod()
    assert pod.run(DPO, Moment("TERM", "exporting")) == ExitCode.DONE
    assert pod.published()[0] == stage.whole("DPO").adapter


def test_a_request_while_references_are_computed_ends_with_75(stage: Stage) -> None:
    """The pass goes over all examples and takes a while; nothing is trained by then."""
    members = {"training": {"precomputeReference": True}}
    pod = stage.pod()
    assert pod.run(members, Moment("TERM", "evaluating", 2)) == ExitCode.PREEMPTED
    assert pod.run(members) == ExitCode.DONE

    assert (pod.result(1).step, pod.result(1).total_steps) == (0, STEPS)
    assert pod.published()[1]["steps"] == STEPS


def test_a_run_that_stopped_early_stays_ended(stage: Stage) -> None:
    """Patience survives a resume, and a finished training is not gone on with."""
    whole = play(stage.pod(), PATIENCE)
    assert whole.manifest["steps"] == 6
    for moment in (Moment("TERM", "accumulating", 14), Moment("KILL", "exporting")):
        outcome = play(stage.pod(), PATIENCE, moment)
        assert outcome.codes[0] != ExitCode.DONE
        assert list(problems(outcome, whole, moment)) == []
        assert outcome.manifest["steps"] == 6
        assert {finding["name"] for finding in outcome.manifest["findings"]} >= {"EarlyStopping"}


def test_a_run_that_was_stopped_in_its_last_evaluation_trains_no_step_more(stage: Stage) -> None:
    """The next attempt makes the evaluation, finds that patience has run out, and ends there."""
    members = PATIENCE | {"training": {"microBatchSize": 8, "batchSize": 8}}
    whole = play(stage.pod(), members)
    assert whole.manifest["steps"] == 6
    pod = stage.pod()
    assert pod.run(members, Moment("TERM", "logged", 6)) == ExitCode.PREEMPTED
    where = pod.output / "checkpoints" / "step-6" / "resume.json"
    assert json.loads(where.read_text())["selection"]["evaluatedStep"] == 4

    assert pod.run(members) == ExitCode.DONE

    adapter, manifest = pod.published()
    assert (adapter, manifest["steps"]) == (whole.adapter, 6)
    assert manifest["adapterStep"] == whole.manifest["adapterStep"]
    assert pod.logged("evaluations.jsonl") == whole.evaluations


def test_the_best_evaluated_adapter_is_published(stage: Stage) -> None:
    """Though it was found by an attempt that is gone; manifest and findings say which it is."""
    pod = stage.pod()
    assert pod.run(HARMFUL, Moment("TERM", "logged", 2)) == ExitCode.PREEMPTED
    saved = json.loads((pod.output / "checkpoints" / "step-2" / "resume.json").read_text())
    assert pod.run(HARMFUL, Moment("TERM", "logged", 3)) == ExitCode.PREEMPTED
    assert pod.run(HARMFUL) == ExitCode.DONE

    _, manifest = pod.published()
    assert (manifest["steps"], manifest["adapterStep"]) == (STEPS, 2)
    (finding,) = (f for f in manifest["findings"] if f["name"] == "BestAdapter")
    assert "the adapter of step 2 is the result" in finding["message"]
    published = load_file(pod.output / "adapter" / "adapter_model.safetensors")
    assert tensors_sha256(published) == saved["adapterSha256"]


def test_another_run_in_the_same_place_is_refused(stage: Stage) -> None:
    """Before anything is loaded, with the way out."""
    pod = stage.pod()
    assert pod.run(DPO, Moment("TERM", "logged", 2)) == ExitCode.PREEMPTED

    assert pod.run({"training": {"learningRate": 2e-3}}) == ExitCode.BAD_SPEC

    assert "belongs to a run with another spec; raise runRevision" in pod.result(2).message
    assert "LoadingModel" not in pod.log(2).read_text()


def test_a_lost_adapter_is_noticed(stage: Stage) -> None:
    """As if the library had loaded nothing: the run ends, and does not train on."""
    pod = stage.pod()
    assert pod.run(DPO, Moment("TERM", "logged", 3)) == ExitCode.PREEMPTED

    assert pod.run(DPO, Moment("LOSE", "adapter")) == ExitCode.INTERNAL

    assert "the adapter of step 3 was not restored" in pod.result(2).message


def test_an_older_trainer_that_was_cut_off_changes_nothing(stage: Stage) -> None:
    """It freezes, another one takes over and publishes, it thaws: the results stay as they are."""
    pod = stage.pod()
    old = pod.start(DPO, Moment("STOP", "logged", 3))
    eventually(lambda: _is_stopped(old), "the older trainer froze")
    assert pod.run(DPO) == ExitCode.DONE
    before = _files(pod.output)

    os.kill(old, signal.SIGCONT)

    assert pod.wait(old) == ExitCode.PREEMPTED
    assert "was taken over by a later pod" in pod.result(1).message
    assert _files(pod.output) == before


def test_a_workstation_run_goes_on_after_an_interrupt(stage: Stage, tmp_path: Path) -> None:
    """The same command again, once ^C has ended it."""
    (tmp_path / "model").symlink_to(stage.inputs / "model")
    (tmp_path / "data.jsonl").symlink_to(stage.inputs / "dataset" / "pairs.jsonl")
    manifest = job(tmp_path, training={"maxLength": 128, "maxSteps": 6})
    (tmp_path / "job.json").write_text(json.dumps(manifest))
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path / "home")}
    pod = stage.pod()
    command = ["run", str(tmp_path / "job.json")]

    pod.attempt = 1
    assert pod.wait(pod.command(command, env, Moment("INT", "logged", 4))) == ExitCode.PREEMPTED
    pod.attempt = 2
    assert pod.wait(pod.command(command, env)) == ExitCode.DONE

    assert "going on after step 4, from file://" in pod.log(2).read_text()
    published = tmp_path / "out" / "local" / "tiny" / "r1"
    assert json.loads((published / "manifest.json").read_text())["steps"] == 6
    assert len((published / "report" / "metrics.jsonl").read_text().splitlines()) == 6


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _files(folder: Path) -> dict[str, Any]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
