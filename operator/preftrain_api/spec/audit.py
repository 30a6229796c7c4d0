"""What is checked in the data before a GPU is asked for, and how much of it is too much."""

from typing import Literal

from preftrain_api.wire import Ratio, WireModel


class AuditThresholds(WireModel):
    """Shares of rows above which data are refused."""

    malformed: Ratio | None = None
    """Rows with a missing, empty or mistyped column. Default: 0.01."""
    identical_pairs: Ratio | None = None
    """Rows whose chosen and rejected answers are the same. Default: 0.02."""
    identical_after_truncation: Ratio | None = None
    """Rows whose answers are the same once cut at maxLength. Default: 0.05."""
    prompt_too_long: Ratio | None = None
    """Rows whose prompt alone reaches maxLength. Default: 0.1."""
    contradictions: Ratio | None = None
    """Rows that another row contradicts. Default: 0.02."""


class AuditSpec(WireModel):
    """What happens before a GPU is asked for."""

    policy: Literal["Enforce", "Warn", "Skip"] = "Enforce"
    """Enforce refuses bad data, Warn only reports it, Skip leaves the prepare step out.
    Default: Enforce."""
    thresholds: AuditThresholds | None = None
    """Where your data need other limits than the defaults."""
