"""Reads /progress straight from pods' addresses.

A pod's answer is untrusted: no redirects, no more than 16 KiB, two seconds.
"""

from typing import Final

import aiohttp

from preftrain_api.progress import MAX_PROGRESS_BYTES
from preftrain_operator.kube.body import read_at_most

TIMEOUT_SECONDS: Final = 2.0


class PodHttp:
    """`ProgressPort` over the pod network."""

    def __init__(self, connections: int) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, force_close=True),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            trust_env=False,
            # Nothing of one pod may reach another one.
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def read(self, namespace: str, pod: str, address: str) -> bytes | None:
        """See `ProgressPort`."""
        try:
            async with self._session.get(
                f"http://{address}/progress", allow_redirects=False
            ) as answer:
                if answer.status != 200:
                    return None
                return await read_at_most(answer.content, MAX_PROGRESS_BYTES)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            return None
