"""The demo's last page: what the run has published, and what the model has learnt.

Run as `python -m demo.report --run s3://... --base FOLDER --prometheus URL`. Ends with 1 when the
evidence is not good enough, with 2 when it cannot be read.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from textwrap import wrap

from cluster.report import waiting
from demo.answers import MAX_NEW_TOKENS, Answer, answer_with_and_without, mean_length
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
from demo.verdict import Evidence, Verdict, verdict
from preftrain_api.manifest import Manifest
from preftrain_trainer.evaluation.statistics import wilson_interval

UID_LABEL = "preftrain_job_uid"
"""Label that the demo's Prometheus makes of the pod label `preftrain.dev/job-uid`."""

START_SLACK_SECONDS = 900
"""Longest start of a trainer before its first step: imports, downloads, loading."""
SHOWN_ANSWERS = 3
COLUMN_CHARACTERS = 46


def report(folder: Path, base: Path, prometheus: str, picture: Path | None = None) -> Verdict:
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
    # An earlier run of the same name may lie in the same hour; the UID tells them apart.
    selector = f'{UID_LABEL}="{manifest.identity.uid}"'
    curves = read_curves(prometheus, selector, end - trained - START_SLACK_SECONDS, end + 60)
    print_curves(curves, manifest.steps)
    prompts = free_prompts()
    with waiting(f"answering {len(prompts)} held-out questions with and without the adapter"):
        before, after = answer_with_and_without(base, adapter_folder(folder, manifest), prompts)
    evidence = gather(manifest, files, curves, before, after)
    print_answers(before, after, evidence)
    if picture:
        lengths = [(old.tokens, new.tokens) for old, new in zip(before, after, strict=True)]
        draw_picture(picture, curves, lengths, f"{manifest.identity.name}: {manifest.steps} steps")
        print(f"\nPicture: {picture}")
    judged = verdict(evidence)
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
    low, high = wilson_interval(correct, evaluation.pairs)
    print(
        f"  reward accuracy {evaluation.reward_accuracy:.3f} ({correct} of {evaluation.pairs}), "
        f"95 % Wilson interval {low:.3f} to {high:.3f}, chance 0.5"
    )
    print(f"  reward margin   {evaluation.reward_margin:+.3f}, untrained 0")


def print_curves(curves: Curves, steps: int) -> None:
    """Loss and margin as Prometheus saw them."""
    print(f"\nCurves from Prometheus ({curves.steps_seen} of {steps} steps sampled)")
    print(draw(curves.loss, "loss"))
    print(draw(curves.margin, "reward margin"))


def print_answers(before: Sequence[Answer], after: Sequence[Answer], evidence: Evidence) -> None:
    """Mean lengths, and a few answers of both models one under the other."""
    print(f"\nGreedy answers to {len(before)} held-out questions, cut at {MAX_NEW_TOKENS} tokens")
    print(
        f"  mean length {evidence.length_before:.1f} tokens before, "
        f"{evidence.length_after:.1f} after: {evidence.moved:.0%} shorter"
    )
    for base, adapter in list(zip(before, after, strict=True))[:SHOWN_ANSWERS]:
        print(f"\n  {base.prompt}")
        print(side_by_side(column("base", base), column("adapter", adapter)))


def column(name: str, answer: Answer) -> list[str]:
    """One model's answer as lines that fit half a terminal."""
    return [f"{name}, {answer.tokens} tokens", *wrap(answer.text, COLUMN_CHARACTERS)]


def side_by_side(left: Sequence[str], right: Sequence[str]) -> str:
    """Two columns with a rule between them."""
    return "\n".join(
        f"    {old:<{COLUMN_CHARACTERS}} │ {new}".rstrip()
        for old, new in zip_longest(left, right, fillvalue="")
    )


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
    parser.add_argument("--picture", type=Path, help="also write a picture (.png or .svg)")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="preftrain-report-") as scratch:
            folder = Path(options.run)
            if options.run.startswith("s3://"):
                folder = Path(scratch)
                fetch(options.run, options.endpoint, folder)
            judged = report(folder, options.base, options.prometheus, options.picture)
    except (PublishedError, CurvesError) as error:
        print(f"demo.report: {error}", file=sys.stderr)
        return 2
    return 0 if judged.passed else 1


if __name__ == "__main__":
    sys.exit(main())
