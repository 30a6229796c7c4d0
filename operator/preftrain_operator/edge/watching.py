"""kopf's run from start to end: it watches, and ends with the operator or with a watch."""

import asyncio
from typing import Any, Final

import kopf

# kopf does not export what its watches raise; the version is pinned to its minor release.
from kopf._cogs.clients.errors import APIError
from kopf._cogs.clients.watching import WatchingError

from preftrain_operator.edge.config import configure
from preftrain_operator.settings import Settings

_WATCH_TASKS: Final = "watcher for "
"""How kopf's tasks that watch are called."""


class WatchEndedError(Exception):
    """A watch ended for good; the message is for people."""


async def watch(settings: Settings, registry: kopf.OperatorRegistry, stop: asyncio.Event) -> None:
    """Watch until SIGTERM, or until `stop` is set.

    Raises:
        WatchEndedError: the API server answered a watch with an error that kopf does not go
            on from, or refused the credentials and there are no others.
    """
    kopf_settings = kopf.OperatorSettings()
    configure(kopf_settings)
    scope: dict[str, Any] = (
        {"namespaces": settings.namespaces} if settings.namespaces else {"clusterwide": True}
    )
    port = settings.probe_port

    @kopf.on.cleanup(registry=registry)
    async def end(**_: Any) -> None:
        # For whatever goes on when its own tasks have ended kopf waits five seconds: for the one
        # that waits for this event, and for the watches beside one that failed.
        stop.set()
        for task in asyncio.all_tasks():
            if task.get_name().startswith(_WATCH_TASKS):
                task.cancel()

    try:
        await kopf.operator(
            registry=registry,
            settings=kopf_settings,
            stop_flag=stop,
            liveness_endpoint=f"http://0.0.0.0:{port}/healthz" if port else None,
            **scope,
        )
    except (APIError, WatchingError) as error:
        raise WatchEndedError(
            f"a watch ended with an error, and the process with it, so that its successor begins "
            f"with fresh lists: {error}"
        ) from error
    except kopf.LoginError as error:
        raise WatchEndedError(
            "a watch ended because the API server refuses the operator's credentials, and the "
            "process with it, so that its successor reads them anew"
        ) from error
