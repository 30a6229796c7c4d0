"""Laws that hold whatever happens to Jobs and pods, in whatever order.

The machine below plays the API server, the Job controller and the kubelet on the pure core;
hypothesis chooses what happens next, and when the operator gets to see it.
"""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from preftrain_api.exit_codes import ExitCode
from preftrain_operator.core.decide import decide
from preftrain_operator.core.observed import observe
from preftrain_operator.core.plan import Plan
from preftrain_operator.core.situation import Situation
from support.kstatus import kstatus
from support.situations import INSTALLATION, NOW, SKIP, UID, at, make_job
from support.training_jobs import SPEC, TRAIN, TRAINED

RETRIED = (69, 70, 75, 137)
EXIT_CODES = st.one_of(
    st.sampled_from(RETRIED), st.sampled_from([int(code) for code in ExitCode] + [1, 143])
)
LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "activeDeadlineSeconds": st.just(60),
        "startDeadlineSeconds": st.just(40),
        "ttlSecondsAfterFinished": st.just(20),
    },
)
A_YEAR_SECONDS = 365 * 86400.0
MAX_STEPS = 12
"""Plans that may follow each other before nothing is left to do."""


class Life(RuleBasedStateMachine):
    """One job from apply to its end, and beyond."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0
        self.serial = 0
        self.job = make_job({**SPEC, "maxRetries": 1})
        self.jobs: dict[str, dict[str, Any]] = {}
        self.pods: dict[str, dict[str, Any]] = {}
        self.events: list[str] = []
        self.ended: dict[int, tuple[str, str]] = {}
        self.highest: dict[int, int] = {}
        self.manifests: list[dict[str, Any]] = []

    def decide(self, *, live: bool = False, later_seconds: float = 0) -> Plan:
        """What the operator would do, on fresh caches."""
        view = observe(self.job, self.jobs.values(), self.pods.values(), live=live)
        now = NOW + timedelta(seconds=self.seconds + later_seconds)
        plan = decide(Situation(view, now, INSTALLATION))
        if plan.ask_about is None:
            return plan
        # Nobody has written an Event: the operator then says so itself, or waits.
        return decide(Situation(replace(view, notices=()), now, INSTALLATION))

    @initialize(skip=st.booleans(), queued=st.booleans(), limits=LIMITS)
    def user_applies(self, skip: bool, queued: bool, limits: dict[str, int]) -> None:
        """With or without prepare and a queue; the operator looks, and prepare mostly ends well."""
        self.edit(**limits)
        if skip:
            self.edit(dataset=SKIP)
        if queued:
            self.edit(compute={**SPEC["compute"], "queueName": "gpus"})
        self.reconcile(crash_after=9)
        if not skip and self.admitted_jobs():
            self.pod_lives_and_dies(exit_code=0, seen_running=True, judged=True)
            self.reconcile(crash_after=9)

    @rule(crash_after=st.integers(0, 9))
    def reconcile(self, crash_after: int) -> None:
        """The operator decides and acts, and dies after so many writes of its plan."""
        plan = self.decide()
        self.carry_out(self.decide(live=True) if plan.look_again else plan, crash_after)

    def carry_out(self, plan: Plan, writes: int = 99) -> None:
        """Carry a plan out in the executor's order, at most so many writes of it."""
        for event in plan.events:
            if writes <= 0:
                return
            writes -= 1
            name = f"{plan.status.run_revision if plan.status else 0}/{event.key}"
            if name not in self.events:
                self.events.append(name)
        if plan.status is not None:
            if writes <= 0:
                return
            writes -= 1
            self.job = {**self.job, "status": plan.status.plain()}
        if plan.create is not None and writes > 0:
            writes -= 1
            name = plan.create["metadata"]["name"]
            refs = self.job["status"]["jobRefs"]
            assert not any(ref["name"] == name and "uid" in ref for ref in refs), "used twice"
            self.manifests.append(plan.create)
            self.create(plan.create)
        if writes > 0:
            for target in plan.stops:
                self.finish(target.uid, "Failed", "DeadlineExceeded")
            for deletion in plan.deletes:
                self.delete(deletion.target.uid)

    def create(self, manifest: dict[str, Any]) -> None:
        """Store a Job, unless its name is taken."""
        if any(
            job["metadata"]["name"] == manifest["metadata"]["name"] for job in self.jobs.values()
        ):
            return
        self.serial += 1
        uid = f"job-{self.serial}"
        metadata = {
            **manifest["metadata"],
            "uid": uid,
            "resourceVersion": str(self.serial),
            "creationTimestamp": at(self.seconds),
        }
        suspend = manifest["spec"].get("suspend", False)
        self.jobs[uid] = {"metadata": metadata, "spec": {"suspend": suspend}, "status": {}}

    def finish(self, uid: str, kind: str, reason: str = "") -> None:
        """Give a Job its last condition; what runs is ended."""
        job = self.jobs[uid]
        conditions = [{"type": kind, "status": "True", "reason": reason}]
        self.jobs[uid] = {**job, "status": {"conditions": conditions}}
        for pod in list(self.pods.values()):
            if pod["metadata"]["ownerReferences"][0]["uid"] == uid and not is_over(pod):
                self.end(pod, 75)

    def delete(self, uid: str) -> None:
        """A Job with its pods, at once."""
        self.jobs.pop(uid, None)
        for name, pod in list(self.pods.items()):
            if pod["metadata"]["ownerReferences"][0]["uid"] == uid:
                del self.pods[name]

    def end(self, pod: dict[str, Any], exit_code: int) -> None:
        """End a pod's container with a fitting message."""
        said = TRAIN if exit_code == 0 and "prepare" in pod["metadata"]["name"] else TRAINED
        terminated = {
            "exitCode": exit_code,
            "message": json.dumps(said) if exit_code == 0 else "",
            "startedAt": at(self.seconds),
            "finishedAt": at(self.seconds),
        }
        pod["status"] = {
            "phase": "Succeeded" if exit_code == 0 else "Failed",
            "containerStatuses": [{"name": "trainer", "state": {"terminated": terminated}}],
        }

    def active_jobs(self) -> list[dict[str, Any]]:
        """Jobs without a last condition."""
        return [job for job in self.jobs.values() if not job["status"].get("conditions")]

    def admitted_jobs(self) -> list[dict[str, Any]]:
        """Those of them that no queue holds back."""
        return [job for job in self.active_jobs() if not job["spec"]["suspend"]]

    @precondition(lambda self: self.active_jobs())
    @rule(suspend=st.booleans())
    def queue(self, suspend: bool) -> None:
        """Admits the Job, or evicts it: its pods end, and go."""
        job = self.active_jobs()[0]
        uid = job["metadata"]["uid"]
        if "kueue.x-k8s.io/queue-name" not in job["metadata"]["labels"]:
            return
        status = {} if suspend else {"startTime": at(self.seconds)}
        self.jobs[uid] = {**job, "spec": {"suspend": suspend}, "status": status}
        for name, pod in list(self.pods.items()) if suspend else ():
            if pod["metadata"]["ownerReferences"][0]["uid"] == uid:
                del self.pods[name]

    @rule(seconds=st.sampled_from((1, 15, 50)))
    def time_passes(self, seconds: int) -> None:
        """Nothing else happens meanwhile."""
        self.seconds += seconds

    @precondition(lambda self: self.admitted_jobs())
    @rule(exit_code=EXIT_CODES, seen_running=st.booleans(), judged=st.booleans())
    def pod_lives_and_dies(self, exit_code: int, seen_running: bool, judged: bool) -> None:
        """A Job's next pod runs, perhaps seen by the operator, and ends; the Job controller
        judges it, perhaps later.
        """
        job = self.admitted_jobs()[0]
        self.serial += 1
        self.seconds += 1
        uid = f"pod-{self.serial}"
        metadata = {
            "name": f"{job['metadata']['name']}-{self.serial}",
            "uid": uid,
            "resourceVersion": "1",
            "creationTimestamp": at(self.seconds),
            "ownerReferences": [{"uid": job["metadata"]["uid"], "controller": True}],
        }
        running = {"running": {"startedAt": at(self.seconds)}}
        status = {
            "phase": "Running",
            "containerStatuses": [{"name": "trainer", "state": running}],
        }
        self.pods[uid] = {"metadata": metadata, "spec": {}, "status": status}
        if seen_running:
            self.reconcile(crash_after=9)
        if uid not in self.pods:
            return
        self.seconds += 5
        self.end(self.pods[uid], exit_code)
        if judged:
            self.job_controller()

    @rule()
    def job_controller(self) -> None:
        """The Job controller makes of ended pods what it makes of them."""
        for job in self.admitted_jobs():
            owned = [
                pod
                for pod in self.pods.values()
                if pod["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
            ]
            codes = [exit_code_of(pod) for pod in owned if is_over(pod)]
            if 0 in codes:
                self.finish(job["metadata"]["uid"], "Complete")
            elif any(code in list(ExitCode) and ExitCode(code).is_final for code in codes):
                self.finish(job["metadata"]["uid"], "Failed", "PodFailurePolicy")
            elif sum(code != ExitCode.PREEMPTED for code in codes) > 2:
                self.finish(job["metadata"]["uid"], "Failed", "BackoffLimitExceeded")

    @precondition(lambda self: self.jobs)
    @rule()
    def somebody_deletes_a_job(self) -> None:
        """By hand."""
        self.delete(next(iter(self.jobs)))

    @precondition(lambda self: self.manifests)
    @rule(data=st.data())
    def a_late_operator_creates_a_job(self, data: st.DataObject) -> None:
        """One that decided long ago, before the name was used and freed again."""
        self.create(data.draw(st.sampled_from(self.manifests)))

    @rule(suspend=st.booleans())
    def user_suspends(self, suspend: bool) -> None:
        """Or resumes."""
        self.edit(suspend=suspend)

    @precondition(lambda self: "completionTime" in self.job["status"])
    @rule(skip=st.booleans())
    def user_runs_again(self, skip: bool) -> None:
        """Raises the revision, perhaps without prepare."""
        dataset = SKIP if skip else SPEC["dataset"]
        self.edit(runRevision=self.job["spec"].get("runRevision", 1) + 1, dataset=dataset)

    def edit(self, **members: Any) -> None:
        """Change the spec as the API server would let a user."""
        metadata = {**self.job["metadata"], "generation": self.job["metadata"]["generation"] + 1}
        self.job = {**self.job, "metadata": metadata, "spec": {**self.job["spec"], **members}}

    @invariant()
    def decisions_come_to_rest(self) -> None:
        """A plan that is carried out leads, after few more, to one with nothing to do."""
        kept = (self.job, dict(self.jobs), dict(self.pods), list(self.events), self.serial)
        try:
            for _ in range(MAX_STEPS):
                plan = self.decide()
                plan = self.decide(live=True) if plan.look_again else plan
                if plan.is_empty:
                    break
                self.carry_out(plan)
            else:
                raise AssertionError(f"still busy after {MAX_STEPS} plans: {plan}")
            self.check_rest()
        finally:
            self.job, self.jobs, self.pods, self.events, self.serial = kept

    def check_rest(self) -> None:
        """What must hold whenever the operator has caught up."""
        status = self.job["status"]
        assert status["observedGeneration"] == self.job["metadata"]["generation"]
        trio = {
            item["type"]: item["status"]
            for item in status["conditions"]
            if item["type"] in ("Ready", "Reconciling", "Stalled", "Succeeded", "Failed")
        }
        assert list(trio.values()).count("True") <= 2
        assert (trio["Succeeded"] == "True") == (trio["Ready"] == "True")
        assert (trio["Failed"] == "True") == (trio["Stalled"] == "True")
        assert not (trio["Reconciling"] == trio["Stalled"] == "True")
        verdict = {"Succeeded": "Current", "Failed": "Failed"}
        ends = [verdict[kind] for kind in verdict if trio[kind] == "True"]
        assert kstatus(self.job) == (ends[0] if ends else "InProgress")
        assert len(self.active_jobs()) <= 1
        waits = not self.job["spec"].get("suspend") and "completionTime" not in status
        if waits and any(job["spec"]["suspend"] for job in self.active_jobs()):
            ready = next(item for item in status["conditions"] if item["type"] == "Ready")
            assert ready["reason"] == "Queued"
        if any(c["type"] == "Suspended" and c["status"] == "True" for c in status["conditions"]):
            assert self.active_jobs() == []
        # Until the moment for which a look was asked, time alone changes nothing.
        wait = self.decide().requeue_after
        later = A_YEAR_SECONDS if wait is None else wait - 0.001
        assert self.decide(later_seconds=later).is_empty, f"a look was asked for in {wait} s"
        if status.get("retries", 0) > self.job["spec"]["maxRetries"]:
            assert "completionTime" in status

    @invariant()
    def attempts_never_decrease(self) -> None:
        """Within a revision the number of attempts only grows."""
        status = self.job["status"]
        revision = status.get("runRevision", 0)
        number = max((entry["number"] for entry in status.get("attempts", ())), default=0)
        assert number >= self.highest.get(revision, 0)
        self.highest[revision] = number

    @invariant()
    def terminal_states_absorb(self) -> None:
        """Within a revision a verdict never changes, and has exactly one Event."""
        status = self.job["status"]
        if "completionTime" not in status:
            return
        revision = status["runRevision"]
        ready = next(item for item in status["conditions"] if item["type"] == "Ready")
        verdict = (ready["status"], ready["reason"])
        assert self.ended.setdefault(revision, verdict) == verdict
        assert self.events.count(f"{revision}/Terminal") == 1

    @invariant()
    def everything_belongs_to_the_job(self) -> None:
        """Every Job has its owner reference."""
        for job in self.jobs.values():
            assert job["metadata"]["ownerReferences"][0]["uid"] == UID


def is_over(pod: dict[str, Any]) -> bool:
    """Whether the pod has ended."""
    return pod["status"]["phase"] in ("Succeeded", "Failed")


def exit_code_of(pod: dict[str, Any]) -> int:
    """Of a pod that has ended."""
    state = pod["status"]["containerStatuses"][0]["state"]
    return int(state["terminated"]["exitCode"])


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=100,
    stateful_step_count=30,
    deadline=None,
    # Shrinking such a life takes minutes; the one found tells enough.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
