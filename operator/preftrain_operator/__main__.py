"""`python -m preftrain_operator`: in a cluster with the pod's account, else with KUBECONFIG."""

import asyncio
import contextlib
import gc
import logging
import os
import sys

from preftrain_operator import __version__
from preftrain_operator.edge.logs import set_up_logs
from preftrain_operator.edge.metrics import Metrics
from preftrain_operator.edge.operator import run_operator
from preftrain_operator.edge.watching import WatchEndedError
from preftrain_operator.kube.client import KubeClient
from preftrain_operator.kube.progress_http import PodHttp
from preftrain_operator.runtime.progress import IN_FLIGHT
from preftrain_operator.settings import Settings, SettingsError

YOUNG_OBJECTS = 10_000
"""Containers made since the last search, less those freed, that bring about the next one."""
USAGE_EXIT_CODE = 64
INTERRUPTED_EXIT_CODE = 130
_logger = logging.getLogger(__name__)


async def run(settings: Settings) -> None:
    """Connect and run until told to stop."""
    _collect_less()
    metrics = Metrics()
    async with contextlib.AsyncExitStack() as stack:
        kube = await KubeClient.connect(
            user_agent=f"preftrain-operator/{__version__}",
            connections=settings.connections,
            count=metrics.requested,
        )
        stack.push_async_callback(kube.close)
        pods = PodHttp(IN_FLIGHT)
        stack.push_async_callback(pods.close)
        if settings.metrics_port:
            _serve(metrics, settings.metrics_port)
        progress = kube if settings.progress_via_proxy else pods
        await run_operator(settings, kube, progress, metrics)


def _collect_less() -> None:
    """Look for garbage less often. Events and answers are trees of many small dicts, which are
    freed without a search: at Python's own pace one in seven CPU seconds went into searching.
    """
    # What was imported stays; it need not be searched at all.
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 5, 2)


def _serve(metrics: Metrics, port: int) -> None:
    try:
        metrics.serve(port)
    except OSError as error:
        raise SettingsError(
            f"PREFTRAIN_METRICS_PORT: port {port} cannot be used ({error.strerror}); "
            "set another one, or 0 for none"
        ) from error


def main() -> int:
    """The program; its exit status."""
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"preftrain-operator: {error}\n")
        return USAGE_EXIT_CODE
    set_up_logs(settings.log_format, settings.log_level)
    try:
        asyncio.run(run(settings))
    except (ConnectionError, SettingsError) as error:
        sys.stderr.write(f"preftrain-operator: {error}\n")
        return USAGE_EXIT_CODE
    except KeyboardInterrupt:
        # While it waits for the API server nothing else takes the signal.
        return INTERRUPTED_EXIT_CODE
    except ExceptionGroup as group:
        told, untold = group.split(WatchEndedError)
        for ended in told.exceptions if told else ():
            _logger.error("%s", ended)
        if untold:
            _logger.error("the operator ends", exc_info=untold)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
