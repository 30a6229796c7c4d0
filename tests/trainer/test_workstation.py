"""The example for a workstation, run as its first line says, against a hub on loopback."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from preftrain_api.exit_codes import ExitCode
from preftrain_api.manifest import Manifest
from preftrain_api.result import TrainResult
from preftrain_api.wire import ALLOW_FILE
from support.fake_hub import COMMIT, fake_hub
from support.tiny_model import make_tiny_model
from support.trainer_cases import (
    clean_environment,
    job,
    preftrain,
    run_spec,
    text_rows,
    write_rows,
)

pytestmark = [pytest.mark.trainer, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[2] / "examples"
MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
SECONDS = 400
"""Importing the training libraries takes half a minute, and several times that on a busy
machine."""


@pytest.fixture(scope="module")
def hub_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hub")
    make_tiny_model(root / "models" / MODEL)
    return root


@pytest.fixture
def env(hub_model: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    with fake_hub(hub_model) as endpoint:
        yield {
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(tmp_path / "hub-cache"),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "HOME": str(tmp_path / "home"),
        }


@pytest.mark.timeout(SECONDS + 60)
def test_the_example_publishes_a_verifiable_adapter(tmp_path: Path, env: dict[str, str]) -> None:
    """One command trains and publishes; again adopts; with other settings refuses."""
    for name in ("workstation-jsonl.yaml", "workstation-pairs.jsonl"):
        shutil.copy(EXAMPLES / name, tmp_path)
    manifest_file, out = tmp_path / "workstation-jsonl.yaml", tmp_path / "out"

    first = preftrain("run", manifest_file, "--output", out, env=env, timeout_seconds=SECONDS)

    assert first.returncode == ExitCode.DONE, first.stderr
    assert "Training 5/5 (100 %)" in first.stderr
    folder = out / "local" / "short-answers" / "r1"
    assert first.stdout.splitlines()[-1] == f"file://{folder}"
    manifest = Manifest.parse(
        json.loads((folder / "manifest.json").read_text()), context={ALLOW_FILE: True}
    )
    assert {
        "adapter/README.md",
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "report/curves/loss.png",
        "report/evaluations.jsonl",
        "report/margins.jsonl",
        "report/metrics.jsonl",
        "report/report.html",
        "report/samples.jsonl",
    } <= {file.path for file in manifest.files}
    for file in manifest.files:
        content = (folder / file.path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)
    assert manifest.steps == 5
    assert manifest.lineage.pins.model_commit == COMMIT
    adapter_config = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    assert adapter_config["base_model_name_or_path"] == MODEL
    assert adapter_config["revision"] == COMMIT
    assert f'base_model: "{MODEL}"' in (folder / "adapter" / "README.md").read_text()
    assert len((folder / "report" / "metrics.jsonl").read_text().splitlines()) == 5
    assert list((tmp_path / "cache" / "preftrain" / "runs").iterdir()) == []

    again = preftrain("run", manifest_file, "--output", out, env=env)

    assert again.returncode == ExitCode.DONE
    assert "published already" in again.stderr
    assert "LoadingModel" not in again.stderr

    manifest_file.write_text(manifest_file.read_text().replace("1e-4", "2e-4"))
    other = preftrain("run", manifest_file, "--output", out, env=env)

    assert other.returncode == ExitCode.BAD_SPEC
    assert "r1 holds another run; raise runRevision" in other.stderr


@pytest.mark.timeout(SECONDS + 60)
def test_a_run_that_a_guard_stops_leaves_its_report(tmp_path: Path) -> None:
    """With curves and reason, and without a manifest: nothing is published."""
    model = make_tiny_model(tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    weights["model.norm.weight"] = np.full_like(weights["model.norm.weight"], np.nan)
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    write_rows(tmp_path / "data.jsonl", text_rows(40))
    manifest = tmp_path / "job.yaml"
    manifest.write_text(json.dumps(job(tmp_path, training={"maxLength": 128, "maxSteps": 3})))

    ended = preftrain(
        "run", manifest, env={"XDG_CACHE_HOME": str(tmp_path / "cache")}, timeout_seconds=SECONDS
    )

    assert ended.returncode == ExitCode.GUARD_STOPPED, ended.stderr
    (folder,) = (tmp_path / "out").glob("*/tiny/r1")
    assert not (folder / "manifest.json").exists()
    assert sorted(path.name for path in (folder / "report").iterdir() if path.is_file()) == [
        "data_report.html",
        "data_report.json",
        "metrics.jsonl",
        "report.html",
    ]
    page = (folder / "report" / "report.html").read_text()
    assert '<span class="badge stopped">Stopped</span>' in page
    assert "NonFinite" in page


@pytest.mark.timeout(180)
def test_a_pod_asked_to_end_while_it_loads_ends_with_75(tmp_path: Path) -> None:
    """SIGTERM before the first step ends the pod within its grace period, with a result."""
    make_tiny_model(tmp_path / "model")
    write_rows(tmp_path / "data.jsonl", text_rows(40))
    (tmp_path / "run.json").write_text(
        run_spec(
            tmp_path,
            model={"uri": "pvc://models/model", "quantization": "None"},
            dataset={"uri": "pvc://data/data.jsonl"},
            output={"uri": "pvc://results/x"},
        ).model_dump_json(by_alias=True, exclude_none=True)
    )
    volumes = tmp_path / "volumes"
    (volumes / "dataset").mkdir(parents=True)
    shutil.move(tmp_path / "data.jsonl", volumes / "dataset")
    (volumes / "model").mkdir()
    shutil.move(tmp_path / "model", volumes / "model")
    environment = {
        "PREFTRAIN_RUN_SPEC": str(tmp_path / "run.json"),
        "PREFTRAIN_WORK_DIR": str(tmp_path / "work"),
        "PREFTRAIN_CACHE_DIR": str(tmp_path / "cache"),
        "PREFTRAIN_VOLUMES_DIR": str(volumes),
        "PREFTRAIN_TERMINATION_LOG": str(tmp_path / "termination-log"),
        "PREFTRAIN_PORT": "0",
        "HOME": str(tmp_path / "home"),
    }

    with subprocess.Popen(
        [sys.executable, "-m", "preftrain_trainer", "train"],
        env={**clean_environment(), **environment},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if line.startswith("LoadingModel"):
                    break
            process.send_signal(signal.SIGTERM)
            process.stderr.read()
            assert process.wait(120) == ExitCode.PREEMPTED
        finally:
            process.kill()

    result = TrainResult.model_validate_json((tmp_path / "termination-log").read_bytes())
    assert "asked to end" in result.message
    assert result.artifact is None
