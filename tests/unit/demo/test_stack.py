"""The demo's servers beside the cluster: what survives, and the way back."""

import stat
from pathlib import Path

import pytest

from cluster import processes
from cluster.errors import ClusterError
from cluster.processes import Service
from demo import prometheus
from demo.stack import Stack, end_servers, state_folder


class Cluster:
    """As much of a cluster as the servers look at."""

    host_address = "127.0.0.1"
    kubeconfig = Path("kubeconfig")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFTRAIN_CLUSTER_DIR", str(tmp_path / "cluster"))


def stack() -> Stack:
    return Stack.of(Cluster())  # type: ignore[arg-type]


def test_ports_and_keys_survive_between_calls() -> None:
    """Jobs of an earlier call go on with the Secret that they were given."""
    assert stack().secret == stack().secret
    assert stack().s3.port == stack().s3.port
    key = state_folder() / "s3.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_key_that_was_cut_off_while_it_was_made_is_made_again() -> None:
    """An empty key would lock every client out until the end of the demo."""
    state_folder().mkdir(parents=True)
    (state_folder() / "s3.new").touch(mode=0o600)
    assert len(stack().s3.secret_key) == 32


def test_the_way_back_needs_neither_cluster_nor_prometheus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo that was cut off early is ended without installing anything."""

    def missing() -> Path:
        raise ClusterError("prometheus is missing")

    monkeypatch.setattr(prometheus, "executable", missing)
    sleeper = Service("versitygw", stack().s3.folder, ["/bin/sleep", "600"])
    processes.start(sleeper)

    end_servers()

    assert processes.running(sleeper) is None
    assert not state_folder().exists()
