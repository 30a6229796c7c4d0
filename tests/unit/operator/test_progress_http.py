"""Questions to pods, over real sockets: what is taken for an answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from preftrain_operator.kube import client, progress_http
from preftrain_operator.kube.client import KubeClient
from preftrain_operator.kube.progress_http import PodHttp

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Ask = Callable[[Handler], Awaitable[bytes | None]]
PROXY = "/api/v1/namespaces/team/pods/pod:8080/proxy"


class Pod:
    """A pod, and the API server before it, on one port.

    Attributes:
        reached: how many requests came to where an answer sends them.
    """

    def __init__(self, handler: Handler) -> None:
        self.reached = 0
        app = web.Application()
        for prefix in ("", PROXY):
            app.router.add_get(f"{prefix}/progress", handler)
        app.router.add_get("/elsewhere", self._elsewhere)
        self.server = TestServer(app)

    async def _elsewhere(self, request: web.Request) -> web.Response:
        self.reached += 1
        return await good(request)


async def ask_directly(pod: Pod, folder: Path) -> bytes | None:
    """At its own address."""
    pods = PodHttp(4)
    try:
        return await pods.read("team", "pod", f"127.0.0.1:{pod.server.port}")
    finally:
        await pods.close()


async def ask_through_the_api_server(pod: Pod, folder: Path) -> bytes | None:
    """As an operator does that runs outside the pod network."""
    cluster = {"name": "here", "cluster": {"server": f"http://127.0.0.1:{pod.server.port}"}}
    context = {"name": "here", "context": {"cluster": "here", "user": "me"}}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [cluster],
        "contexts": [context],
        "users": [{"name": "me", "user": {}}],
    }
    (folder / "kubeconfig").write_text(json.dumps(config))
    kube = await KubeClient.connect(user_agent="test", connections=4)
    try:
        return await kube.read("team", "pod", "10.0.0.1:8080")
    finally:
        await kube.close()


@pytest.fixture(params=[ask_directly, ask_through_the_api_server], ids=["directly", "proxied"])
def ask(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """What the operator gets from a pod that answers so."""
    location = "kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
    monkeypatch.setattr(location, str(tmp_path / "kubeconfig"))

    async def asked(handler: Handler) -> bytes | None:
        pod = Pod(handler)
        await pod.server.start_server()
        try:
            answer: bytes | None = await request.param(pod, tmp_path)
            assert pod.reached == 0
            return answer
        finally:
            await pod.server.close()

    return asked


async def good(request: web.Request) -> web.Response:
    """An answer."""
    return web.Response(body=b'{"uid": "x"}')


async def in_parts(request: web.Request) -> web.StreamResponse:
    """An answer that does not come at once."""
    response = web.StreamResponse()
    await response.prepare(request)
    for part in (b'{"uid": ', b'"x"}'):
        await response.write(part)
        await asyncio.sleep(0.01)
    return response


async def redirecting(request: web.Request) -> web.Response:
    """A pod that sends the operator somewhere else."""
    raise web.HTTPFound("/elsewhere")


async def failing(request: web.Request) -> web.Response:
    """A pod that is not ready."""
    return web.Response(status=503, body=b"{}")


async def too_long(request: web.Request) -> web.Response:
    """A pod that wants the operator's memory."""
    return web.Response(body=b"x" * 20_000)


async def endless(request: web.Request) -> web.StreamResponse:
    """A pod that wants more of it."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 1000)


@pytest.mark.parametrize("handler", [good, in_parts])
async def test_a_plain_answer_is_taken(ask: Ask, handler: Handler) -> None:
    """200 and not too long, in however many parts."""
    assert await ask(handler) == b'{"uid": "x"}'


@pytest.mark.fault(39)
@pytest.mark.parametrize("handler", [redirecting, failing, too_long, endless])
async def test_other_answers_are_none(ask: Ask, handler: Handler) -> None:
    """No redirect is followed, no error page read, nothing longer than 16 KiB."""
    assert await ask(handler) is None


@pytest.mark.fault(39)
async def test_a_silent_pod_is_given_up(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """After two seconds; in this test after less."""

    async def silent(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    monkeypatch.setattr(progress_http, "TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(client, "PROXY_TIMEOUT_SECONDS", 0.1)
    assert await ask(silent) is None


async def test_an_address_where_nobody_listens_is_no_answer() -> None:
    """The pod has ended in the meantime."""
    pods = PodHttp(4)
    try:
        assert await pods.read("team", "pod", "127.0.0.1:1") is None
    finally:
        await pods.close()
