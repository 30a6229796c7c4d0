"""Registers the fixtures that tests of several tiers share, and how properties are tried."""

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "support.control_plane",
    "support.moto_server",
    "support.operator_world",
    "support.s3_server",
    "support.s3_worlds",
    "support.shown_numbers",
]

# A busy machine, or one that measures coverage, is no fault of what is tried.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
