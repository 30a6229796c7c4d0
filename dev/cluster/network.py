"""The node's network: one bridge, one address range, one CNI configuration."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path

from cluster.errors import ClusterError
from cluster.place import BRIDGE, BRIDGE_ADDRESS, NETWORK_NAME, SUBNET, Place
from cluster.shell import run, succeeds

_CNI_RESULTS = Path("/var/lib/cni/results")


def add_bridge() -> None:
    """Make the bridge with its address; a no-op when it is there.

    Raises:
        ClusterError: another interface uses the same addresses.
    """
    if not bridge_exists():
        _check_overlap(run(["ip", "-json", "route", "show"]))
        run(["ip", "link", "add", BRIDGE, "type", "bridge"])
    prefix = ipaddress.ip_network(SUBNET).prefixlen
    run(["ip", "address", "replace", f"{BRIDGE_ADDRESS}/{prefix}", "dev", BRIDGE])
    run(["ip", "link", "set", BRIDGE, "up"])


def remove_bridge() -> None:
    """Delete the bridge and what CNI remembers of the pods that were on it."""
    if bridge_exists():
        run(["ip", "link", "delete", BRIDGE])
    for result in _CNI_RESULTS.glob(f"{NETWORK_NAME}-*"):
        result.unlink()


def bridge_exists() -> bool:
    """Whether the bridge is there."""
    return succeeds(["ip", "link", "show", BRIDGE])


def write_cni_config(place: Place) -> Path:
    """Write the CNI configuration; the folder that containerd reads it from."""
    folder = place.state / "cni"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "10-preftrain.conflist").write_text(json.dumps(cni_config(place), indent=2) + "\n")
    return folder


def cni_config(place: Place) -> dict[str, object]:
    """One bridge with addresses handed out from a folder of the cluster's own."""
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        # A pod that calls its own service comes back through the bridge's port.
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": SUBNET}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": str(place.state / "cni-addresses"),
        },
    }
    return {"cniVersion": "0.4.0", "name": NETWORK_NAME, "plugins": [bridge]}


def _check_overlap(routes: str) -> None:
    ours = ipaddress.ip_network(SUBNET)
    for route in json.loads(routes):
        destination = route["dst"]
        if destination == "default":
            continue
        if ipaddress.ip_network(destination, strict=False).overlaps(ours):
            raise ClusterError(
                f"the cluster needs the addresses {SUBNET}, and {route.get('dev')} has a route to"
                f" {destination}; remove that route while the cluster runs"
            )
