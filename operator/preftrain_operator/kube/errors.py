"""What may go wrong with a request, by what the caller can do about it.

KubeError
├── NotFound        the object is not there
├── AlreadyExists   an object of that name is there; whose, must be looked at
├── Conflict        the object has changed since it was read: read again
├── Invalid         the object is not acceptable, and asking again will not help
├── Denied          rights, quota or an admission policy forbid it: people must act
└── Transient       ask again later: overload, restart, network, credentials that are renewed
"""


class KubeError(Exception):
    """A request that failed; `status` is the HTTP status, 0 where there was no answer."""

    def __init__(self, message: str, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        """Seconds that the server asked to wait."""


class NotFound(KubeError):  # named after what the API says
    """404."""


class AlreadyExists(KubeError):
    """409, reason AlreadyExists."""


class Conflict(KubeError):
    """409 otherwise, and 412."""


class Invalid(KubeError):
    """400 and 422."""


class Denied(KubeError):
    """403."""


class Transient(KubeError):
    """401, 408, 410, 429, 5xx, and everything below HTTP."""


def error_of(status: int, reason: str, message: str, retry_after: float | None = None) -> KubeError:
    """The error for an HTTP status and the reason of the Status object that came with it."""
    if status == 404:
        return NotFound(message, status)
    if status == 409:
        return (AlreadyExists if reason == "AlreadyExists" else Conflict)(message, status)
    if status == 412:
        return Conflict(message, status)
    if status in (400, 405, 413, 415, 422):
        return Invalid(message, status)
    if status == 403:
        return Denied(message, status)
    return Transient(message, status, retry_after)
