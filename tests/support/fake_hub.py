"""A model hub on loopback that serves repositories from folders, for `HF_ENDPOINT`.

Knows as much of the hub's HTTP interface as its client needs to pin and download.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "c0ffee" + "0" * 34


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the hub says to a question for a revision, in place of an answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"


@contextmanager
def fake_hub(root: Path, refusals: Iterable[Refusal] = ()) -> Iterator[str]:
    """Serve `root/models/owner/name` and `root/datasets/owner/name`; yields the endpoint.

    The first questions for a revision get `refusals`, one each.
    """
    server = _Hub(("127.0.0.1", 0), _Handler)
    server.root = root
    server.refusals = iter(refusals)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Hub(ThreadingHTTPServer):
    root: Path
    refusals: Iterator[Refusal]


class _Handler(BaseHTTPRequestHandler):
    server: _Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer the API's question for a revision, or a file."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer what a file is."""
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def _answer(self, *, with_body: bool) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts[0] == "api":
            if parts[4:5] == ["tree"]:
                self._tree(parts[1], "/".join(parts[2:4]))
            else:
                self._info(parts[1], "/".join(parts[2:4]), parts[5] if len(parts) > 5 else "main")
            return
        kind = "models"
        if parts[0] == "datasets":
            kind, parts = "datasets", parts[1:]
        path = self.server.root / kind / "/".join(parts[:2]) / "/".join(parts[4:])
        if parts[2:4] != ["resolve", COMMIT] or not path.is_file():
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, with_body)
            return
        data = path.read_bytes()
        headers = {"ETag": f'"{_blob_id(path)}"'}
        self._send(200, data, {**headers, "X-Repo-Commit": COMMIT}, with_body)

    def _info(self, kind: str, name: str, revision: str) -> None:
        refusal = next(self.server.refusals, None)
        if refusal is not None:
            self._send(refusal.status, refusal.body, refusal.headers)
            return
        folder = self.server.root / kind / name
        if not folder.is_dir():
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            return
        if (folder / ".gated").exists():
            self._send(403, b"{}", {"X-Error-Code": "GatedRepo"})
            return
        if revision not in ("main", COMMIT):
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        info: dict[str, Any] = {
            "id": name,
            "sha": COMMIT,
            "siblings": [
                {"rfilename": path.relative_to(folder).as_posix(), "size": path.stat().st_size}
                for path in files
            ],
        }
        self._send(200, json.dumps(info).encode(), {"Content-Type": "application/json"})

    def _tree(self, kind: str, name: str) -> None:
        folder = self.server.root / kind / name
        files = [
            {
                "type": "file",
                "path": path.relative_to(folder).as_posix(),
                "size": path.stat().st_size,
                "oid": _blob_id(path),
            }
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ]
        self._send(200, json.dumps(files).encode(), {"Content-Type": "application/json"})

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], with_body: bool = True
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def _blob_id(path: Path) -> str:
    return hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
