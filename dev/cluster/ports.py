"""Free TCP ports of this machine."""

from __future__ import annotations

import secrets
import socket

# Below Kubernetes' node ports and below the range from which the kernel gives outgoing
# connections their ports: a port found free stays free until its server takes it.
_RANGE = range(20000, 30000)


def free_port(address: str = "127.0.0.1") -> int:
    """A port that nothing listens on now."""
    while True:
        port = secrets.choice(_RANGE)
        with socket.socket() as probe:
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
