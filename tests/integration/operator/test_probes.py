"""What the kubelet and Prometheus ask the operator for, over HTTP."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from cluster.ports import free_port
from support.control_plane import ApiServer
from support.operator_process import OperatorProcess
from support.waiting import eventually

pytestmark = pytest.mark.integration


def fetch(port: int, path: str) -> str:
    """The body of an answer with status 200, else nothing."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, TimeoutError):
        return ""


@pytest.mark.case(28)
def test_running_operator_answers_probes_and_metrics(
    crd_installed: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """The probe says yes over HTTP, from outside the operator's event loop."""
    probes, metrics = free_port(), free_port()
    operator = OperatorProcess(
        crd_installed.kubeconfig,
        namespace,
        tmp_path / "operator.log",
        {"PROBE_PORT": str(probes), "METRICS_PORT": str(metrics)},
    )
    operator.start()
    try:
        eventually(lambda: fetch(probes, "/healthz"), "the probe answers with 200", 20)
        assert '"alive": "yes"' in fetch(probes, "/healthz")
        assert "# TYPE preftrain_" in fetch(metrics, "/metrics")
    finally:
        operator.stop()
