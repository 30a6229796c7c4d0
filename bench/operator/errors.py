"""What the benchmark raises."""

from __future__ import annotations


class BenchError(Exception):
    """A measurement that cannot be trusted or not be made; one sentence for people."""
