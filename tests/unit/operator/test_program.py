"""The operator as a program: what it says when it cannot start."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

IMAGES = {"PREFTRAIN_PREPARE_IMAGE": "p:1", "PREFTRAIN_TRAINER_IMAGE": "t:1"}
CONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "it",
    "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    "clusters": [{"name": "it", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "it", "user": {}}],
}


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end; nothing of this process's own cluster is seen."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "preftrain_operator"],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def in_one_line(ended: subprocess.CompletedProcess[str]) -> str:
    """What it said: one sentence, and no traceback before it."""
    assert ended.returncode == 64, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr.splitlines()[-1]


def test_a_missing_image_is_named_by_its_variable() -> None:
    """Nothing is tried before the settings are whole."""
    assert "PREFTRAIN_TRAINER_IMAGE" in in_one_line(start(PREFTRAIN_PREPARE_IMAGE="p:1"))


def test_a_missing_kubeconfig_is_told(tmp_path: Path) -> None:
    """Out of a cluster it needs one."""
    line = in_one_line(start(**IMAGES, KUBECONFIG=str(tmp_path / "none")))
    assert "set KUBECONFIG" in line


def test_a_port_in_use_is_named_by_its_variable(tmp_path: Path) -> None:
    """Two operators on one machine, say."""
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(CONFIG))
    with socket.create_server(("0.0.0.0", 0)) as taken:  # noqa: S104  # as the operator does
        port = taken.getsockname()[1]
        line = in_one_line(start(**IMAGES, KUBECONFIG=str(path), PREFTRAIN_METRICS_PORT=str(port)))
    assert "PREFTRAIN_METRICS_PORT" in line
    assert str(port) in line
