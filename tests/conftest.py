"""Registers the fixtures that tests of several tiers share."""

pytest_plugins = [
    "support.control_plane",
    "support.moto_server",
    "support.operator_world",
    "support.s3_server",
    "support.s3_worlds",
    "support.shown_numbers",
]
