"""A job's life from apply to its end, against a real API server and Job controller."""

from __future__ import annotations

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cluster.kubectl import kubectl
from support.kstatus import kstatus
from support.operator_process import USER_AGENT
from support.operator_world import World
from support.training_jobs import ARTIFACT, TRAIN, TRAINED, condition_of, make_spec
from support.waiting import eventually

pytestmark = pytest.mark.integration

MAX_WRITES = 7
MAX_EVENTS = 6


def trio(status: dict[str, object]) -> tuple[str, str, str]:
    """Status of Ready, Reconciling and Stalled."""
    ready, reconciling, stalled = (
        condition_of(status, kind)["status"] for kind in ("Ready", "Reconciling", "Stalled")
    )
    return ready, reconciling, stalled


def test_from_apply_to_a_published_adapter(world: World) -> None:
    """Prepare, then training, then Succeeded, with the conditions right at each step."""
    world.jobs.create("run")
    prepare = world.kubelet.pending("prepare")
    status = world.jobs.status("run")
    assert trio(status) == ("False", "True", "False")
    assert condition_of(status, "DataReady")["reason"] == "Preparing"
    assert status["display"]["state"] == "Preparing"
    world.kubelet.run(prepare)
    world.kubelet.end(prepare, 0, TRAIN)
    pod = world.kubelet.pending("train")
    world.kubelet.run(pod)
    status = world.jobs.wait("run", "Running", reason="Training")
    assert trio(status) == ("False", "True", "False")
    assert status["attempts"][0]["podUid"] == pod["metadata"]["uid"]
    assert status["resolved"]["pins"] == {"modelCommit": "c" * 40}
    world.kubelet.end(pod, 0, TRAINED)
    status = world.jobs.wait("run", "Succeeded", reason="Succeeded")
    assert trio(status) == ("True", "False", "False")
    assert condition_of(status, "Published")["status"] == "True"
    assert status["artifact"] == ARTIFACT
    assert status["display"] == {
        "state": "Succeeded",
        "progress": "10/10 100%",
        "loss": "0.5",
        "node": "test-node",
        "reason": "Succeeded",
    }
    assert {ref["stage"]: bool(ref["uid"]) for ref in status["jobRefs"]} == {
        "Prepare": True,
        "Train": True,
    }


def test_a_life_costs_at_most_seven_writes_and_six_events(world: World) -> None:
    """Events aside, the operator writes at most seven times; measured in the audit log."""
    live_through(world, "run")
    requests = [
        request
        for request in world.server.requests(USER_AGENT, world.namespace)
        if request.is_write
    ]
    writes = [(item.verb, item.resource) for item in requests if item.resource != "events"]
    events = [item for item in requests if item.resource == "events"]
    assert len(writes) <= MAX_WRITES, writes
    assert len(events) <= MAX_EVENTS
    assert all(item.status < 300 for item in requests), requests


def test_without_prepare_five_writes_do(world: World) -> None:
    """dataset.audit.policy Skip leaves the prepare Job out."""
    spec = make_spec(dataset={"uri": "s3://data/pairs", "audit": {"policy": "Skip"}})
    world.jobs.create("run", spec)
    pod = world.kubelet.pending("train")
    world.kubelet.run(pod)
    status = world.jobs.wait("run", "Running")
    assert condition_of(status, "DataReady")["reason"] == "PrepareSkipped"
    world.kubelet.end(pod, 0, {**TRAINED, "gatesJudged": False})
    status = world.jobs.wait("run", "Succeeded", reason="PublishedUnevaluated")
    assert status["display"]["state"] == "PublishedUnevaluated"
    requests = world.server.requests(USER_AGENT, world.namespace)
    writes = [item for item in requests if item.is_write and item.resource != "events"]
    assert len(writes) <= 5, writes


def test_an_existing_adapter_is_adopted(world: World) -> None:
    """Verdict Adopted ends the run well, without a training Job."""
    world.jobs.create("run")
    prepare = world.kubelet.pending("prepare")
    verdict = {"stage": "Prepare", "verdict": "Adopted", "artifact": ARTIFACT}
    world.kubelet.end(world.kubelet.run(prepare), 0, verdict)
    status = world.jobs.wait("run", "Succeeded", reason="AdoptedExistingArtifact")
    assert status["artifact"] == ARTIFACT
    assert [job["metadata"]["name"] for job in world.jobs.jobs()] == ["run-r1-prepare"]


def test_refused_data_fail_the_job_before_a_training_job_exists(world: World) -> None:
    """A refusal of prepare is the job's verdict, with the sentence that prepare gave."""
    world.jobs.create("run")
    prepare = world.kubelet.run(world.kubelet.pending("prepare"))
    report = {"rows": 3, "trainRows": 0, "evalRows": 0}
    refusal = {"stage": "Prepare", "verdict": "Refused", "message": "column chosen is missing"}
    world.kubelet.end(prepare, 65, {**refusal, "dataReport": report})
    status = world.jobs.wait("run", "Failed", reason="DataRefused")
    assert trio(status) == ("False", "False", "True")
    assert condition_of(status, "Stalled")["message"] == "column chosen is missing"
    assert condition_of(status, "DataReady")["status"] == "False"
    assert status["dataReport"]["rows"] == 3
    assert len(world.jobs.jobs()) == 1


def test_progress_reaches_the_columns(world: World) -> None:
    """What the pod answers on /progress appears in status and columns."""
    spec = make_spec(dataset={"uri": "s3://data/pairs", "audit": {"policy": "Skip"}})
    world.jobs.create("run", spec)
    pod = world.kubelet.pending("train")
    progress = {
        "uid": pod["metadata"]["uid"],
        "phase": "Training",
        "step": 420,
        "totalSteps": 1000,
        "etaSeconds": 200,
        "metrics": {"loss": 0.6931, "rewardAccuracy": 0.5},
    }

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name is the library's
            body = json.dumps(progress).encode()
            self.send_response(200 if self.path == "/progress" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    address = "127.0.0.77"
    with ThreadingHTTPServer((address, 8080), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            world.kubelet.run(pod, address)
            world.jobs.wait("run", "Running", reason="Training")
            eventually(lambda: "progress" in world.jobs.status("run"), "progress is shown")
        finally:
            server.shutdown()
            thread.join()
    status = world.jobs.status("run")
    assert status["progress"]["percent"] == 42
    assert status["progress"]["podUid"] == pod["metadata"]["uid"]
    assert status["progress"]["time"]
    assert status["display"]["progress"] == "420/1000 42%"
    assert status["display"]["eta"] == "3m20s"
    assert status["display"]["loss"] == "0.6931"


def test_a_run_revision_is_another_run(world: World) -> None:
    """Raising runRevision after the end runs again, under new names, with the old in history."""
    live_through(world, "run")
    world.jobs.patch("run", {"runRevision": 2, "lora": {"rank": 8}})
    prepare = world.kubelet.pending("prepare", job="run-r2-prepare")
    status = world.jobs.status("run")
    assert status["runRevision"] == 2
    assert "completionTime" not in status
    assert status["history"][0]["succeeded"] is True
    assert status["history"][0]["artifact"] == ARTIFACT
    world.kubelet.end(world.kubelet.run(prepare), 64, "model.uri: no")
    status = world.jobs.wait("run", "Failed", reason="BadSpec")
    assert condition_of(status, "Succeeded")["status"] == "False"
    terminal = [event for event in world.jobs.events("run") if event["type"] == "Warning"]
    assert [event["message"] for event in terminal] == ["model.uri: no"]


def test_kubectl_waits_for_the_run_that_was_asked_for(idle_world: World) -> None:
    """What an earlier revision has reached ends nobody's wait, nor is it current for kstatus."""
    world = idle_world
    world.operator.start()
    live_through(world, "run")
    assert is_waited_for(world, "Succeeded")
    assert kstatus(world.jobs.get("run")) == "Current"
    world.operator.kill()
    world.jobs.patch("run", {"runRevision": 2})
    assert not is_waited_for(world, "Succeeded")
    assert kstatus(world.jobs.get("run")) == "InProgress"
    world.operator.start()
    world.kubelet.pending("prepare", job="run-r2-prepare")
    assert not is_waited_for(world, "Succeeded")
    assert is_waited_for(world, "Succeeded=False")


def is_waited_for(world: World, condition: str) -> bool:
    """Whether `kubectl wait` returns at once."""
    command = [str(kubectl()), "--kubeconfig", str(world.server.kubeconfig)]
    command += ["--namespace", world.namespace, "wait", "ptj/run", "--timeout=1s"]
    done = subprocess.run(
        [*command, f"--for=condition={condition}"], capture_output=True, text=True
    )
    return done.returncode == 0


def test_jobs_are_deleted_when_their_time_is_up(world: World) -> None:
    """The field ttlSecondsAfterFinished deletes the Jobs and keeps the resource."""
    live_through(world, "run")
    world.jobs.patch("run", {"ttlSecondsAfterFinished": 1})
    world.jobs.wait_for_jobs(lambda jobs: not jobs, "the Jobs are gone")
    status = world.jobs.status("run")
    assert condition_of(status, "Succeeded")["status"] == "True"
    assert status["observedGeneration"] == world.jobs.get("run")["metadata"]["generation"]


def live_through(world: World, name: str) -> None:
    """From apply to Succeeded."""
    world.jobs.create(name)
    prepare = world.kubelet.run(world.kubelet.pending("prepare"))
    world.kubelet.end(prepare, 0, TRAIN)
    pod = world.kubelet.run(world.kubelet.pending("train"))
    world.jobs.wait(name, "Running", reason="Training")
    world.kubelet.end(pod, 0, TRAINED)
    world.jobs.wait(name, "Succeeded")
