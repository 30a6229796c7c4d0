"""The demo's table while the job runs: one row below the other, in line."""

from demo.watch import Row, phase_of

EARLY = """\
NAME           STATE       PROGRESS   LOSS   ETA   RETRIES   AGE
demo-smollm2   Preparing                                     4s
"""
LATE = """\
NAME           STATE      PROGRESS    LOSS    ETA     RETRIES   AGE
demo-smollm2   Training   11/24 45%   2.695   3m9s              3m29s
"""


def test_rows_stand_below_their_header_whatever_kubectl_made_of_the_widths() -> None:
    """It sizes columns anew each time; the first header must fit later rows."""
    header = Row.of_table(EARLY).header
    line = Row.of_table(LATE).line
    for name, value in (("STATE", "Training"), ("ETA", "3m9s"), ("AGE", "3m29s")):
        assert header.index(name) == line.index(value)


def test_the_pods_phase_ends_the_row() -> None:
    """It tells a long evaluation from a run that hangs."""
    resource = {"status": {"progress": {"phase": "Evaluating"}}}
    row = Row(Row.of_table(LATE).cells, phase_of(resource))
    assert row.line.split()[-1] == "Evaluating"
    assert row.header.index("PHASE") == row.line.index("Evaluating")


def test_only_the_age_is_no_news() -> None:
    """A row that differs in anything else is printed at once."""
    older = Row.of_table(LATE.replace("3m29s", "3m39s"))
    assert older.news == Row.of_table(LATE).news
    assert Row.of_table(LATE.replace("11/24", "12/24")).news != older.news


def test_a_job_without_row_or_progress_shows_nothing() -> None:
    """Right after `kubectl apply` there may be neither."""
    assert Row.of_table("").line == ""
    assert phase_of(None) == phase_of({"status": {"progress": None}}) == ""
