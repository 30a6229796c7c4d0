"""What a pod leaves behind for whoever asks how it ended."""

import json
from pathlib import Path

from preftrain_api.progress import Progress
from preftrain_api.report import DataReport, Finding
from preftrain_trainer.result import (
    data_report_bytes,
    failed,
    refused,
    write_termination_message,
)

REPORT = DataReport(rows=3, train_rows=2, eval_rows=1)


def test_the_data_report_is_a_document_of_its_own() -> None:
    """Readable in an editor, and without the fields that nothing is known of."""
    text = data_report_bytes(REPORT).decode()
    assert text.endswith("}\n")
    assert json.loads(text)["trainRows"] == 2
    assert "null" not in text


def test_a_refusal_is_read_where_the_kubelet_looks(tmp_path: Path) -> None:
    """However long the reason is, the message begins with it and stays within bounds."""
    path = tmp_path / "termination-log"
    write_termination_message(path, refused("column 'choosen' " * 200, REPORT, None))
    told = json.loads(path.read_text())
    assert told["verdict"] == "Refused"
    assert told["message"].startswith("column 'choosen' column")
    assert len(told["message"]) == 1024
    assert told["dataReport"]["rows"] == 3


def test_a_failed_attempt_tells_how_far_it_came(tmp_path: Path) -> None:
    """With the newest findings: what led there stands in the report."""
    findings = tuple(
        Finding(name="Displacement", severity="Warning", message="likelihoods fall", step=step)
        for step in range(1, 13)
    )
    progress = Progress(
        uid="pod-1",
        phase="Training",
        step=12,
        total_steps=40,
        checkpoint_step=10,
        findings=findings,
    )
    path = tmp_path / "termination-log"
    write_termination_message(path, failed("the loss is no number", progress, 5, 7.5, None, None))
    told = json.loads(path.read_text())
    assert (told["startStep"], told["step"], told["totalSteps"]) == (5, 12, 40)
    assert (told["checkpointStep"], told["gpuSeconds"]) == (10, 7.5)
    assert [finding["step"] for finding in told["findings"]] == list(range(5, 13))
