"""The local cluster runs pods, heals after crashes, and leaves nothing behind."""

from __future__ import annotations

import os
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster import cgroups, firewall, machine, network, processes
from cluster.api import Api
from cluster.builder import program
from cluster.gpu import GPU_RESOURCE, set_fake_gpus
from cluster.kind import docker_answers
from cluster.leftovers import end_processes, leftovers, unmount
from cluster.local import LocalCluster
from cluster.oci import write_scratch_image
from cluster.place import NODE_NAME, RUN_DIR, Place
from cluster.processes import Service
from cluster.session import end_cluster, load_image, start_cluster
from support.waiting import eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="a node needs root"),
    pytest.mark.skipif(docker_answers(), reason="here the cluster is kind's, tested by kind"),
]

IMAGE = "preftrain.local/testpod:e2e"
PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
PROGRAMS = ("containerd", "etcd", "kube-apiserver", "kubelet", "kube-proxy", "kube-scheduler")


@pytest.fixture(scope="module")
def place() -> Place:
    return Place.of_user()


@pytest.fixture(scope="module")
def settings_before(place: Place) -> dict[str, str]:
    if place.record.exists():
        pytest.skip("a cluster runs already, and these tests would end it: `make cluster-down`")
    return machine.note_settings()


@pytest.fixture(scope="module")
def api(
    place: Place, settings_before: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """A cluster with the test image on its node."""
    cluster = start_cluster("local")
    archive = tmp_path_factory.mktemp("image") / "testpod.tar"
    load_image(write_scratch_image(program("testpod"), IMAGE, archive))
    yield Api(cluster.kubeconfig)
    if place.record.exists():
        end_cluster()


def pod_spec(*args: str, **container: Any) -> dict[str, Any]:
    main = {"name": "main", "image": IMAGE, "imagePullPolicy": "Never", "args": list(args)}
    return {"restartPolicy": "Never", "containers": [main | container]}


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - made here, http only
        return str(answer.read().decode().strip())


def answers(url: str, text: str) -> bool:
    try:
        return read(url) == text
    except OSError:
        return False


def phase(api: Api, name: str) -> str:
    return str(api.get(f"{PODS}/{name}")["status"].get("phase"))


def pids(place: Place) -> dict[str, int]:
    found = {name: processes.running(Service(name, place.logs, ())) for name in PROGRAMS}
    return {name: identity.pid for name, identity in found.items() if identity is not None}


def test_a_job_runs_to_completion(api: Api) -> None:
    """A restricted pod is scheduled, run and counted."""
    restricted = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    spec = pod_spec("exit", "0", securityContext=restricted)
    api.call("POST", JOBS, {"metadata": {"name": "done"}, "spec": {"template": {"spec": spec}}})
    eventually(lambda: api.get(f"{JOBS}/done")["status"].get("succeeded") == 1, "the Job is done")


def test_an_exit_status_reaches_the_api(api: Api) -> None:
    """The operator reads verdicts from exit codes."""
    api.call("POST", PODS, {"metadata": {"name": "fails"}, "spec": pod_spec("exit", "76")})
    eventually(lambda: phase(api, "fails") == "Failed", "the pod has failed")
    ended = api.get(f"{PODS}/fails")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == 76


def test_pods_and_services_are_reached_from_the_host_and_from_pods(api: Api) -> None:
    """A pod's address and a service's address work from both sides of the bridge."""
    spec = pod_spec("serve") | {"restartPolicy": "Always"}
    api.call("POST", PODS, {"metadata": {"name": "web", "labels": {"app": "web"}}, "spec": spec})
    ports = [{"port": 80, "targetPort": 8080}]
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": ports}}
    address = api.call("POST", SERVICES, service)["spec"]["clusterIP"]
    eventually(lambda: phase(api, "web") == "Running", "the pod runs")
    pod_address = api.get(f"{PODS}/web")["status"]["podIP"]
    eventually(lambda: answers(f"http://{pod_address}:8080", "web"), "the pod answers the host")
    eventually(lambda: answers(f"http://{address}", "web"), "the service answers the host")
    fetch = pod_spec("fetch", f"http://{address}")
    api.call("POST", PODS, {"metadata": {"name": "fetch"}, "spec": fetch})
    eventually(lambda: phase(api, "fetch") == "Succeeded", "a pod reads from the service")
    assert api.request("GET", f"{PODS}/fetch/log") == (200, "web\n")


def test_a_second_up_changes_nothing(api: Api, place: Place) -> None:
    """Every process stays the same one."""
    before = pids(place)
    assert set(before) == set(PROGRAMS)
    start_cluster()
    assert pids(place) == before


def test_known_layers_are_not_sent_again(
    api: Api, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An image under another tag costs its manifest only."""
    archive = write_scratch_image(program("testpod"), IMAGE, tmp_path / "again.tar")
    # Images outlive `down`, so an earlier run's tag would be known already.
    other = f"preftrain.local/testpod:{uuid.uuid4().hex[:8]}"
    capsys.readouterr()
    load_image(archive, other)
    assert "(0 MB sent)" in capsys.readouterr().err
    load_image(archive, other)
    assert "loaded already" in capsys.readouterr().err


def test_a_pod_that_asks_for_a_fake_gpu_is_placed(api: Api) -> None:
    """It waits while there is none, and runs once the node claims to have one."""
    limits = {"limits": {GPU_RESOURCE: "1"}}
    spec = pod_spec("exit", "0", resources=limits)
    api.call("POST", PODS, {"metadata": {"name": "gpu"}, "spec": spec})

    def unschedulable() -> bool:
        conditions = api.get(f"{PODS}/gpu")["status"].get("conditions", [])
        return any(each.get("reason") == "Unschedulable" for each in conditions)

    eventually(unschedulable, "the pod finds no node")
    set_fake_gpus(api, NODE_NAME, 1)
    eventually(lambda: phase(api, "gpu") == "Succeeded", "the pod has run", 60)


def test_killed_programs_come_back_and_pods_live_on(api: Api, place: Place) -> None:
    """After a crash of everything but the pods, `up` restores the cluster around them."""
    container = api.get(f"{PODS}/web")["status"]["containerStatuses"][0]["containerID"]
    for name in PROGRAMS:
        processes.kill(Service(name, place.logs, ()))
    assert pids(place) == {}
    start_cluster()
    assert set(pids(place)) == set(PROGRAMS)
    status = api.get(f"{PODS}/web")["status"]["containerStatuses"][0]
    assert status["containerID"] == container
    assert answers(f"http://{api.get(f'{PODS}/web')['status']['podIP']}:8080", "web")


def test_the_cluster_survives_a_reboot(api: Api, place: Place) -> None:
    """With processes, mounts, bridge, rules and cgroups gone, `up` runs the pods again."""
    end_processes(place)
    unmount(place)
    cgroups.remove_cgroups()
    network.remove_bridge()
    firewall.remove_rules()
    assert not any(LocalCluster(place).status().values())
    start_cluster()
    address = api.get(f"{SERVICES}/web")["spec"]["clusterIP"]
    eventually(lambda: answers(f"http://{address}", "web"), "the pod runs again", 60)


def test_down_leaves_nothing(api: Api, place: Place, settings_before: dict[str, str]) -> None:
    """No process, mount, bridge, rule, cgroup or changed setting; a second `down` is a no-op."""
    assert leftovers(place) != []
    end_cluster()
    assert leftovers(place) == []
    assert not place.state.exists()
    assert not RUN_DIR.exists()
    assert machine.note_settings() == settings_before
    end_cluster()
