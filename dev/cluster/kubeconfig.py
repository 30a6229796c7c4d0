"""Writes kubeconfig files; they are JSON, which every YAML reader takes."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

from cluster.pki import KeyPair


def write_kubeconfig(path: Path, server: str, authority: Path, user: KeyPair) -> Path:
    """Write a kubeconfig that holds its certificates, so that it can be copied anywhere."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "preftrain-local",
        "contexts": [
            {"name": "preftrain-local", "context": {"cluster": "preftrain-local", "user": "me"}}
        ],
        "clusters": [
            {
                "name": "preftrain-local",
                "cluster": {"server": server, "certificate-authority-data": _encode(authority)},
            }
        ],
        "users": [
            {
                "name": "me",
                "user": {
                    "client-certificate-data": _encode(user.certificate),
                    "client-key-data": _encode(user.key),
                },
            }
        ],
    }
    text = json.dumps(content, indent=2) + "\n"
    if not (path.exists() and path.read_text() == text):
        unfinished = path.with_suffix(".new")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(text)
        unfinished.rename(path)
    return path


def _encode(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
