"""A small client of the Kubernetes API: JSON in, JSON out, one connection a call.

It serves the cluster's own commands and the test fixtures, which must work before, and
apart from, the client library that is under test.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import subprocess
import tempfile
import urllib.parse
from pathlib import Path
from typing import Any

from cluster.errors import ApiError, ClusterError
from cluster.kubectl import kubectl

Json = dict[str, Any]
_TIMEOUT_SECONDS = 10.0


class Api:
    """The API server that a kubeconfig's current context names.

    Args:
        kubeconfig: JSON is read directly; YAML through `kubectl config view`.
        user_agent: how the calls appear in the audit log.
    """

    def __init__(self, kubeconfig: Path, user_agent: str = "preftrain-cluster") -> None:
        self._agent = user_agent
        cluster, user = _current(_read(kubeconfig))
        address = urllib.parse.urlsplit(cluster["server"])
        self._host, self._port = address.hostname or "", address.port
        self._secure = address.scheme == "https"
        self._token: str | None = user.get("token")
        self._tls = _tls(cluster, user, kubeconfig.parent) if self._secure else None

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"{'https' if self._secure else 'http'}://{self._host}:{self._port}"

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What proves server and client to each other; None for plain HTTP."""
        return self._tls

    def get(self, path: str) -> Json:
        """Read one object or list; `path` starts with /api or /apis."""
        return self.call("GET", path)

    def call(
        self, method: str, path: str, body: Json | None = None, *, patch_type: str = "merge-patch"
    ) -> Json:
        """Send one request.

        Raises:
            ApiError: the server answered with an error status.
            OSError: it could not be reached.
        """
        status, text = self.request(method, path, body, patch_type=patch_type)
        if status >= 400:
            raise ApiError(status, f"{method} {path}: {status} {_message(text)}")
        answer = json.loads(text) if text else {}
        if not isinstance(answer, dict):
            raise ClusterError(f"{method} {path}: the answer is not an object")
        return answer

    def is_ready(self) -> bool:
        """Whether /readyz says so; False while nothing answers."""
        try:
            return self.request("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def request(
        self, method: str, path: str, body: Json | None = None, *, patch_type: str = "merge-patch"
    ) -> tuple[int, str]:
        """Send one request; the status and the text of the answer, whatever they are."""
        connection = self._connect()
        # Server-side apply is offered for YAML only, which JSON is a part of.
        form = "yaml" if patch_type == "apply-patch" else "json"
        kind = f"application/{patch_type}+{form}" if method == "PATCH" else "application/json"
        headers = {"User-Agent": self._agent, "Accept": "application/json", "Content-Type": kind}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS)
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=_TIMEOUT_SECONDS, context=self._tls
        )


def _read(kubeconfig: Path) -> Json:
    text = kubeconfig.read_text()
    if not text.lstrip().startswith("{"):
        view = [str(kubectl()), "--kubeconfig", str(kubeconfig), "config", "view"]
        view += ["--raw", "--flatten", "-o", "json"]
        text = subprocess.run(view, check=True, capture_output=True, text=True).stdout
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ClusterError(f"{kubeconfig} is not a kubeconfig")
    return content


def _current(config: Json) -> tuple[Json, Json]:
    named = {entry["name"]: entry["context"] for entry in config["contexts"]}
    context = named[config["current-context"]]
    clusters = {entry["name"]: entry["cluster"] for entry in config["clusters"]}
    users = {entry["name"]: entry["user"] for entry in config["users"]}
    return clusters[context["cluster"]], users[context["user"]]


def _tls(cluster: Json, user: Json, folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if "certificate-authority-data" in cluster:
        text = base64.b64decode(cluster["certificate-authority-data"]).decode()
        context.load_verify_locations(cadata=text)
    elif "certificate-authority" in cluster:
        context.load_verify_locations(folder / cluster["certificate-authority"])
    if "client-certificate-data" in user:
        # ssl reads a client's key from a file only.
        with tempfile.NamedTemporaryFile() as pair:
            for key in ("client-certificate-data", "client-key-data"):
                pair.write(base64.b64decode(user[key]))
            pair.flush()
            context.load_cert_chain(pair.name)
    elif "client-certificate" in user:
        context.load_cert_chain(folder / user["client-certificate"], folder / user["client-key"])
    return context


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:300]
