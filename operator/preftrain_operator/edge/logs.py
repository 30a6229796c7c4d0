"""Log lines: one JSON object each for machines, or text for people."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_LOUD = ("kopf", "kopf.objects", "aiohttp", "asyncio")
_TOLD_ELSEWHERE = (
    "aiohttp.server",
    "kopf._core.reactor.orchestration",
    "kopf._core.reactor.running",
)
"""Where kopf logs what ends its tasks, several times, before it raises it; and where a probe
that fails appears once more, after a sentence of its own."""


class JsonFormatter(logging.Formatter):
    """A record as JSON, with what was given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        extra = {key: value for key, value in record.__dict__.items() if key not in _OWN}
        return json.dumps({**extra, **line}, default=str)


def without_trace(record: logging.LogRecord) -> bool:
    """Take the trace off what is told in a sentence elsewhere; every record is logged."""
    if record.name in _TOLD_ELSEWHERE:
        record.exc_info = None
    return True


def set_up_logs(
    form: Literal["json", "text"], level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
) -> None:
    """Log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if form == "json" else text)
    handler.addFilter(without_trace)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _LOUD:
        # kopf tells of every event it passes on.
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
