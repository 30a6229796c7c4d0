"""An HTTP proxy on loopback that does to requests what networks and overloaded servers do.

It stands in front of one real server. Rules say which requests are hit, by method, path and
count, and with what. Hosts are passed on untouched, so that S3's signatures stay valid.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Kind = Literal[
    "Answer",
    "ResetRequest",
    "LoseAnswer",
    "CutAnswer",
    "Silence",
    "Trickle",
    "DamageRequest",
    "DamageAnswer",
]
"""What happens to a request that is hit.

Answer: the proxy answers `status` and `code` itself; the server never sees the request.
ResetRequest: the connection is reset after `count` bytes of the request's body; the server
    never sees it.
LoseAnswer: the server does what was asked, and the connection is reset instead of its answer.
CutAnswer: the connection is reset after `count` bytes of the answer's body.
Silence: the server does what was asked, and nothing comes back until the client gives up.
Trickle: the answer comes byte by byte.
DamageRequest, DamageAnswer: one byte of the body is another one.
"""

Step = Literal["Before", "After"]
Watcher = Callable[[Step, str, str], None]
"""Called with method and path before a request is passed on and before it is answered."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a request; see `Kind`."""

    kind: Kind
    status: int = 503
    code: str = "SlowDown"
    count: int = 0

    def __str__(self) -> str:
        if self.kind == "Answer":
            return f"{self.status} {self.code}"
        return self.kind if not self.count else f"{self.kind} after {self.count} bytes"


@dataclass(slots=True)
class Rule:
    """Which requests are hit by a fault.

    Attributes:
        fault: what happens to them.
        nth: the first one that is hit, counted from 1 among those that match.
        times: how many are hit from there on; None for all.
        method: a regular expression for the method.
        path: a regular expression to be found in path and query.
    """

    fault: Fault
    nth: int = 1
    times: int | None = 1
    method: str = ".*"
    path: str = ""
    matched: int = field(default=0, init=False)

    def hits(self, method: str, path: str) -> bool:
        """Count a request that matches, and say whether it is one of those hit."""
        if re.fullmatch(self.method, method) is None or re.search(self.path, path) is None:
            return False
        self.matched += 1
        past = self.matched - self.nth
        return past >= 0 and (self.times is None or past < self.times)


class FaultProxy:
    """Passes requests to `upstream`, but for those that a rule hits."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.rules: list[Rule] = []
        self.seen: list[tuple[str, str]] = []
        """Method and path of every request since the last `plan`."""
        self.hit: list[tuple[str, str]] = []
        """Those of them that a rule hit."""
        self.watch: Watcher = lambda step, method, path: None
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(self)

    @property
    def endpoint(self) -> str:
        """The URL that clients are given."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def plan(self, *rules: Rule) -> None:
        """Forget the past and hit what these rules say from now on."""
        with self._lock:
            self.rules = list(rules)
            self.seen, self.hit = [], []

    def fault_for(self, method: str, path: str) -> Fault | None:
        """Count a request and say what happens to it."""
        with self._lock:
            self.seen.append((method, path))
            hits = [rule.fault for rule in self.rules if rule.hits(method, path)]
            if hits:
                self.hit.append((method, path))
            return hits[0] if hits else None

    @contextmanager
    def running(self) -> Iterator[FaultProxy]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FaultProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients hang up in the middle of things here; that is what is tested."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        proxy = self.server.proxy
        fault = proxy.fault_for(self.command, self.path)
        if fault is not None and fault.kind == "Answer":
            self._read_body()
            self._answer_error(fault)
            return
        if fault is not None and fault.kind == "ResetRequest":
            self.rfile.read(min(fault.count, self._body_bytes()))
            self._reset()
            return
        body = self._read_body()
        if fault is not None and fault.kind == "DamageRequest":
            body = _damaged(body)
        proxy.watch("Before", self.command, self.path)
        status, reason, headers, answer = self._ask(body)
        proxy.watch("After", self.command, self.path)
        if fault is None:
            self._send(status, reason, headers, answer)
        elif fault.kind == "LoseAnswer":
            self._reset()
        elif fault.kind == "Silence":
            self._until_client_gives_up()
        elif fault.kind == "CutAnswer":
            self._send(status, reason, headers, answer[: fault.count])
            self._reset()
        elif fault.kind == "DamageAnswer":
            self._send(status, reason, headers, _damaged(answer))
        else:
            self._send(status, reason, headers, b"")
            for position in range(len(answer)):
                self.wfile.write(answer[position : position + 1])
                self.wfile.flush()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815 - as http.server asks

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def _body_bytes(self) -> int:
        return int(self.headers.get("Content-Length") or 0)

    def _read_body(self) -> bytes:
        return self.rfile.read(self._body_bytes())

    def _ask(self, body: bytes) -> tuple[int, str, list[tuple[str, str]], bytes]:
        connection = HTTPConnection(self.server.proxy.upstream, timeout=60)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() not in ("expect", "connection"):
                    connection.putheader(name, value)
            connection.endheaders(body)
            response: HTTPResponse = connection.getresponse()
            return response.status, response.reason, response.getheaders(), response.read()
        finally:
            connection.close()

    def _send(
        self, status: int, reason: str, headers: list[tuple[str, str]], answer: bytes
    ) -> None:
        self.send_response_only(status, reason)
        length = str(len(answer))
        for name, value in headers:
            if name.lower() == "content-length":
                length = value
            elif name.lower() not in ("transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(answer)

    def _answer_error(self, fault: Fault) -> None:
        body = b""
        if self.command != "HEAD":
            said = f"<Code>{fault.code}</Code><Message>made up by the test</Message>"
            body = f'<?xml version="1.0" encoding="UTF-8"?><Error>{said}</Error>'.encode()
        self._send(fault.status, "Fault", [("Content-Type", "application/xml")], body)

    def _until_client_gives_up(self) -> None:
        self.connection.settimeout(0.05)
        while not self.server.proxy.closing.is_set():
            try:
                if not self.connection.recv(1):
                    break
            except TimeoutError:
                continue
        self.close_connection = True

    def _reset(self) -> None:
        # Without lingering, closing sends a reset instead of an orderly end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.wfile.flush()
        self.close_connection = True
        self.connection.close()


def _damaged(body: bytes) -> bytes:
    if not body:
        return body
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
