"""Bodies of answers that are not trusted to be short."""

import aiohttp


async def read_at_most(content: aiohttp.StreamReader, limit_bytes: int) -> bytes | None:
    """The whole body; None when it is longer than `limit_bytes`, without reading on."""
    body = b""
    while len(body) <= limit_bytes:
        part = await content.read(limit_bytes + 1)
        if not part:
            return body
        body += part
    return None
