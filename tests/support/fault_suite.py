"""How much of the fault suite runs: a part in continuous integration, all of it by
`make test-faults`. Both go the same ways; only counts and durations differ.
"""

from __future__ import annotations

import os
from typing import Final

FULL: Final = os.environ.get("PREFTRAIN_FAULTS") == "full"
SEEDS: Final = range(1, 6) if FULL else range(1, 2)
"""Seeds that each fault left to chance is tried with."""
OUTAGE_SECONDS: Final = 120.0 if FULL else 4.0
"""How long the API server stays away."""
AT_A_TIME: Final = 6
"""Lives that are lived side by side: they mostly wait for the Job controller."""
