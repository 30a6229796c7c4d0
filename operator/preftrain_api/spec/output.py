"""Where the adapter and its evidence are published, and under which condition."""

from typing import Literal

from preftrain_api.places import SinkPlace


class OutputSpec(SinkPlace):
    """The adapter is published under `<uri>/<namespace>/<name>/r<revision>/`."""

    publish_policy: Literal["OnGatesPassed", "Always"] = "OnGatesPassed"
    """OnGatesPassed withholds an adapter that fails a gate. Default: OnGatesPassed."""
    merged_weights: bool = False
    """Also publish the base model with the adapter merged in, in 16 bits. Default: false."""
