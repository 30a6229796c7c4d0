"""The wall clock, as the API server's objects tell time."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Now, in whole seconds as Kubernetes writes times."""
    return datetime.now(UTC).replace(microsecond=0)
