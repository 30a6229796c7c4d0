"""The Kubernetes API through `kubernetes.aio`, raw JSON in both directions.

The generated models cost seconds on large lists, so requests go through the client's
transport and come back as dicts.
"""

import json
import os
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import aiohttp
from kubernetes.aio import client, config

from preftrain_api.progress import MAX_PROGRESS_BYTES
from preftrain_operator.kube.body import read_at_most
from preftrain_operator.kube.errors import KubeError, Transient, error_of
from preftrain_operator.kube.port import Json, Kind, Page

PAGE_SIZE: Final = 100
"""Objects of a list that are in memory whole, some 100 KiB each, before they are trimmed."""
TIMEOUT_SECONDS: Final = 30.0
PROXY_TIMEOUT_SECONDS: Final = 2.0
FIELD_MANAGER: Final = "preftrain-operator"
_TOKEN: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_AUTH: Final = ["BearerToken"]
_JSON: Final = "application/json"
_MERGE_PATCH: Final = "application/merge-patch+json"
_NO_ANSWER: Final = (TimeoutError, aiohttp.ClientError, OSError, ssl.SSLError)

Count = Callable[[str, str, int], None]
"""Takes verb, resource and HTTP status of every request; 0 where there was no answer."""


def in_cluster() -> bool:
    """Whether this process runs in a pod with a service account."""
    return "KUBERNETES_SERVICE_HOST" in os.environ and _TOKEN.exists()


class KubeClient:
    """`KubePort`, and `ProgressPort` through the API server's pod proxy."""

    def __init__(self, api: client.ApiClient, count: Count | None = None) -> None:
        self._api = api
        self._count = count or _ignore

    @classmethod
    async def connect(
        cls, *, user_agent: str, connections: int, count: Count | None = None
    ) -> "KubeClient":
        """A client with the pod's service account, else with the user's kubeconfig.

        Raises:
            ConnectionError: when neither is there or usable.
        """
        configuration = client.Configuration()
        try:
            if in_cluster():
                config.load_incluster_config(client_configuration=configuration)
            else:
                await config.load_kube_config(client_configuration=configuration)
        except (config.ConfigException, OSError) as error:
            raise ConnectionError(
                f"no service account and no usable kubeconfig: {error}; set KUBECONFIG"
            ) from error
        configuration.connection_pool_maxsize = connections
        configuration.retries = None
        # The API server sends nobody elsewhere; what does is a pod behind its proxy.
        configuration.trace_configs = [_without_redirects()]
        configuration.client_session_kwargs = {
            "cookie_jar": aiohttp.DummyCookieJar(),
            # Otherwise every request looks for a .netrc and for proxies in two threads. The
            # watches do not look either; a kubeconfig's proxy-url is honoured by both.
            "trust_env": False,
        }
        api = client.ApiClient(configuration)
        api.user_agent = user_agent
        return cls(api, count)

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    async def pages(
        self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Page]:
        """See `KubePort`."""
        query = [("limit", str(PAGE_SIZE))]
        if labels:
            query.append(("labelSelector", labels))
        if fields:
            query.append(("fieldSelector", fields))
        token = ""
        while True:
            more = [("continue", token)] if token else []
            answer = await self._call("GET", kind, _path(kind, namespace), query=query + more)
            metadata = answer["metadata"]
            yield Page(tuple(answer.get("items") or ()), metadata["resourceVersion"])
            token = metadata.get("continue") or ""
            if not token:
                return

    async def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """See `KubePort`."""
        return await self._call("GET", kind, _path(kind, namespace, name))

    async def create(self, kind: Kind, namespace: str, body: Json) -> Json:
        """See `KubePort`."""
        query = [("fieldManager", FIELD_MANAGER)]
        return await self._call("POST", kind, _path(kind, namespace), body, query=query)

    async def patch_status(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        """See `KubePort`."""
        return await self._patch(kind, f"{_path(kind, namespace, name)}/status", patch)

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        """See `KubePort`."""
        return await self._patch(kind, _path(kind, namespace, name), patch)

    async def delete(
        self, kind: Kind, namespace: str, name: str, uid: str, *, foreground: bool
    ) -> Json:
        """See `KubePort`."""
        body = {
            "preconditions": {"uid": uid},
            "propagationPolicy": "Foreground" if foreground else "Background",
        }
        return await self._call("DELETE", kind, _path(kind, namespace, name), body)

    async def read(self, namespace: str, pod: str, address: str) -> bytes | None:
        """See `ProgressPort`; the address is not used, the API server knows it."""
        path = f"{_path(Kind.PODS, namespace, pod)}:{address.rsplit(':', 1)[-1]}/proxy/progress"
        try:
            response = await self._ask("GET", path, timeout=PROXY_TIMEOUT_SECONDS)
            try:
                body = await read_at_most(response.content, MAX_PROGRESS_BYTES)
            finally:
                response.close()
        except _NO_ANSWER:
            return None
        self._count("GET", "pods/proxy", response.status)
        return body if response.status == 200 else None

    async def _patch(self, kind: Kind, path: str, patch: Json) -> Json:
        query = [("fieldManager", FIELD_MANAGER)]
        return await self._call("PATCH", kind, path, patch, query=query, content=_MERGE_PATCH)

    async def _call(
        self,
        method: str,
        kind: Kind,
        path: str,
        body: Json | None = None,
        *,
        query: list[tuple[str, str]] | None = None,
        content: str = _JSON,
    ) -> Json:
        try:
            response = await self._ask(method, path, body, query=query, content=content)
            data = await response.read()
        except _NO_ANSWER as error:
            self._count(method, kind.plural, 0)
            raise Transient(f"{method} {path}: {type(error).__name__}: {error}") from error
        status = response.status
        self._count(method, kind.plural, status)
        if status >= 400:
            raise _error(status, response.headers.get("Retry-After"), data, f"{method} {path}")
        try:
            answer: Json = json.loads(data)
        except ValueError as error:
            raise Transient(f"{method} {path}: the answer is not JSON", status) from error
        return answer

    async def _ask(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        query: list[tuple[str, str]] | None = None,
        content: str = _JSON,
        timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109  # handed to the transport
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": _JSON, "Content-Type": content}
        # Bodies are plain JSON: the client need not look for models and times in them.
        method, url, headers, _, _ = await self._api.param_serialize(
            method, path, None, query, headers, auth_settings=_AUTH
        )
        answer = await self._api.rest_client.request(
            method, url, headers=headers, body=body, _request_timeout=timeout
        )
        response: aiohttp.ClientResponse = answer.response
        return response


def _without_redirects() -> aiohttp.TraceConfig:
    """Ends every request that is answered with another address."""

    async def refuse(*_: object) -> None:
        raise aiohttp.ClientError("a redirect is not followed")

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(refuse)
    return trace


def _path(kind: Kind, namespace: str | None, name: str = "") -> str:
    where = f"/namespaces/{namespace}" if namespace else ""
    return f"/{kind.prefix}{where}/{kind.plural}" + (f"/{name}" if name else "")


def _error(status: int, retry_after: str | None, data: bytes, request: str) -> KubeError:
    try:
        told = json.loads(data)
        reason, message = str(told.get("reason", "")), str(told.get("message", ""))
    except (ValueError, AttributeError):
        reason, message = "", data[:200].decode(errors="replace")
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
    return error_of(status, reason, message or f"{request}: {status}", seconds)


def _ignore(verb: str, resource: str, status: int) -> None:
    """Counts nothing."""
