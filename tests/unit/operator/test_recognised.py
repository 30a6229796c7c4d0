"""What Kubernetes says of a pod is recognised in the very look at which it is visible."""

from typing import Any

import pytest

from preftrain_api.progress import Progress
from preftrain_api.reasons import Reason
from preftrain_operator.core.decide import decide
from preftrain_operator.core.notices import Notice, cause
from preftrain_operator.core.observed import Report
from preftrain_operator.core.plan import Plan
from support.situations import (
    NOW,
    after,
    at,
    condition,
    look,
    make_child,
    make_pod,
    plan_for,
    running,
    situate,
    started,
    training,
)

Json = dict[str, Any]


def ready_message(plan: Plan) -> str:
    """What Ready says."""
    assert plan.status is not None
    return next(item.message for item in plan.status.conditions if item.type == "Ready")


def unschedulable(message: str) -> Json:
    """A pod's condition, ten seconds old."""
    return {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "lastTransitionTime": at(-10),
    }


WAITING: list[tuple[Json, str, str]] = [
    ({"waiting": {"reason": "ErrImagePull"}}, "ImagePullFailed", "imagePullSecrets"),
    ({"waiting": {"reason": "ImagePullBackOff"}}, "ImagePullFailed", "imagePullSecrets"),
    ({"waiting": {"reason": "InvalidImageName"}}, "ImagePullFailed", "image exists"),
    ({"waiting": {"reason": "RegistryUnavailable"}}, "ImagePullFailed", "image exists"),
    (
        {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "s3" not found'}},
        "SecretMissing",
        "create the Secret",
    ),
    (
        {
            "waiting": {
                "reason": "CreateContainerConfigError",
                "message": "couldn't find key HF_TOKEN in Secret team/hub",
            }
        },
        "SecretMissing",
        "or the key",
    ),
    (
        {
            "waiting": {
                "reason": "CreateContainerConfigError",
                "message": "container has runAsNonRoot and image will run as root",
            }
        },
        "ContainerNotStarted",
        "compute.image",
    ),
    ({"waiting": {"reason": "RunContainerError"}}, "ContainerNotStarted", "compute.image"),
    (
        {"conditions": [unschedulable("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.")]},
        "Unschedulable",
        "compute.resources",
    ),
    (
        {"conditions": [unschedulable('persistentvolumeclaim "models" not found')]},
        "VolumeNotReady",
        "create the claim",
    ),
    (
        {"conditions": [unschedulable("pod has unbound immediate PersistentVolumeClaims")]},
        "VolumeNotReady",
        "bound",
    ),
]


@pytest.mark.fault(12, 13, 27)
@pytest.mark.parametrize("stage", ["prepare", "train"])
@pytest.mark.parametrize(("pod", "reason", "way_out"), WAITING)
def test_a_pod_that_waits(stage: str, pod: Json, reason: str, way_out: str) -> None:
    """At once, with the way out, and with one Event however often it is looked at; the run goes
    on when the obstacle is gone.
    """
    job = started() if stage == "prepare" else training()
    child = make_child(stage)
    stuck = make_pod(child, **pod)
    plan = plan_for(job, child, pods=(stuck,))
    assert condition(plan, "Ready") == ("False", reason)
    assert condition(plan, "Reconciling") == ("True", reason)
    assert way_out in ready_message(plan)
    (event,) = plan.events
    assert (event.key, event.reason, event.warning) == (
        f"Waiting/{child['metadata']['name']}/{reason}",
        reason,
        True,
    )
    told = after(job, plan)
    assert plan_for(told, child, pods=(stuck,)).is_empty
    freed = plan_for(told, child, pods=(make_pod(child),))
    assert condition(freed, "Ready") == ("False", "Preparing" if stage == "prepare" else "Pending")


EVENTS: list[tuple[str, Notice, str, str]] = [
    # Which child it is about, what it says, the reason, and the way out.
    (
        "job",
        Notice(
            "FailedCreate",
            'Error creating: pods "run-r1-1-" is forbidden: exceeded quota: gpus, requested: '
            "requests.nvidia.com/gpu=1, used: 8, limited: 8",
        ),
        "QuotaExceeded",
        "raise the quota",
    ),
    (
        "job",
        Notice(
            "FailedCreate",
            'Error creating: pods "x" is forbidden: error looking up service account team/trainer: '
            'serviceaccount "trainer" not found',
        ),
        "ServiceAccountMissing",
        "create it",
    ),
    (
        "job",
        Notice("FailedCreate", 'Error creating: pods "x" is forbidden: violates PodSecurity'),
        "AdmissionRejected",
        "correct what is named",
    ),
    (
        "job",
        Notice("FailedCreate", 'Error creating: admission webhook "x" denied the request: no'),
        "AdmissionRejected",
        "correct what is named",
    ),
    (
        "pod",
        Notice(
            "FailedMount",
            'MountVolume.SetUp failed for volume "secret-output" : secret "s3" not found',
        ),
        "SecretMissing",
        "create the Secret",
    ),
    (
        "pod",
        Notice("FailedMount", "references non-existent secret key: HF_TOKEN"),
        "SecretMissing",
        "or the key",
    ),
    (
        "pod",
        Notice("FailedAttachVolume", 'Multi-Attach error for volume "pvc-1"'),
        "VolumeNotReady",
        "wait until it is bound",
    ),
    (
        "pod",
        Notice("FailedCreatePodSandBox", "failed to set up network"),
        "ContainerNotStarted",
        "policies of the node",
    ),
]


@pytest.mark.fault(24, 25, 27)
@pytest.mark.parametrize("stage", ["prepare", "train"])
@pytest.mark.parametrize(("about", "notice", "reason", "way_out"), EVENTS)
def test_what_only_events_tell(
    stage: str, about: str, notice: Notice, reason: str, way_out: str
) -> None:
    """They are asked for when something is stuck, and once a minute as long as it is."""
    job = started() if stage == "prepare" else training()
    child = make_child(stage)
    child["status"]["startTime"] = at(-30)
    unready = {
        "type": "PodReadyToStartContainers",
        "status": "False",
        "lastTransitionTime": at(-20),
    }
    pods = (make_pod(child, conditions=[unready]),) if about == "pod" else ()
    wanted = decide(situate(look(job, child, pods=pods)))
    assert wanted.ask_about == ("pod-1" if about == "pod" else child["metadata"]["uid"])
    assert wanted.is_empty
    timed_out = Notice("FailedMount", "timed out waiting for the condition")
    other = Notice("BackOff", "something else")
    plan = plan_for(job, child, pods=pods, notices=(other, notice, timed_out))
    assert condition(plan, "Ready") == ("False", reason)
    assert notice.message in ready_message(plan)
    assert way_out in ready_message(plan)
    assert plan.requeue_after == 60
    assert [event.reason for event in plan.events] == [reason]
    again = plan_for(after(job, plan), child, pods=pods, notices=(notice,))
    assert again.is_empty


def test_words_that_name_the_cause_come_before_newer_ones_that_do_not() -> None:
    """Kubelets say in turn what is missing and that they have waited for it."""
    vague = Notice("FailedMount", "timed out waiting for the condition")
    clear = Notice("FailedMount", 'secret "s3" not found')
    assert cause((vague, clear)) == (Reason.SECRET_MISSING, 'secret "s3" not found')
    assert cause((vague,)) == (Reason.VOLUME_NOT_READY, vague.message)
    assert cause((Notice("Unhealthy", "no"),)) is None


def test_a_step_that_was_passed_is_not_blamed_any_more() -> None:
    """Events stay for an hour. Volumes are there before a node sets up a network."""
    passed = Notice("FailedMount", 'secret "s3" not found')
    newest = Notice("FailedCreatePodSandBox", "failed to set up network")
    assert cause((newest, passed)) == (Reason.CONTAINER_NOT_STARTED, newest.message)


def test_a_cause_that_becomes_known_replaces_the_guess() -> None:
    """The first look found no Event; the reason is the same, the words are not."""
    job, child = training(), make_child()
    child["status"]["startTime"] = at(-30)
    guess = plan_for(job, child)
    assert "kubectl describe job" in ready_message(guess)
    told = after(job, guess)
    known = Notice("FailedCreate", "admission webhook denied the request: no")
    plan = plan_for(told, child, notices=(known,))
    assert known.message in ready_message(plan)
    assert plan.events == ()
    other = Notice("FailedCreate", "admission webhook denied the request: no, for the second time")
    assert plan_for(after(told, plan), child, notices=(other,)).is_empty


def test_texts_that_alternate_are_written_once() -> None:
    """Kubelets tell a failing pull in two ways in turn, the first of which says more."""
    job, child = training(), make_child()
    first = make_pod(child, waiting={"reason": "ErrImagePull", "message": "not found"})
    told = after(job, plan_for(job, child, pods=(first,)))
    second = make_pod(child, waiting={"reason": "ImagePullBackOff", "message": "back-off"})
    assert plan_for(told, child, pods=(second,)).is_empty


ENDED: list[tuple[Json, Json, str, bool]] = [
    # The pod, what its status says, the reason, and whether it counts.
    ({"exit_code": 71}, {}, "GpuUnavailable", True),
    ({"exit_code": 137, "reason": "OOMKilled"}, {}, "OOMKilled", True),
    (
        {"phase": "Failed"},
        {
            "reason": "UnexpectedAdmissionError",
            "message": "Allocate failed due to no healthy devices present; cannot allocate "
            "unhealthy devices nvidia.com/gpu, which is unexpected",
        },
        "GpuUnavailable",
        True,
    ),
    (
        {"phase": "Failed"},
        {"reason": "OutOfcpu", "message": "Node didn't have enough resource: cpu"},
        "PodRejected",
        True,
    ),
    (
        {"exit_code": 137},
        {
            "reason": "Evicted",
            "message": 'Usage of EmptyDir volume "cache" exceeds the limit "1Gi"',
        },
        "Evicted",
        True,
    ),
    (
        {"exit_code": 137, "disrupted": True},
        {"reason": "Evicted", "message": "The node was low on resource: ephemeral-storage."},
        "Evicted",
        False,
    ),
    ({"exit_code": 137, "disrupted": "DeletionByPodGC"}, {}, "NodeLost", False),
    ({"exit_code": 143, "disrupted": "EvictionByEvictionAPI"}, {}, "Preempted", False),
    # The store was not reached any more in the grace period of a drained node.
    ({"exit_code": 69, "disrupted": "EvictionByEvictionAPI"}, {}, "Preempted", False),
]


def ended_pod(child: Json, members: Json, told: Json) -> Json:
    """A pod that ended so."""
    more = dict(members)
    why = more.pop("disrupted", None)
    pod = make_pod(child, **more)
    pod["status"] |= told
    if why:
        condition = {"type": "DisruptionTarget", "status": "True"}
        pod["status"]["conditions"].append(condition | ({} if why is True else {"reason": why}))
    return pod


@pytest.mark.fault(8, 9, 10, 11, 20)
@pytest.mark.parametrize(("members", "told", "reason", "counted"), ENDED)
def test_a_pod_that_ended(members: Json, told: Json, reason: str, counted: bool) -> None:
    """What the node says beats the exit code of a kill, and only what is the run's fault counts."""
    job, child, _ = running()
    if reason == "GpuUnavailable" and "exit_code" in members:
        child = make_child(conditions={"Failed": {"reason": "PodFailurePolicy"}})
    plan = plan_for(job, child, pods=(ended_pod(child, members, told),))
    assert plan.status is not None
    (entry,) = plan.status.attempts
    assert (entry.reason, entry.counted) == (reason, counted)
    assert told.get("message", "") in (entry.message or "")
    assert plan.status.retries == int(counted)


@pytest.mark.fault(9)
def test_what_a_lost_node_is_said_to_have_done_is_over() -> None:
    """The attempt has ended; the node, which is named, may be well again."""
    job, child, _ = running()
    lost = ended_pod(child, {"exit_code": 137, "disrupted": "DeletionByPodGC"}, {})
    plan = plan_for(job, child, pods=(lost,))
    assert plan.status is not None
    assert plan.status.attempts[0].message == (
        "the pod's node stopped answering, went away or was emptied; it ran on node node-1 "
        "(DeletionByPodGC)"
    )


def test_each_pod_that_another_follows_has_one_event() -> None:
    """With the reason of its end, as a warning when it counts."""
    job, child, _ = running()
    pod = make_pod(child, exit_code=70, message="out of luck")
    plan = plan_for(job, child, pods=(pod,))
    (event,) = plan.events
    assert (event.key, event.reason, event.warning) == ("Ended/pod-1", "InternalError", True)
    assert event.message == "a pod of attempt 1 ended, another follows: out of luck"
    assert plan_for(after(job, plan), child, pods=(pod,)).events == ()


@pytest.mark.fault(9)
def test_a_lost_node_is_told_while_its_pod_is_waited_for() -> None:
    """Whether the container still runs nobody knows; the next pod comes when this one has ended."""
    job, child, _ = running()
    lost = ended_pod(child, {"phase": "Running", "disrupted": "DeletionByTaintManager"}, {})
    plan = plan_for(job, child, pods=(lost,))
    assert condition(plan, "Running") == ("Unknown", "NodeLost")
    assert condition(plan, "Reconciling") == ("True", "NodeLost")
    assert "node node-1" in ready_message(plan)
    assert [event.key for event in plan.events] == ["Disrupted/pod-1"]
    assert plan_for(after(job, plan), child, pods=(lost,)).is_empty


def test_a_pod_that_is_preempted_is_told_while_it_saves() -> None:
    """It is still at work."""
    job, child, _ = running()
    going = ended_pod(child, {"phase": "Running", "disrupted": "PreemptionByScheduler"}, {})
    assert condition(plan_for(job, child, pods=(going,)), "Running") == ("True", "Preempted")


def test_each_pod_that_is_taken_away_is_told() -> None:
    """Also one whose predecessor was, and which nobody saw in peace."""
    job, child, _ = running()
    first = ended_pod(child, {"exit_code": 75, "disrupted": "PreemptionByScheduler"}, {})
    job = after(job, plan_for(job, child, pods=(first,)))
    going = {"uid": "pod-2", "age": 9, "phase": "Running", "disrupted": "PreemptionByScheduler"}
    second = ended_pod(child, going, {})
    plan = plan_for(job, child, pods=(first, second))
    assert [event.key for event in plan.events] == ["Disrupted/pod-2"]
    assert plan_for(after(job, plan), child, pods=(first, second)).is_empty


def test_an_estimate_is_shown_while_a_pod_is_at_work() -> None:
    """Loss and steps of the last pod stay in their columns, its estimate does not."""
    job, child, pod = running()
    said = {"uid": "pod-1", "phase": "Training", "step": 1, "totalSteps": 4, "etaSeconds": 60}
    progress = Progress.parse({**said, "metrics": {"loss": 0.5}})
    plan = plan_for(job, child, pods=(pod,), report=Report("pod-1", progress, NOW))
    assert plan.status is not None
    assert plan.status.display is not None
    assert plan.status.display.eta == "1m0s"
    job = after(job, plan)
    plan = plan_for(job, child, pods=(make_pod(child, exit_code=75),))
    assert plan.status is not None
    shown = plan.status.display
    assert shown is not None
    assert (shown.eta, shown.progress, shown.loss) == (None, "1/4 25%", "0.5")
