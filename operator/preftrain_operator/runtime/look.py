"""Looks past the caches: reads a resource, its Jobs and their pods from the API server.

An absence decides nothing before it was seen here: watches and lists come late, and tell of
nothing whose labels were taken away.
"""

from preftrain_api.group import LABEL_JOB_UID
from preftrain_operator.kube.errors import NotFound
from preftrain_operator.kube.port import Json, Kind, KubePort
from preftrain_operator.runtime.store import Store


class Look:
    """Takes what it finds into the store."""

    def __init__(self, kube: KubePort, store: Store) -> None:
        self._kube = kube
        self._store = store

    async def at_all_of(self, key: str, namespace: str) -> None:
        """Read a job's Jobs and pods, then the job itself: in this order everything that was
        seen is accounted for in a status read later.

        Raises:
            KubeError: when a request failed; what was read before stays in the store.
        """
        for kind in (Kind.JOBS, Kind.PODS):
            listed: set[str] = set()
            version = 0
            labels = f"{LABEL_JOB_UID}={key}"
            async for page in self._kube.pages(kind, namespace, labels=labels):
                self._store.put_all(kind, page.items)
                listed.update(item["metadata"]["uid"] for item in page.items)
                version = int(page.resource_version)
            self._store.retain(kind, listed, version, key=key)
        item = self._store.get(Kind.TRAINING_JOBS, key)
        if item is not None and await self.at_resource(item):
            await self._at_untold(key, namespace)

    async def at_resource(self, item: Json) -> bool:
        """Read a job itself; False when it is gone.

        Raises:
            KubeError: when the request failed.
        """
        metadata = item["metadata"]
        try:
            live = await self._kube.get(Kind.TRAINING_JOBS, metadata["namespace"], metadata["name"])
        except NotFound:
            self._store.remove(Kind.TRAINING_JOBS, item)
            return False
        if live["metadata"]["uid"] != metadata["uid"]:
            self._store.remove(Kind.TRAINING_JOBS, item)
            return False
        self._store.put(Kind.TRAINING_JOBS, live)
        return True

    async def _at_untold(self, key: str, namespace: str) -> None:
        """Read what no list tells of, as its labels were taken away: children that are known, and
        the current Job and the open attempt's pod where they are not.
        """
        names = [(kind, item["metadata"]["name"]) for kind, item in self._store.untold(key)]
        observed = self._store.snapshot(key)
        if observed is None:
            return
        ref, entry = observed.current, observed.missing_pod
        # The Job first: whose a pod without labels is only its owner tells.
        if ref is not None and observed.job_of(ref) is None:
            names.append((Kind.JOBS, ref.name))
        if entry is not None and entry.pod is not None:
            names.append((Kind.PODS, entry.pod))
        for kind, name in dict.fromkeys(names):
            await self._by_name(key, namespace, kind, name)
        observed = self._store.snapshot(key)
        if ref is not None and observed is not None and observed.missing_pod is not None:
            # It may have been counted after the Jobs were listed, though before it went.
            await self._by_name(key, namespace, Kind.JOBS, ref.name)

    async def _by_name(self, key: str, namespace: str, kind: Kind, name: str) -> None:
        try:
            found = await self._kube.get(kind, namespace, name)
        except NotFound:
            self._forget(key, kind, name)
        else:
            self._store.put(kind, found, by_name=True)

    def _forget(self, key: str, kind: Kind, name: str) -> None:
        for known, item in self._store.untold(key):
            if (known, item["metadata"]["name"]) == (kind, name):
                self._store.remove(kind, item)
