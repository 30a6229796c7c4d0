"""The client against a real API server: what its answers become."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from preftrain_operator.kube import client as kube_client
from preftrain_operator.kube.client import KubeClient
from preftrain_operator.kube.errors import (
    AlreadyExists,
    Conflict,
    Denied,
    Invalid,
    NotFound,
    Transient,
)
from preftrain_operator.kube.port import Kind
from support.control_plane import ApiServer
from support.training_jobs import SPEC

pytestmark = pytest.mark.integration


def job(name: str) -> dict[str, Any]:
    """A plain Job."""
    container = {"name": "main", "image": "none"}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {"test": "yes"}},
        "spec": {"suspend": True, "template": template},
    }


@pytest_asyncio.fixture
async def kube(
    crd_installed: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KubeClient]:
    """The operator's client with all rights."""
    monkeypatch.setattr(
        "kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION",
        str(crd_installed.kubeconfig),
    )
    connected = await KubeClient.connect(user_agent="client-test", connections=4)
    yield connected
    await connected.close()


async def test_each_refusal_is_its_own_error(kube: KubeClient, namespace: str) -> None:
    """The operator's reactions hang on telling these apart."""
    created = await kube.create(Kind.JOBS, namespace, job("one"))
    uid = created["metadata"]["uid"]
    with pytest.raises(AlreadyExists):
        await kube.create(Kind.JOBS, namespace, job("one"))
    with pytest.raises(NotFound):
        await kube.get(Kind.JOBS, namespace, "two")
    with pytest.raises(Invalid):
        await kube.create(Kind.JOBS, namespace, {**job("two"), "spec": {}})
    with pytest.raises(Conflict):
        await kube.delete(Kind.JOBS, namespace, "one", "another-uid", foreground=False)
    other = {"uid": "another-uid", "resourceVersion": "1"}
    stop = {"metadata": other, "spec": {"activeDeadlineSeconds": 1}}
    with pytest.raises(Conflict):
        await kube.patch(Kind.JOBS, namespace, "one", stop)
    gone = await kube.delete(Kind.JOBS, namespace, "one", uid, foreground=True)
    assert gone["kind"] == "Job"
    assert "deletionTimestamp" in gone["metadata"]


async def test_a_status_write_on_an_old_version_is_a_conflict(
    kube: KubeClient, namespace: str
) -> None:
    """And one on the present version is stored and answered whole."""
    body = {
        "apiVersion": "preftrain.dev/v1alpha1",
        "kind": "PreferenceTrainingJob",
        "metadata": {"name": "run"},
        "spec": SPEC,
    }
    created = await kube.create(Kind.TRAINING_JOBS, namespace, body)
    metadata = {key: created["metadata"][key] for key in ("uid", "resourceVersion")}
    patch = {"metadata": metadata, "status": {"runRevision": 1}}
    stored = await kube.patch_status(Kind.TRAINING_JOBS, namespace, "run", patch)
    assert stored["status"]["runRevision"] == 1
    with pytest.raises(Conflict):
        await kube.patch_status(Kind.TRAINING_JOBS, namespace, "run", patch)


async def test_lists_come_in_pages_and_by_label(
    kube: KubeClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All items of one moment, however many pages they fill."""
    for number in range(5):
        await kube.create(Kind.JOBS, namespace, job(f"job-{number}"))
    monkeypatch.setattr(kube_client, "PAGE_SIZE", 2)
    pages = [page async for page in kube.pages(Kind.JOBS, namespace, labels="test=yes")]
    assert [len(page.items) for page in pages] == [2, 2, 1]
    assert len({page.resource_version for page in pages}) == 1
    (page,) = [page async for page in kube.pages(Kind.JOBS, namespace, labels="test=no")]
    assert page.items == ()


async def test_without_rights_or_server(
    crd_installed: ApiServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forbidden is for people to solve; no answer is worth another try."""
    if crd_installed.started is None:
        pytest.skip("needs a certificate authority that the tests own")
    nobody = crd_installed.started.user_kubeconfig("nobody")
    location = "kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
    monkeypatch.setattr(location, str(nobody))
    client = await KubeClient.connect(user_agent="client-test", connections=4)
    try:
        with pytest.raises(Denied):
            await client.get(Kind.JOBS, namespace, "one")
    finally:
        await client.close()
    text = nobody.read_text().replace(crd_installed.started.server, "https://127.0.0.1:1")
    nobody.write_text(text)
    client = await KubeClient.connect(user_agent="client-test", connections=4)
    try:
        with pytest.raises(Transient):
            await client.get(Kind.JOBS, namespace, "one")
    finally:
        await client.close()
