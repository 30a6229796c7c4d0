"""`preftrain advise`: which method suits the data, why, and a snippet to begin with."""

import argparse
import json
import textwrap
from typing import TYPE_CHECKING, Final

from preftrain_api.exit_codes import ExitCode
from preftrain_trainer.commands import dataset
from preftrain_trainer.commands.command import Command

if TYPE_CHECKING:
    from preftrain_api.report import AuditReport
    from preftrain_trainer.audit.advice import Advice

_WIDTH: Final = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    dataset.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the advice as JSON")
    parser.add_argument(
        "--without-reference", action="store_true", help="do without a reference model"
    )


class Advise(Command):
    """Look at data and recommend."""

    def run(self) -> int:
        """Print the advice; data that would be refused are told, too."""
        from preftrain_trainer.audit.advice import Facts, advise
        from preftrain_trainer.audit.conduct import audit

        with dataset.opened(self.arguments, "Warn") as opened:
            report = audit(opened.loaded, opened.spec, opened.model)
        advice = advise(Facts(report, self.arguments.without_reference))
        print(_json(advice) if self.arguments.json else _text(report, advice), end="")
        return ExitCode.DONE


def _json(advice: "Advice") -> str:
    fields = {"method": advice.method, "reasons": advice.reasons, "spec": advice.spec}
    return json.dumps(fields, indent=1, ensure_ascii=False) + "\n"


def _text(report: "AuditReport", advice: "Advice") -> str:
    import yaml

    from preftrain_trainer.visible import visible

    lines = [
        f"{report.train_rows + report.eval_rows} usable examples, read as {report.shape}",
        "",
    ]
    for reason in advice.reasons:
        lines += textwrap.wrap(
            reason, _WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )
    beyond = [check.name for check in report.checks if check.outcome == "Warning"]
    if beyond:
        lines += ["", f"`preftrain audit` warns of {', '.join(beyond)}: look at that first."]
    snippet = yaml.safe_dump({"spec": advice.spec}, sort_keys=False)
    return visible("\n".join([*lines, "", snippet]))
