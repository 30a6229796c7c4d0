"""The servers that the other integration tests stand on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from cluster.audit_log import count_writes
from cluster.components import API_SERVER, ETCD
from cluster.control_plane import ControlPlane
from cluster.errors import ApiError
from cluster.processes import Identity, read_stat
from support.control_plane import ApiServer
from support.s3_server import Bucket
from support.waiting import eventually

pytestmark = pytest.mark.integration

CONFIG_MAPS = "/api/v1/namespaces/{}/configmaps"


def config_map(name: str) -> dict[str, object]:
    return {"metadata": {"name": name}, "data": {"key": "value"}}


def test_a_namespace_is_the_tests_own(control_plane: ApiServer, namespace: str) -> None:
    """Each test gets a new, empty namespace, named after it."""
    assert namespace.startswith("test-a-namespace-is-the-tests-own")
    pods = control_plane.api().get(f"/api/v1/namespaces/{namespace}/pods")
    assert pods["items"] == []


def test_the_job_controller_makes_a_jobs_pod(control_plane: ApiServer, namespace: str) -> None:
    """A Job created by a test gets its pod, though no node will ever run it."""
    if control_plane.started is None or not control_plane.started.layout.controllers:
        pytest.skip("needs a controller manager that the tests start")
    api = control_plane.api()
    container = {"name": "main", "image": "none"}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    job = {"metadata": {"name": "work"}, "spec": {"template": template}}
    api.call("POST", f"/apis/batch/v1/namespaces/{namespace}/jobs", job)
    pods = f"/api/v1/namespaces/{namespace}/pods"
    eventually(lambda: len(api.get(pods)["items"]) == 1, "the Job has one pod")


def test_the_audit_log_counts_a_clients_writes(control_plane: ApiServer, namespace: str) -> None:
    """Writes are told apart by client, verb and resource; reads are not counted."""
    api = control_plane.api(user_agent="counted-client/1")
    path = CONFIG_MAPS.format(namespace)
    api.call("POST", path, config_map("one"))
    api.call("PATCH", f"{path}/one", {"data": {"key": "other"}})
    api.get(path)
    assert [request.verb for request in control_plane.requests("counted-client", namespace)] == [
        "create",
        "patch",
        "list",
    ]
    started = control_plane.started
    assert started is not None
    writes = count_writes(started.layout.audit_log, user_agent_prefix="counted-client")
    assert writes == {
        ("counted-client/1", "create", "configmaps"): 1,
        ("counted-client/1", "patch", "configmaps"): 1,
    }


def test_a_user_without_rights_is_refused(control_plane: ApiServer, namespace: str) -> None:
    """RBAC is in force: a kubeconfig of another user may do nothing until it is bound."""
    started = control_plane.started
    if started is None:
        pytest.skip("needs a certificate authority that the tests own")
    control_plane.api().get(CONFIG_MAPS.format(namespace))
    nobody = ApiServer(started.user_kubeconfig("nobody"), None).api()
    with pytest.raises(ApiError, match='User "nobody" cannot list') as refused:
        nobody.get(CONFIG_MAPS.format(namespace))
    assert refused.value.status == 403


@pytest.mark.slow
def test_parts_can_be_paused_killed_and_brought_back(tmp_path: Path) -> None:
    """A paused API server answers nothing, a killed etcd returns with its data."""
    plane = ControlPlane.for_tests(tmp_path)
    plane.start()
    try:
        api = plane.api()
        path = CONFIG_MAPS.format("default")
        api.call("POST", path, config_map("kept"))

        def is_kept() -> bool:
            try:
                return api.request("GET", f"{path}/kept")[0] == 200
            except OSError:
                return False

        plane.pause(API_SERVER)
        pid = plane.pid(API_SERVER)
        assert pid is not None
        stat = read_stat(pid)
        assert stat is not None
        assert stat.state == "T"
        plane.resume(API_SERVER)
        eventually(api.is_ready, "the resumed API server answers", 60)

        plane.kill(ETCD)
        assert plane.pid(ETCD) is None
        plane.start_component(ETCD)
        eventually(is_kept, "the data are back", 60)

        before = plane.pid(API_SERVER)
        plane.restart(API_SERVER)
        assert plane.pid(API_SERVER) != before
        eventually(is_kept, "the data are still there", 60)
    finally:
        plane.stop()
    assert plane.pid(API_SERVER) is None
    assert plane.pid(ETCD) is None


@pytest.mark.slow
def test_servers_end_with_a_killed_test_run(tmp_path: Path) -> None:
    """A test process that is killed leaves no server behind."""
    script = """
import pathlib, sys, time
from cluster.control_plane import ControlPlane
plane = ControlPlane.for_tests(pathlib.Path(sys.argv[1]))
plane.start()
print(plane.pid("etcd"), plane.pid("kube-apiserver"), flush=True)
time.sleep(600)
"""
    dev = Path(__file__).parents[2] / "dev"
    environment = os.environ | {"PYTHONPATH": str(dev)}
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        pids = [int(pid) for pid in run.stdout.readline().split()]
        stats = [read_stat(pid) for pid in pids]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        servers = [Identity(stat.pid, stat.start_ticks, boot) for stat in stats if stat]
        assert len(servers) == 2
        assert all(server.is_running() for server in servers)
        run.send_signal(signal.SIGKILL)
    eventually(lambda: not any(server.is_running() for server in servers), "both ended", 10)


def test_s3_keeps_an_object_and_honours_conditions(bucket: Bucket) -> None:
    """The S3 server stores objects and refuses a conditional write onto an existing one."""
    client = boto3.client(
        "s3",
        endpoint_url=bucket.endpoint,
        aws_access_key_id=bucket.access_key,
        aws_secret_access_key=bucket.secret_key,
        region_name="us-east-1",
    )
    client.put_object(Bucket=bucket.name, Key="a/b.json", Body=b"{}", IfNoneMatch="*")
    assert (bucket.folder / "a" / "b.json").read_bytes() == b"{}"
    with pytest.raises(ClientError) as refused:
        client.put_object(Bucket=bucket.name, Key="a/b.json", Body=b"[]", IfNoneMatch="*")
    assert refused.value.response["Error"]["Code"] == "PreconditionFailed"
    assert client.get_object(Bucket=bucket.name, Key="a/b.json")["Body"].read() == b"{}"
    client.close()
