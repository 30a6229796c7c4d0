"""A queue decides when a training Job runs: Kueue's contract, by the Job's own fields.

Kueue itself is not run; the tests write what it writes. The generation of a Job counts changes of
its spec, whoever makes them: as it only counts Kueue's, the operator has changed nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from preftrain_api.kubernetes_yaml import load_manifest
from support.kueue import FLAVOR, LABEL, Kueue
from support.operator_world import World
from support.training_jobs import TRAIN, TRAINED, Json, condition_of, make_spec

pytestmark = pytest.mark.integration

EXAMPLE = Path(__file__).parents[3] / "examples" / "queued.yaml"
SKIP = {"uri": "s3://data/pairs", "audit": {"policy": "Skip"}}
COMPUTE = {"accelerator": "CPU", "queueName": "gpus"}


def queued(world: World, **members: object) -> Json:
    """Apply a job with a queue, and wait for its training Job."""
    world.jobs.create("run", make_spec(dataset=SKIP, compute=COMPUTE, **members))
    (job,) = world.jobs.wait_for_jobs(lambda jobs: len(jobs) == 1, "the Job is there")
    return job


def job_named(world: World, name: str) -> Json:
    return next(job for job in world.jobs.jobs() if job["metadata"]["name"] == name)


def test_it_is_created_suspended_and_waits_for_its_queue(world: World) -> None:
    """With the queue's label on the Job, and without a pod; the status says what it waits for."""
    job = queued(world)

    assert job["spec"]["suspend"] is True
    assert job["metadata"]["labels"][LABEL] == "gpus"
    assert LABEL not in job["spec"]["template"]["metadata"]["labels"]
    status = world.jobs.wait("run", "Running", "False", "Queued")
    assert status["display"]["state"] == "Queued"
    assert condition_of(status, "Suspended")["status"] == "False"
    assert condition_of(status, "Reconciling")["status"] == "True"
    assert world.kubelet.pods() == []


def test_prepare_is_not_queued(world: World) -> None:
    """The example's: it needs no GPU, and bad data need not wait to be refused."""
    world.jobs.create("queued", load_manifest(EXAMPLE.read_text())["spec"])
    pod = world.kubelet.run(world.kubelet.pending("prepare"))
    assert LABEL not in job_named(world, "queued-r1-prepare")["metadata"]["labels"]

    world.kubelet.end(pod, 0, TRAIN)

    world.jobs.wait("queued", "Running", "False", "Queued")
    job = job_named(world, "queued-r1-1")
    assert job["spec"]["suspend"] is True
    assert job["metadata"]["labels"][LABEL] == "gpus"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] in (1, "1")


def test_admitted_evicted_and_admitted_again_it_is_one_job(world: World) -> None:
    """Shown as Training, Queued and Training, uncounted with maxRetries 0; what the queue writes
    stays as it was written.
    """
    kueue = Kueue(world.jobs)
    created = queued(world, maxRetries=0)
    world.jobs.wait("run", "Running", "False", "Queued")
    writes = 0

    for _ in range(2):
        kueue.admit("run-r1-1")
        writes += 1
        pod = world.kubelet.run(world.kubelet.pending("train"))
        status = world.jobs.wait("run", "Running", reason="Training")
        assert status["display"]["state"] == "Training"
        assert pod["spec"]["nodeSelector"] == FLAVOR["nodeSelector"]
        assert FLAVOR["tolerations"][0] in pod["spec"]["tolerations"]

        kueue.evict("run-r1-1")
        writes += 1
        world.kubelet.wait(
            pod, lambda found: "deletionTimestamp" in found["metadata"], "the pod is asked to end"
        )
        world.kubelet.end(pod, 75, {"stage": "Train", "step": 4, "gpuSeconds": 3.5})
        world.kubelet.remove(pod)
        status = world.jobs.wait("run", "Running", "False", "Queued")
        assert status["display"]["state"] == "Queued"
        assert status.get("retries", 0) == 0
        kueue.restore("run-r1-1")
        writes += 1

    kueue.admit("run-r1-1")
    writes += 1
    pod = world.kubelet.run(world.kubelet.pending("train"))
    world.jobs.wait("run", "Running", reason="Training")
    world.kubelet.end(pod, 0, TRAINED)
    status = world.jobs.wait("run", "Succeeded")

    (job,) = world.jobs.jobs()
    assert job["metadata"]["uid"] == created["metadata"]["uid"]
    assert job["metadata"]["generation"] == created["metadata"]["generation"] + writes
    assert job["spec"]["suspend"] is False
    assert [entry["number"] for entry in status["attempts"]] == [1, 1, 1]
    assert [entry["reason"] for entry in status["attempts"]][:2] == ["Preempted", "Preempted"]


def test_suspended_by_its_user_it_leaves_the_queue(world: World) -> None:
    """The Job is deleted, not written to; resumed, another one stands in the queue."""
    queued(world)
    world.jobs.wait("run", "Running", "False", "Queued")

    world.jobs.patch("run", {"suspend": True})
    world.jobs.wait("run", "Suspended")
    assert world.jobs.jobs() == []
    world.jobs.patch("run", {"suspend": False})

    status = world.jobs.wait("run", "Running", "False", "Queued")
    assert condition_of(status, "Suspended")["status"] == "False"
    (job,) = world.jobs.wait_for_jobs(lambda jobs: len(jobs) == 1, "the next Job is there")
    assert job["metadata"]["name"] == "run-r1-2"
    assert job["spec"]["suspend"] is True
    assert job["metadata"]["labels"][LABEL] == "gpus"
