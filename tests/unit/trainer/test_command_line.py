"""The command line: what it refuses, how fast, and with which exit code."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from preftrain_api.exit_codes import ExitCode
from preftrain_trainer.errors import BadSpec
from preftrain_trainer.job_file import read_job, read_run_spec
from preftrain_trainer.workspace import Workspace
from support.trainer_cases import (
    clean_environment,
    job,
    preftrain,
    run_spec,
    text_rows,
    write_model,
    write_rows,
)


def write_job(tmp_path: Path, raw: dict[str, Any]) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(json.dumps(raw, indent=1))
    return path


def changed(raw: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    *parents, name = path.split(".")
    target = raw
    for parent in parents:
        target = target.setdefault(parent, {})
    target[name] = value
    return raw


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("spec.trainning", {}, ["spec.trainning", "training"]),
        ("spec.training.learningRte", 1e-5, ["spec.training.learningRte", "learningRate"]),
        ("spec.training.learningRate", "5e-6", ["spec.training.learningRate", "number"]),
        ("spec.method.kto", {}, ["spec.method.kto", "KTO"]),
        ("spec.model.uri", "ftp://x/y", ["spec.model.uri", "hf://owner/name"]),
        ("spec.output", None, ["spec.output"]),
        ("apiVersion", "preftrain.dev/v2", ["apiVersion", "preftrain.dev/v1alpha1"]),
        ("kind", "Job", ["kind", "PreferenceTrainingJob"]),
        ("metadata.name", "Not_A_Name", ["metadata.name", "lower-case"]),
        ("metadata.name", "a" * 47, ["metadata.name", "46"]),
        ("training", {}, ["training", "under spec"]),
    ],
)
def test_a_wrong_manifest_names_file_and_field(
    tmp_path: Path, path: str, value: Any, says: list[str]
) -> None:
    """Each mistake is one sentence with the path of the field and the way out."""
    manifest = write_job(tmp_path, changed(job(tmp_path), path, value))

    with pytest.raises(BadSpec) as refusal:
        read_job(manifest, None)

    for part in [str(manifest), *says]:
        assert part in str(refusal.value)


def test_a_manifest_that_is_missing_or_no_yaml_is_named(tmp_path: Path) -> None:
    """The file stands in the message."""
    with pytest.raises(BadSpec, match=r"nowhere\.yaml cannot be read"):
        read_job(tmp_path / "nowhere.yaml", None)
    (tmp_path / "broken.yaml").write_text("spec: [")
    with pytest.raises(BadSpec, match=r"broken\.yaml: line"):
        read_job(tmp_path / "broken.yaml", None)


def test_numbers_mean_what_they_mean_in_a_cluster(tmp_path: Path) -> None:
    """`5e-6` is a number, although most YAML readers of Python take it for text."""
    manifest = write_job(tmp_path, changed(job(tmp_path), "spec.training.learningRate", 1.0))
    manifest.write_text(manifest.read_text().replace("1.0", "5e-6"))

    training = read_job(manifest, None).spec.training

    assert training is not None
    assert training.learning_rate == 5e-6


def test_an_output_folder_replaces_the_place_but_not_the_policy(tmp_path: Path) -> None:
    """--output takes a folder; secrets and endpoints of the manifest's place go with it."""
    output = {
        "uri": "s3://bucket/x",
        "secretRef": {"name": "keys"},
        "s3": {"endpoint": "http://localhost:1"},
        "publishPolicy": "Always",
    }
    manifest = write_job(tmp_path, job(tmp_path, output=output))

    run = read_job(manifest, tmp_path / "here")

    assert run.spec.output.plain() == {
        "uri": f"file://{tmp_path}/here",
        "publishPolicy": "Always",
        "mergedWeights": False,
    }
    assert run.identity.key_prefix == "local/tiny/r1"


def test_a_run_spec_of_another_release_is_refused(tmp_path: Path) -> None:
    """The message says that operator and image must fit together."""
    path = tmp_path / "run.json"
    text = run_spec(tmp_path).model_dump_json(by_alias=True)
    path.write_text(text.replace("run.preftrain.dev/v1alpha1", "run.preftrain.dev/v9"))

    with pytest.raises(BadSpec, match="same release"):
        read_run_spec(path)


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """A manifest in another encoding, and a run spec that nobody has mounted."""
    path = tmp_path / "job.yaml"
    path.write_bytes("kind: Prüfung".encode("latin-1"))

    with pytest.raises(BadSpec, match=r"job\.yaml is not UTF-8; save it as UTF-8"):
        read_job(path, None)
    with pytest.raises(BadSpec, match=r"cannot be read: .*use 'preftrain run'"):
        read_run_spec(tmp_path / "run.json")


def test_a_wrong_manifest_ends_with_64_and_one_sentence(tmp_path: Path) -> None:
    """Nothing but the sentence is printed, in a process of its own."""
    manifest = write_job(tmp_path, changed(job(tmp_path), "spec.trainning", {}))

    ended = preftrain("run", manifest)

    assert ended.returncode == ExitCode.BAD_SPEC
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith(f"preftrain: {manifest}: spec.trainning")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"guards": [{"name": "Stall", "action": "Stop"}]},
            "spec.guards: Stall cannot end a process that hangs",
        ),
        ({"dataset": {"uri": "file://data.jsonl", "filters": []}}, ""),
    ],
)
def test_what_this_release_cannot_do_is_refused_not_ignored(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    """A member that would be ignored ends the run with 64."""
    write_model(tmp_path / "model")
    write_rows(tmp_path / "data.jsonl", text_rows(4))

    ended = preftrain("run", write_job(tmp_path, job(tmp_path, **changes)), "--check")

    assert ended.returncode == (ExitCode.BAD_SPEC if says else ExitCode.DONE)
    assert says in ended.stderr


def test_prepare_needs_no_torch(tmp_path: Path) -> None:
    """The prepare image has none of the heavy packages, so nothing may import them."""
    write_model(tmp_path / "model")
    write_rows(tmp_path / "data.parquet", text_rows(30))
    manifest = write_job(tmp_path, job(tmp_path, dataset={"uri": "file://data.parquet"}))
    program = (
        "import sys; from preftrain_trainer.__main__ import main; "
        f"code = main(['run', {str(manifest)!r}, '--check']); "
        "print('LOADED', sorted({name.split('.')[0] for name in sys.modules}))"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    loaded = set(ast.literal_eval(ended.stdout.split("LOADED ")[1]))
    heavy = {"torch", "transformers", "datasets", "unsloth", "trl", "peft", "accelerate"}
    assert "pyarrow" in loaded
    assert not loaded & heavy


def test_a_pod_listens_before_it_loads_anything() -> None:
    """A signal that comes earlier is lost on the first process of a container."""
    code = "import sys, preftrain_trainer.__main__; sys.exit('pydantic' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], env=clean_environment(), check=False)
    assert ended.returncode == 0


def test_pods_without_a_uid_are_two_pods() -> None:
    """With one name they would share the claim, and both publish."""
    assert Workspace.of_pod({}).holder != Workspace.of_pod({}).holder


def test_reading_a_manifest_loads_no_client_library() -> None:
    """What makes a wrong manifest fail fast: nothing but the contract is imported."""
    program = (
        "import sys; import preftrain_trainer.__main__, preftrain_trainer.job_file; "
        "print(sorted({name.split('.')[0] for name in sys.modules}))"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert not set(ast.literal_eval(ended.stdout)) & {
        "boto3",
        "huggingface_hub",
        "prometheus_client",
        "pyarrow",
        "torch",
    }


def test_the_version_is_the_distributions() -> None:
    """`preftrain --version` ends with 0."""
    ended = preftrain("--version")

    assert (ended.returncode, ended.stdout) == (0, "preftrain 0.1.0\n")


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The sentence names the folder and the variable that moves it."""
    manifest = write_job(tmp_path, job(tmp_path))
    (tmp_path / "cache").write_text("a file where the folder should be")

    ended = preftrain("run", manifest, env={"XDG_CACHE_HOME": str(tmp_path / "cache")})

    assert ended.returncode == ExitCode.INTERNAL
    assert f"{tmp_path}/cache/preftrain/runs cannot be written" in ended.stderr
    assert "XDG_CACHE_HOME" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_profile_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """Keys come from the environment on a workstation; a wrong profile is no internal error."""
    manifest = write_job(tmp_path, job(tmp_path, output={"uri": "s3://bucket/x"}))

    ended = preftrain("run", manifest, env={"AWS_PROFILE": "nosuch"})

    assert ended.returncode == ExitCode.OBJECT_STORE_UNAVAILABLE
    assert "(nosuch) could not be found; correct AWS_PROFILE" in ended.stderr
