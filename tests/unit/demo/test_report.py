"""The demo's report as a program: what it prints and how it ends."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo import report
from demo.answers import Answer
from demo.curves import Curves, CurvesError
from demo.pairs import SOURCES, free_prompts, make_pairs
from demo.prometheus import targets_of
from preftrain_api.manifest import Manifest
from preftrain_api.report import Evaluation
from support.demo_run import CONTENT, make_manifest

REPOSITORY = Path(__file__).parents[3]
CURVES = Curves(24, ((1, 3.0), (24, 1.0)), ((1, 0.0), (24, 1.2)))
LONG = tuple(Answer(prompt, "A long answer that goes on.", 60) for prompt in free_prompts())
SHORT = tuple(replace(answer, text="A short answer.", tokens=15) for answer in LONG)


def trained(accuracy: float) -> Manifest:
    """The manifest of a run with this held-out accuracy."""
    evaluation = Evaluation(
        pairs=108,
        reward_accuracy=accuracy,
        accuracy_low=0.0,
        accuracy_high=1.0,
        reward_margin=1.3 if accuracy else 0.0,
    )
    return make_manifest(CONTENT).model_copy(update={"evaluation": evaluation})


def run_report(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    manifest: Manifest,
    answers: tuple[tuple[Answer, ...], tuple[Answer, ...]],
    curves: Curves = CURVES,
) -> int:
    """Report on a run's folder, without a model and without a Prometheus."""
    for path, data in CONTENT.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(data)
    (folder / "manifest.json").write_text(manifest.model_dump_json(by_alias=True))
    monkeypatch.setattr(report, "answer_with_and_without", lambda *_: answers)
    monkeypatch.setattr(report, "read_curves", lambda *_: curves)
    return report.main(["--run", str(folder), "--base", "base", "--prometheus", "http://unused"])


def test_a_run_that_learnt_passes_and_shows_its_evidence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files, interval, curves, lengths, three answers, and the verdict."""
    assert run_report(monkeypatch, tmp_path, trained(1.0), (LONG, SHORT)) == 0
    page = capsys.readouterr().out
    assert "2 of 2 files of the manifest verified" in page
    assert "1.000 (108 of 108), 95 % Wilson interval 0.966 to 1.000, chance 0.5" in page
    assert "24 of 24 steps sampled" in page
    assert "mean length 60.0 tokens before, 15.0 after: 75% shorter" in page
    assert page.count("base, 60 tokens") == 3
    assert any(
        "A long answer that goes on." in line and "│ A short answer." in line
        for line in page.splitlines()
    )
    assert page.rstrip().splitlines()[-1].startswith("PASSED")


def test_a_run_with_learning_rate_zero_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rewards that all tie and answers that stay as they were are no success."""
    assert run_report(monkeypatch, tmp_path, trained(0.0), (LONG, LONG)) == 1
    failures = [line for line in capsys.readouterr().out.splitlines() if "FAILED" in line]
    assert len(failures) == 2


def test_a_file_changed_in_the_store_fails_the_demo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A good model does not make up for a manifest that is not kept."""
    promised = make_manifest({**CONTENT, "adapter/README.md": b"gone"})
    manifest = trained(1.0).model_copy(update={"files": promised.files})
    assert run_report(monkeypatch, tmp_path, manifest, (LONG, SHORT)) == 1
    assert "missing       adapter/README.md" in capsys.readouterr().out


def test_silence_is_not_brevity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An adapter that says nothing fails."""
    silent = (*SHORT[1:], replace(SHORT[0], text="", tokens=0))
    assert run_report(monkeypatch, tmp_path, trained(1.0), (LONG, silent)) == 1


def test_an_unpublished_run_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to judge, which is not the same as a bad model."""
    arguments = ["--run", str(tmp_path), "--base", "b", "--prometheus", "http://unused"]
    assert report.main(arguments) == 2
    assert "has not published an adapter" in capsys.readouterr().err


def test_a_silent_prometheus_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message comes through as it is."""
    run_report(monkeypatch, tmp_path, trained(1.0), (LONG, SHORT))

    def refuse(*_: object) -> Curves:
        raise CurvesError("Prometheus at x did not answer the query")

    monkeypatch.setattr(report, "read_curves", refuse)
    arguments = ["--run", str(tmp_path), "--base", "b", "--prometheus", "x"]
    assert report.main(arguments) == 2
    assert "did not answer" in capsys.readouterr().err


def test_curves_are_those_of_this_very_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An earlier run of the same name is told apart by its UID, as the demo labels it."""
    asked: list[str] = []

    def answer(_url: str, selector: str, *_: float) -> Curves:
        asked.append(selector)
        return CURVES

    run_report(monkeypatch, tmp_path, trained(1.0), (LONG, SHORT))
    monkeypatch.setattr(report, "read_curves", answer)
    report.main(["--run", str(tmp_path), "--base", "b", "--prometheus", "http://unused"])
    assert asked == ['preftrain_job_uid="u"']
    pod: dict[str, Any] = {
        "metadata": {
            "namespace": "ns",
            "name": "pod-1",
            "labels": {"preftrain.dev/stage": "train", "preftrain.dev/job-uid": "u"},
        },
        "status": {"phase": "Running"},
    }
    prepare = {**pod, "metadata": {**pod["metadata"], "labels": {"preftrain.dev/stage": "prepare"}}}
    ended = {**pod, "status": {"phase": "Succeeded"}}
    entries = targets_of([pod, prepare, ended])
    assert [entry["labels"]["preftrain_job_uid"] for entry in entries] == ["u"]
    assert entries[0]["labels"]["__metrics_path__"] == (
        "/api/v1/namespaces/ns/pods/pod-1:8080/proxy/metrics"
    )


def test_the_example_job_uses_the_pairs_as_they_are_made() -> None:
    """Splits are named as the files are, and no pair is trained on twice."""
    text = (REPOSITORY / "examples" / "demo-smollm2.yaml").read_text(encoding="utf-8")
    spec = yaml.safe_load(text)["spec"]
    assert [spec["dataset"]["split"], spec["dataset"]["evalSplit"]] == list(SOURCES)
    training = spec["training"]
    assert training["maxSteps"] * training["batchSize"] <= len(make_pairs("train"))
