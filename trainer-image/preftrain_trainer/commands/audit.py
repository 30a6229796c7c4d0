"""`preftrain audit`: what prepare would say of the data, on a laptop."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from preftrain_api.exit_codes import ExitCode
from preftrain_trainer.commands import dataset
from preftrain_trainer.commands.command import Command
from preftrain_trainer.errors import BadSpec

if TYPE_CHECKING:
    from preftrain_api.report import AuditReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    dataset.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as a page, too")
    parser.add_argument(
        "--policy",
        choices=("Enforce", "Warn"),
        help="Enforce ends with 65 where data are refused (default), Warn only reports",
    )


class Audit(Command):
    """Judge data and print the report."""

    def run(self) -> int:
        """Print the report, also where the data are refused."""
        from preftrain_trainer.audit.conduct import audit
        from preftrain_trainer.audit.judge import RefusedData, RefusedTemplate

        with dataset.opened(self.arguments, self.arguments.policy) as opened:
            try:
                report = audit(opened.loaded, opened.spec, opened.model)
            except (RefusedData, RefusedTemplate) as refusal:
                self._show(refusal.report)
                raise
        self._show(report)
        return ExitCode.DONE

    def _show(self, report: "AuditReport") -> None:
        from preftrain_trainer.audit import page, terminal

        if self.arguments.json:
            print(report.model_dump_json(by_alias=True, exclude_none=True, indent=1))
        else:
            print(terminal.render(report), end="")
        if self.arguments.html is not None:
            try:
                self.arguments.html.write_text(page.render(report), encoding="utf-8")
            except OSError as error:
                raise BadSpec(
                    f"--html {self.arguments.html} cannot be written: {error.strerror}; name "
                    "another file"
                ) from error
