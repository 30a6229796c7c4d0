"""Fills a stand with copies of objects that have lived, for sizes at which living takes hours.

One object that has ended and one that runs are copied with their Jobs and pods, as the API server
has them. Only names and UIDs differ. While copies are made neither the system nor the controller
manager runs: there is nothing for them to do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bench.operator.errors import BenchError
from bench.operator.life import name_of
from bench.operator.load import BURST_CONNECTIONS, Client, connected, in_burst
from bench.operator.stand import NAMESPACE, Stand
from cluster.components import CONTROLLER_MANAGER
from cluster.report import Heartbeat

Json = dict[str, Any]
JOBS: Final = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
PODS: Final = f"/api/v1/namespaces/{NAMESPACE}/pods"
_SERVERS_OWN: Final = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "managedFields",
    "generateName",
)
_UID_LABELS: Final = ("batch.kubernetes.io/controller-uid", "controller-uid")


@dataclass(frozen=True, slots=True)
class Family:
    """An object, and what was made for it: owners before what they own."""

    name: str
    members: tuple[tuple[str, Json], ...]
    """(path of the kind, object)."""


async def multiply(stand: Stand, originals: int, count: int) -> None:
    """Copy the families of the first and the last object until there are `count` objects.

    Raises:
        BenchError: the system makes kinds of objects that are not copied.
    """
    processes = tuple(stand.system.processes)
    for process in processes:
        stand.kill(process)
    stand.plane.kill(CONTROLLER_MANAGER)
    heart = Heartbeat("copying")
    async with connected(stand.api, BURST_CONNECTIONS) as client:
        families = [await _family(stand, client, name_of(number)) for number in (0, originals - 1)]

        async def copy(number: int) -> None:
            await _copy(client, families[number % len(families)], name_of(number))
            heart.beat(f"{number} of {count}")

        await in_burst(range(originals, count), copy)
    stand.plane.start_component(CONTROLLER_MANAGER)
    for process in processes:
        stand.start_process(process)


async def _family(stand: Stand, client: Client, name: str) -> Family:
    members = [(stand.path, await client.call("GET", f"{stand.path}/{name}"))]
    uids = {members[0][1]["metadata"]["uid"]}
    for path in (JOBS, PODS):
        async for item in client.items(path):
            if any(owner["uid"] in uids for owner in item["metadata"].get("ownerReferences", ())):
                uids.add(item["metadata"]["uid"])
                members.append((path, item))
    if members[-1][0] != PODS:
        raise BenchError(f"{name} has no pod that could be copied with it")
    return Family(name, tuple(members))


async def _copy(client: Client, family: Family, name: str) -> None:
    """Create all members, then give each its status: it may speak of a later one's UID."""
    changes = {family.name: name}
    made: list[tuple[str, Json]] = []
    for path, item in family.members:
        created = await client.call("POST", path, newborn(item, changes))
        changes[item["metadata"]["uid"]] = created["metadata"]["uid"]
        made.append((f"{path}/{created['metadata']['name']}/status", item))
    for path, item in made:
        status = replaced(item.get("status", {}), changes)
        await client.call("PATCH", path, {"status": status})


def newborn(item: Json, changes: Mapping[str, str]) -> Json:
    """`item` as somebody would create it, with other names and UIDs. Pure."""
    metadata = {key: value for key, value in item["metadata"].items() if key not in _SERVERS_OWN}
    body = {key: value for key, value in item.items() if key not in ("status", "metadata")}
    body = {**body, "metadata": metadata}
    if "selector" in item["spec"]:
        # The API server makes the selector, and these labels for it, from the Job's own UID.
        spec = {key: value for key, value in body["spec"].items() if key != "selector"}
        template = spec["template"]
        labels = without(template["metadata"].get("labels", {}), _UID_LABELS)
        spec["template"] = {**template, "metadata": {**template["metadata"], "labels": labels}}
        body["spec"] = spec
        body["metadata"] = {
            **metadata,
            "labels": without(metadata.get("labels", {}), _UID_LABELS),
        }
    return replaced(body, changes)


def without(labels: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """`labels` without those of some names."""
    left_out = frozenset(names)
    return {key: value for key, value in labels.items() if key not in left_out}


def replaced(body: Json, changes: Mapping[str, str]) -> Json:
    """`body` with every name and UID replaced, wherever it stands."""
    text = json.dumps(body)
    for old, new in changes.items():
        text = text.replace(old, new)
    found: Json = json.loads(text)
    return found
