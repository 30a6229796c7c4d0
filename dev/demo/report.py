"""The demo's last page: what the run has published, and what the model has learnt.

Run as `python -m demo.report --run s3://... --base FOLDER --prometheus URL`. Ends with 1 when the
evidence is not good enough, with 2 when it cannot be read.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from demo.answers import Answer, answer_with_and_without, mean_length
from demo.curves import Curves, CurvesError, draw, draw_picture, read_curves
from demo.pairs import free_prompts
from demo.published import (
    ListedFile,
    PublishedError,
    adapter_folder,
    fetch,
    inspect,
    read_manifest,
)
from demo.verdict import Evidence, Verdict, verdict, wilson_interval
from preftrain_api.manifest import Manifest

__all__ = ["main", "report"]

START_SLACK_SECONDS = 900
"""Longest start of a trainer before its first step: imports, downloads, loading."""
SHOWN_ANSWERS = 3


def report(
    folder: Path, base: Path, prometheus: str, selector: str, picture: Path | None = None
) -> Verdict:
    """Print the evidence of the run in `folder` and judge it.

    Raises:
        PublishedError: the run has published nothing that can be judged.
        CurvesError: Prometheus cannot be read.
    """
    manifest = read_manifest(folder)
    files = inspect(folder, manifest)
    print_files(files, manifest)
    print_evaluation(manifest)
    end = manifest.created.timestamp()
    trained = sum(attempt.seconds for attempt in manifest.attempts)
    curves = read_curves(prometheus, selector, end - trained - START_SLACK_SECONDS, end + 60)
    print_curves(curves, manifest.steps)
    prompts = free_prompts()
    before, after = answer_with_and_without(base, adapter_folder(folder, manifest), prompts)
    print_answers(before, after)
    if picture:
        lengths = [(old.tokens, new.tokens) for old, new in zip(before, after, strict=True)]
        draw_picture(picture, curves, lengths, f"{manifest.identity.name}: {manifest.steps} steps")
        print(f"\nPicture: {picture}")
    judged = verdict(gather(manifest, files, curves, before, after))
    print_verdict(judged)
    return judged


def gather(
    manifest: Manifest,
    files: Sequence[ListedFile],
    curves: Curves,
    before: Sequence[Answer],
    after: Sequence[Answer],
) -> Evidence:
    """Reduce everything that was read to what the verdict looks at."""
    evaluation = manifest.evaluation
    return Evidence(
        held_out_pairs=evaluation.pairs if evaluation else 0,
        reward_accuracy=evaluation.reward_accuracy if evaluation else 0.0,
        length_before=mean_length(before),
        length_after=mean_length(after),
        empty_answers=sum(not answer.text for answer in after),
        steps=manifest.steps,
        steps_seen=curves.steps_seen,
        broken_files=tuple(file.path for file in files if file.broken),
        withheld=manifest.withheld,
    )


def print_files(files: Sequence[ListedFile], manifest: Manifest) -> None:
    """The stored files, each with what became of its check."""
    print(f"\nPublished files of {manifest.identity.namespace}/{manifest.identity.name}")
    for file in files:
        print(f"  {file.size:>12,}  {file.state:<12}  {file.path}")
    verified = sum(file.state == "verified" for file in files)
    print(f"  {verified} of {len(manifest.files)} files of the manifest verified, size and sha256")


def print_evaluation(manifest: Manifest) -> None:
    """Margin and accuracy on held-out pairs, against chance."""
    evaluation = manifest.evaluation
    print("\nHeld-out pairs")
    if not evaluation or not evaluation.pairs:
        print("  not evaluated")
        return
    correct = round(evaluation.reward_accuracy * evaluation.pairs)
    interval = wilson_interval(correct, evaluation.pairs)
    print(
        f"  reward accuracy {evaluation.reward_accuracy:.3f} ({correct} of {evaluation.pairs}), "
        f"95 % interval {interval.low:.3f} to {interval.high:.3f}, chance 0.5"
    )
    print(f"  reward margin   {evaluation.reward_margin:+.3f}, untrained 0")


def print_curves(curves: Curves, steps: int) -> None:
    """Loss and margin as Prometheus saw them."""
    print(f"\nCurves from Prometheus ({curves.steps_seen} of {steps} steps sampled)")
    print(draw(curves.loss, "loss"))
    print(draw(curves.margin, "reward margin"))


def print_answers(before: Sequence[Answer], after: Sequence[Answer]) -> None:
    """Mean lengths, and a few answers of both models one under the other."""
    old, new = mean_length(before), mean_length(after)
    print(f"\nGreedy answers to {len(before)} held-out questions, cut at 80 tokens")
    print(f"  mean length {old:.1f} tokens before, {new:.1f} after: {1 - new / old:.0%} shorter")
    for base, adapter in list(zip(before, after, strict=True))[:SHOWN_ANSWERS]:
        print(f"\n  Question: {base.prompt}")
        for name, answer in (("base", base), ("adapter", adapter)):
            print(f"    {name:<8}({answer.tokens:>2} tokens) {one_line(answer.text)}")


def one_line(text: str, width: int = 300) -> str:
    """Text on one line, shortened where it is long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"


def print_verdict(judged: Verdict) -> None:
    """The last lines: what was shown, or why it was not."""
    print()
    if judged.passed:
        print("PASSED: the model learnt the preference, and the adapter is published and whole.")
    for reason in judged.reasons:
        print(f"FAILED: {reason}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch the run where it is in S3, report on it, and turn the verdict into an exit code."""
    parser = argparse.ArgumentParser(prog="demo.report", description=__doc__)
    parser.add_argument("--run", required=True, help="s3://bucket/prefix of the run, or a folder")
    parser.add_argument("--endpoint", help="URL of the S3 server; without it, AWS")
    parser.add_argument("--base", required=True, type=Path, help="folder of the base model")
    parser.add_argument("--prometheus", required=True, help="URL of Prometheus")
    parser.add_argument("--selector", default="", help='such as preftrain_dev_job="demo"')
    parser.add_argument("--picture", type=Path, help="also write a picture (.png or .svg)")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="preftrain-report-") as scratch:
            folder = Path(options.run)
            if options.run.startswith("s3://"):
                folder = Path(scratch)
                fetch(options.run, options.endpoint, folder)
            judged = report(
                folder, options.base, options.prometheus, options.selector, options.picture
            )
    except (PublishedError, CurvesError) as error:
        print(f"demo.report: {error}", file=sys.stderr)
        return 2
    return 0 if judged.passed else 1


if __name__ == "__main__":
    sys.exit(main())
