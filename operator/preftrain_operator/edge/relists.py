"""Counts how often a watch began anew with a list: kopf hands such objects on without a type.

An object that comes in a list twice came in two lists. A watch that merely continues where it
was cut is no relist, and nothing was lost by it.
"""

from collections.abc import Callable

from preftrain_operator.kube.port import Kind


class Relists:
    """Tells lists apart by what they bring; a watch of a namespace has lists of its own."""

    def __init__(self, relisted: Callable[[str], None]) -> None:
        self._relisted = relisted
        self._listed: dict[tuple[Kind, str], set[str]] = {}

    def take(self, kind: Kind, event: str | None, namespace: str, uid: str) -> None:
        """An object came from a watch; `event` is None when it came in a list."""
        if event is not None:
            return
        listed = self._listed.setdefault((kind, namespace), set())
        if uid in listed:
            listed.clear()
            self._relisted(kind.plural)
        listed.add(uid)
