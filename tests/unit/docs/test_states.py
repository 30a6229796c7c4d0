"""The on-call page speaks of states and reasons that jobs can have."""

import re

from preftrain_api.reasons import REASON_OF_EXIT_CODE, Reason
from support.pages import ROOT

PAGE = (ROOT / "docs" / "how-to" / "on-call.md").read_text()
STATES_WITHOUT_REASON = {"Refused", "Failed"}
ENDS_WITHOUT_EXIT_CODE = (
    Reason.EVICTED,
    Reason.OOM_KILLED,
    Reason.KILLED,
    Reason.POD_REJECTED,
    Reason.END_UNSEEN,
)


def named(heading: str) -> set[str]:
    """Names in backticks in the first column of the table under `heading`."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| ([^|]+) \|", section, re.M)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_states_and_reasons_exist() -> None:
    """A reader who searches the page for what kubectl shows finds it, and nothing else."""
    known = {str(reason) for reason in Reason}
    assert named("By state") - known == STATES_WITHOUT_REASON
    assert named("Why runs fail") <= known


def test_how_attempts_end_is_no_state() -> None:
    """A job whose last attempt ended so and which goes on is Retrying or Preempted."""
    interrupted = {Reason.PREEMPTED, Reason.NODE_LOST}
    ends = {*REASON_OF_EXIT_CODE.values(), *ENDS_WITHOUT_EXIT_CODE} - interrupted
    assert not named("By state") & {str(reason) for reason in ends}


def test_every_reason_that_holds_a_job_up_is_told() -> None:
    """Those that the alert names are on the page, with what to do."""
    rules = (ROOT / "charts" / "preftrain" / "files" / "alerts.yaml").read_text()
    for words in re.findall(r'(?:state|reason)=~"([^"]+)"', rules):
        assert set(words.split("|")) <= named("By state") | named("Why runs fail")
