"""The tables of docs/explanation/methods.md, written from the tables of the code.

`python -m preftrain_trainer.methods.describe docs/explanation/methods.md` brings the page up to
date; a test compares.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from preftrain_api.resolve import COUPLED_MICRO_BATCH, LEARNING_RATE
from preftrain_api.spec import DpoSpec, KtoSpec, MethodSpec, OrpoSpec
from preftrain_trainer.methods.labels import LABEL_LOSSES
from preftrain_trainer.methods.losses import LOSSES, Coupling, Loss, Settings
from preftrain_trainer.methods.scores import UNKNOWN, PairScore
from preftrain_trainer.methods.table import METHODS

_SMOOTHING: Final = 0.001
"""For losses that need some; it is what EXO's authors use."""

_COUPLINGS: Final[dict[Coupling, str]] = {
    "None": "",
    "Tokens": "mean over its tokens",
    "Pairs": f"compares its pairs; {COUPLED_MICRO_BATCH} by default",
}


def tables() -> dict[str, str]:
    """Each table by the name of its place in the page."""
    return {
        "methods": "\n".join(_methods()),
        "losses": "\n".join(_losses()),
        "label losses": "\n".join(_label_losses()),
    }


def filled_in(page: str) -> str:
    """`page` with each table between its marks."""
    for name, table in tables().items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = page.partition(start)
        _, _, after = rest.partition(end)
        page = f"{before}{start}{table}\n{end}{after}"
    return page


def _methods() -> Iterator[str]:
    betas = {"DPO": DpoSpec().beta, "ORPO": OrpoSpec().beta, "KTO": KtoSpec().beta}
    yield "| method | learns from | reference model | beta | learning rate | TRL class |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, method in METHODS.items():
        unpaired = "Unpaired" in method.kinds
        data = "labelled answers; pairs are taken apart" if unpaired else "pairs"
        rate = f"{LEARNING_RATE[name]:g}".replace("e-0", "e-")
        couples = method.couples_examples(MethodSpec(type=name))
        batch = f"; micro-batch {COUPLED_MICRO_BATCH}" if couples else ""
        yield (
            f"| {name} | {data}{batch} | {'yes' if method.has_reference else 'none'} | "
            f"{betas[name]:g} | {rate} | `{method.module}.{method.trainer}` |"
        )


def _losses() -> Iterator[str]:
    yield (
        "| loss | in TRL | what it is | source | first loss | at beta 0.1 | labelSmoothing | "
        "micro-batch |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for name, loss in LOSSES.items():
        start, value = _start(loss)
        yield (
            f"| {name} | `{loss.trl_name}` | {loss.what} | {loss.source} | {start} | {value} | "
            f"{'read' if loss.smoothed else ''} | {_COUPLINGS[loss.coupling]} |"
        )


def _start(loss: Loss) -> tuple[str, str]:
    if loss.start is None:
        return "of the data", ""
    settings = Settings(beta=0.1, label_smoothing=_SMOOTHING if loss.smoothed else 0.0)
    return loss.start, f"{loss.of_batch([PairScore(UNKNOWN, UNKNOWN)], settings):.4f}"


def _label_losses() -> Iterator[str]:
    yield "| loss | in TRL | what it is | source | first loss |"
    yield "| --- | --- | --- | --- | --- |"
    for name, loss in LABEL_LOSSES.items():
        yield (
            f"| {name} | `{loss.trl_name}` | {loss.what} | {loss.source} | half of the mean "
            "weight |"
        )


def main() -> None:
    """Bring the page up to date whose path is the first argument."""
    page = Path(sys.argv[1])
    page.write_text(filled_in(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
