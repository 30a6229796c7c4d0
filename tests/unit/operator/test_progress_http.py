"""Questions to pods, over real sockets: what is taken for an answer."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from preftrain_operator.kube import progress_http
from preftrain_operator.kube.progress_http import PodHttp


async def ask(handler: object) -> bytes | None:
    """What the operator gets from a pod that answers so."""
    app = web.Application()
    app.router.add_get("/progress", handler)  # type: ignore[arg-type]
    app.router.add_get("/elsewhere", good)
    server = TestServer(app)
    await server.start_server()
    pods = PodHttp(4)
    try:
        return await pods.read("team", "pod", f"127.0.0.1:{server.port}")
    finally:
        await pods.close()
        await server.close()


async def good(request: web.Request) -> web.Response:
    """An answer."""
    return web.Response(body=b'{"uid": "x"}')


async def redirecting(request: web.Request) -> web.Response:
    """A pod that sends the operator somewhere else."""
    raise web.HTTPFound("/elsewhere")


async def failing(request: web.Request) -> web.Response:
    """A pod that is not ready."""
    return web.Response(status=503, body=b"{}")


async def too_long(request: web.Request) -> web.Response:
    """A pod that wants the operator's memory."""
    return web.Response(body=b"x" * 20_000)


async def test_a_plain_answer_is_taken() -> None:
    """200 and not too long."""
    assert await ask(good) == b'{"uid": "x"}'


@pytest.mark.fault(39)
@pytest.mark.parametrize("handler", [redirecting, failing, too_long])
async def test_other_answers_are_none(handler: object) -> None:
    """No redirect is followed, no error page read, nothing longer than 16 KiB."""
    assert await ask(handler) is None


@pytest.mark.fault(39)
async def test_a_silent_pod_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After two seconds; in this test after less."""

    async def silent(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    monkeypatch.setattr(progress_http, "TIMEOUT_SECONDS", 0.1)
    assert await ask(silent) is None


async def test_an_address_where_nobody_listens_is_no_answer() -> None:
    """The pod has ended in the meantime."""
    pods = PodHttp(4)
    try:
        assert await pods.read("team", "pod", "127.0.0.1:1") is None
    finally:
        await pods.close()
