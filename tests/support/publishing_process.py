"""A pod in a process of its own, to be killed: publishes what lies in a folder.

python -m support.publishing_process ENDPOINT SECRETS PREFIX PART_BYTES FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from support.publication import attempt
from support.s3_worlds import OUTAGE_SECONDS, place_of
from support.trainer_cases import run_spec


def main(endpoint: str, secrets: str, prefix: str, part_bytes: str, folder: str) -> None:
    """Publish once."""
    from preftrain_trainer.places.retry import Patience, Retry
    from preftrain_trainer.places.s3 import Bucket
    from preftrain_trainer.places.s3_client import Connection

    place = place_of(endpoint)
    patience = Patience(attempts=1, read_seconds=30, outage_seconds=OUTAGE_SECONDS)
    connection = Connection(place, Path(secrets), patience)
    store = Bucket(place, connection, prefix, Retry(patience), int(part_bytes))
    left = {name: Path(folder) / name for name in ("report", "adapter")}
    attempt(store, "first", run_spec(Path(folder)), left)


if __name__ == "__main__":
    main(*sys.argv[1:])
