"""What an operator does over weeks: nothing where nothing happens, and little else."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cluster.ports import free_port
from support.api_fault_proxy import Exchange, Rule, answer, hold
from support.control_plane import CRD_FILE, ApiServer, install_crd
from support.kubelet import Json
from support.lives import SKIP, Life, living, plain
from support.operator_forkserver import ForkedOperator
from support.training_jobs import TRAINED, condition_of, make_spec
from support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.slow]

IDLE_LISTS = 10
"""Full lists that must pass without a write; by default they take 50 minutes."""
BATCH = 20
"""Jobs that come and go together."""
PREFIX = "preftrain_operator_"
CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
def life(crd_installed: ApiServer, namespace: str, tmp_path: Path) -> Iterator[Life]:
    """A life whose operator is at work."""
    with living(crd_installed, namespace, tmp_path) as found:
        found.operator.start()
        yield found


def train(life: Life, name: str = "run", **members: object) -> Json:
    """A job whose training pod is at work; the pod."""
    life.jobs.create(name, make_spec(dataset=SKIP, **members))
    pod = life.kubelet.run(life.kubelet.pending("train", job=f"{name}-r1-1"))
    life.jobs.wait(name, "Running", reason="Training")
    return pod


@pytest.mark.case(23)
def test_nothing_is_written_where_nothing_happens(life: Life) -> None:
    """Jobs in every state and full lists all the time: not one write, not even one refused."""
    plain(life)
    train(life, "training")
    life.jobs.create("queued", make_spec(dataset=SKIP, compute=compute(queueName="gpus")))
    life.jobs.create("suspended", make_spec(suspend=True))
    life.jobs.create("refused", make_spec(method={"type": "ORPO"}))
    life.jobs.create("pending", make_spec(dataset=SKIP))
    failing = train(life, "failed")
    life.kubelet.end(failing, 64, {"stage": "Train", "message": "no"})
    life.jobs.wait("failed", "Failed")
    life.settle()
    lists, writes = life.proxy.lists("jobs"), len(life.proxy.arrived)
    eventually(lambda: life.proxy.lists("jobs") >= lists + IDLE_LISTS, "lists have passed", 90)
    assert [sent.path for sent, _ in life.proxy.arrived[writes:]] == []


@pytest.mark.fault(38)
@pytest.mark.case(25)
def test_many_jobs_that_came_and_went_leave_nothing(
    crd_installed: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """No object, no series, no open file; their events were as many writes as jobs."""
    port = free_port()
    settings = {"METRICS_PORT": str(port)}
    with living(crd_installed, namespace, tmp_path, settings) as life:
        life.operator.start()
        life.proxy.schedule = lambda dice: [0.0, 0.1, 0.2, 0.3]
        come_and_go(life, port, "first")
        before = open_files(life.operator)
        come_and_go(life, port, "second")
        # Connections are kept for the next requests; what leaked would have doubled.
        assert open_files(life.operator) <= before + 8
        assert life.jobs.jobs() == []
        assert len(life.proxy.writes) == 2 * BATCH


def come_and_go(life: Life, port: int, batch: str) -> None:
    """Twenty jobs, each told four times, and then deleted."""
    names = [f"{batch}-{number}" for number in range(BATCH)]
    for name in names:
        life.jobs.create(name, make_spec(suspend=True))
    for name in names:
        life.jobs.wait(name, "Suspended")
    assert f'preftrain_operator_jobs{{state="Suspended"}} {BATCH}.0' in metrics(port)
    for name in names:
        life.jobs.delete(name)
    eventually(lambda: 'jobs{state="' not in metrics(port), "their series are gone")
    life.settle()


def test_a_life_is_counted(crd_installed: ApiServer, namespace: str, tmp_path: Path) -> None:
    """What was asked of the API server, what was told, and what came of it."""
    port = free_port()
    with living(crd_installed, namespace, tmp_path, {"METRICS_PORT": str(port)}) as life:
        life.operator.start()
        life.kubelet.end(train(life), 0, {**TRAINED, "gpuSeconds": 12})
        life.jobs.wait("run", "Succeeded")
        gone = {"stage": "Train", "message": "no", "gpuSeconds": 5}
        life.kubelet.end(train(life, "failed"), 76, gone)
        life.jobs.wait("failed", "Failed")
        life.settle()
        counted = figures(metrics(port))
    requests = "api_requests_total"
    assert counted[requests + '{code="201",resource="jobs",verb="POST"}'] == 2
    assert counted[requests + '{code="200",resource="preferencetrainingjobs",verb="PATCH"}'] == 6
    assert counted['watch_events_total{resource="pods"}'] > 0
    assert counted['reconciles_total{outcome="success"}'] == counted["reconcile_seconds_count"]
    assert counted['jobs{state="Succeeded"}'] == 1
    assert counted['runs_total{reason="Succeeded"}'] == 1
    assert counted['runs_total{reason="GuardStopped"}'] == 1
    assert counted['attempts_total{reason="Completed"}'] == 1
    assert counted['attempts_total{reason="GuardStopped"}'] == 1
    assert counted["start_seconds_count"] == 2
    assert counted["gpu_seconds_total"] == 17
    assert counted["lost_gpu_seconds_total"] == 5
    assert counted["queue_depth"] == 0
    assert counted["leader"] == 1


@pytest.mark.case(27)
def test_every_failed_look_is_told_and_counted(
    crd_installed: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """A warning in the log for each, a figure in the metrics for each, and no stack trace."""
    port = free_port()
    with living(crd_installed, namespace, tmp_path, {"METRICS_PORT": str(port)}) as life:
        life.operator.start()
        life.proxy.rules.append(
            Rule(lambda exchange: exchange.is_write, answer(500, "InternalError"), times=3)
        )
        plain(life)
        told = sum("; again in" in line for line in life.operator.log().splitlines())
        assert told == life.proxy.disturbed == 3
        assert 'reconciles_total{outcome="error"} 3.0' in metrics(port)


@pytest.mark.case(26)
def test_jobs_that_share_places_do_not_share_fates(life: Life) -> None:
    """Same data, Secret and claim: one fails, is deleted by hand, and the other goes on."""
    shared = {"output": {"uri": "pvc://claim/adapters"}, "maxRetries": 0}
    first, second = train(life, "first", **shared), train(life, "second", **shared)
    before = life.jobs.status("second")
    life.kubelet.end(first, 69, {"stage": "Train", "message": "the claim is full"})
    life.jobs.wait("first", "Failed")
    life.jobs.delete("first")
    life.settle()
    assert life.jobs.status("second") == before
    life.kubelet.end(second, 0, TRAINED)
    life.jobs.wait("second", "Succeeded")


@pytest.mark.fault(26)
@pytest.mark.case(29)
def test_a_slow_job_does_not_hold_up_others(life: Life) -> None:
    """Whatever is written for one job hangs; another one lives its whole life meanwhile."""
    let_go = threading.Event()

    def is_for_slow(exchange: Exchange) -> bool:
        return exchange.is_write and b'"slow' in exchange.body

    life.proxy.rules.append(Rule(is_for_slow, hold(let_go)))
    life.jobs.create("slow")
    eventually(lambda: life.proxy.disturbed > 0, "the slow job is worked on")
    plain(life)
    assert "startTime" not in life.jobs.status("slow")
    let_go.set()
    life.kubelet.pending("prepare", job="slow-r1-prepare")


@pytest.mark.fault(31)
def test_an_upgrade_leaves_running_pods_alone(
    crd_installed: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """The next operator brings other images; what runs goes on with the old, and ends well."""
    with living(crd_installed, namespace, tmp_path / "old") as old:
        old.operator.start()
        pod = train(old)
        before = old.jobs.jobs()
    newer = {"TRAINER_IMAGE": "preftrain/trainer:next", "PREPARE_IMAGE": "preftrain/prepare:next"}
    with living(crd_installed, namespace, tmp_path / "new", newer) as new:
        new.operator.start()
        new.settle()
        assert new.proxy.arrived == []
        assert [job["spec"] for job in new.jobs.jobs()] == [job["spec"] for job in before]
        new.kubelet.end(pod, 0, TRAINED)
        new.jobs.wait("run", "Succeeded")
        new.jobs.create("next", make_spec(dataset=SKIP))
        pod = new.kubelet.pending("train", job="next-r1-1")
        assert pod["spec"]["containers"][0]["image"] == "preftrain/trainer:next"


@pytest.mark.fault(30)
def test_an_older_kind_loses_what_it_does_not_know(
    crd_installed: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """A CRD without some members of the status: the run comes to its end and to rest."""
    older = yaml.safe_load(CRD_FILE.read_text())
    schema = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    for member in ("display", "metrics"):
        del schema["properties"][member]
    older["spec"]["versions"][0]["additionalPrinterColumns"] = []
    api = crd_installed.api()
    path = f"{CRD_PATH}/{older['metadata']['name']}"
    kept = api.get(path)["metadata"]["resourceVersion"]
    older["metadata"]["resourceVersion"] = kept
    api.call("PUT", path, older)
    try:
        with living(crd_installed, namespace, tmp_path) as life:
            life.tolerated = "was not kept"
            life.jobs.create("probe", make_spec(suspend=True))

            def pruned() -> bool:
                shown = life.jobs.edit(
                    "probe", {"status": {"metrics": {"loss": 1}}}, subresource="/status"
                )
                return "metrics" not in shown.get("status", {})

            eventually(pruned, "the older kind is served")
            life.operator.start()
            plain(life)
            life.settle()
            assert "display" not in life.jobs.status("run")
            assert "the installed kind is older than this operator" in life.operator.log()
    finally:
        install_crd(api)


TONGUES = "Ünïcödé 日本語 🐳 \u202eright to left\u202c \x07\x1b[31m 'quoted' \"twice\" `a` $(b)"


@pytest.mark.fault(33)
@pytest.mark.parametrize(
    "message", [TONGUES, "🐳" * 300, "x" * 2000], ids=["of-all-kinds", "wide", "long"]
)
def test_text_of_any_kind_reaches_people_and_nothing_else(life: Life, message: str) -> None:
    """What a pod says appears in condition and Event, cut to size, and breaks nothing."""
    pod = train(life)
    life.kubelet.end(pod, 76, {"stage": "Train", "message": message})
    status = life.jobs.wait("run", "Failed", reason="GuardStopped")
    said = condition_of(status, "Failed")["message"]
    assert said == (message if len(message) <= 1024 else message[:1023] + "…")
    (event,) = [event for event in life.jobs.events("run") if event["reason"] == "GuardStopped"]
    assert event["message"] == said


@pytest.mark.fault(32)
def test_the_longest_name_lives_a_whole_life(life: Life) -> None:
    """46 characters, digits first: every name and label that follows from it fits."""
    name = "1" + "a" * 44 + "1"
    pod = train(life, name)
    life.kubelet.end(pod, 0, TRAINED)
    life.jobs.wait(name, "Succeeded")
    assert len(pod["metadata"]["name"]) <= 63


@pytest.mark.case(28)
def test_the_probe_fails_when_full_lists_do(
    crd_installed: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """A kubelet restarts an operator that has not seen the cluster for three periods."""
    port = free_port()
    with living(crd_installed, namespace, tmp_path, {"PROBE_PORT": str(port)}) as life:
        life.operator.start()
        eventually(lambda: probe(port) == 200, "the operator is alive")
        life.proxy.rules.append(
            Rule(lambda exchange: exchange.is_list, answer(503, "ServiceUnavailable"))
        )
        eventually(lambda: probe(port) == 500, "the probe fails", 60)
        life.proxy.rules.clear()
        eventually(lambda: probe(port) == 200, "the operator is alive again", 60)


def compute(**members: object) -> Json:
    """Compute on the CPU with further members."""
    return {"accelerator": "CPU", **members}


def probe(port: int) -> int:
    """Status of the liveness probe; 0 while nothing answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as found:
            return int(found.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def metrics(port: int) -> str:
    """The operator's own metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as found:
        return str(found.read().decode())


def figures(text: str) -> dict[str, float]:
    """The operator's metrics by name and labels, without their common prefix; 0 for others."""
    lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith(PREFIX))
    return defaultdict(float, {name.removeprefix(PREFIX): float(n) for name, _, n in lines})


def open_files(operator: ForkedOperator) -> int:
    """How many files and connections the operator has open."""
    return len(list(Path(f"/proc/{operator.pid}/fd").iterdir()))
