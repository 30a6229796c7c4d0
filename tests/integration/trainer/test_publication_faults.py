"""The law of publication, with the faults that are hardest to survive.

All faults at all requests of both servers: `make test-faults-storage`.
"""

from pathlib import Path

import pytest

from support.fault_proxy import Fault
from support.s3_worlds import S3World
from support.storage_faults import disturb

pytestmark = pytest.mark.integration


def test_a_lost_answer_at_any_request_is_survived(versity_world: S3World, tmp_path: Path) -> None:
    """What was done without the client knowing is found out, and the publication completes."""
    outcomes = disturb(versity_world, Fault("LoseAnswer"), 1, tmp_path)

    assert len(outcomes) > 15
    assert {outcome.exit_code for outcome in outcomes} == {0}


def test_a_store_that_stops_answering_leaves_all_or_nothing(
    moto_world: S3World, tmp_path: Path
) -> None:
    """Whatever the request that was its last: none is visible, or all, and a retry completes."""
    outcomes = disturb(moto_world, Fault("LoseAnswer"), None, tmp_path)

    assert len(outcomes) > 15
    assert {outcome.exit_code for outcome in outcomes} == {0, 69}
