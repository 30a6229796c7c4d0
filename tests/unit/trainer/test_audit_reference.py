"""The page of all checks says what the tables say."""

from pathlib import Path

import pytest

from preftrain_api.spec.audit import AuditThresholds
from preftrain_trainer.audit.checks import CHECKS, FAMILIES
from preftrain_trainer.audit.reference import main, page


def test_the_page_is_up_to_date() -> None:
    """What is committed is what the tables make."""
    assert main(["--check"]) == 0


def test_a_stale_page_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The check fails before the page is there, and when it is another."""
    root = ["--root", str(tmp_path)]
    assert main(["--check", *root]) == 1
    assert "run `make crd`" in capsys.readouterr().err
    assert main(root) == 0
    assert main(["--check", *root]) == 0
    (tmp_path / "docs/reference/audit-checks.md").write_text("stale")
    assert main(["--check", *root]) == 1


def test_no_two_checks_have_one_name() -> None:
    """Findings are told apart by it."""
    assert len(CHECKS) == sum(map(len, FAMILIES.values()))


def test_every_threshold_of_the_spec_is_used_and_explained() -> None:
    """A threshold without a check would promise what nobody does."""
    used = {check.threshold for check in CHECKS.values()} - {None}

    unused = set(AuditThresholds.model_fields) - used
    assert unused == {"rows_per_prompt", "near_identical_distance"}
    assert all(f"`{name}`" in page() for name in ("rowsPerPrompt", "nearIdenticalDistance"))
