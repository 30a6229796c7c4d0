"""The prepare step as a pod runs it: its verdict, its exit code, and its one sentence."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preftrain_api.exit_codes import ExitCode
from preftrain_api.result import PrepareResult
from preftrain_trainer.errors import TrainerError
from support.fake_hub import COMMIT, fake_hub
from support.tiny_model import NO_END_MARK, write_tokenizer
from support.trainer_cases import (
    clean_environment,
    preftrain,
    run_spec,
    text_rows,
    write_model,
    write_rows,
)
from support.waiting import eventually

from .conftest import Place

pytestmark = pytest.mark.integration

SECONDS = 20
"""A job that fails on data or storage must have failed by then."""


class Pod:
    """A pod's file system: volumes, secrets and run spec, as the operator mounts them."""

    def __init__(self, tmp_path: Path, place: Place) -> None:
        self.root = tmp_path
        self.place = place
        self.env: dict[str, str] = {}
        write_model(tmp_path / "volumes" / "model" / "base")
        write_rows(tmp_path / "volumes" / "dataset" / "pairs" / "train.jsonl", text_rows(200))
        place.keys_in(tmp_path / "secrets" / "output")

    def environment(self) -> dict[str, str]:
        return {
            "PREFTRAIN_RUN_SPEC": str(self.root / "run.json"),
            "PREFTRAIN_WORK_DIR": str(self.root / "work"),
            "PREFTRAIN_CACHE_DIR": str(self.root / "cache"),
            "PREFTRAIN_SECRETS_DIR": str(self.root / "secrets"),
            "PREFTRAIN_VOLUMES_DIR": str(self.root / "volumes"),
            "PREFTRAIN_TERMINATION_LOG": str(self.root / "termination-log"),
            "PREFTRAIN_POD_UID": "pod-1",
            "HOME": str(self.root / "home"),
            **self.env,
        }

    def tell(self, **changes: Any) -> None:
        members: dict[str, Any] = {
            "model": {"uri": "pvc://models/base", "quantization": "None"},
            "dataset": {"uri": "pvc://data/pairs"},
            "output": self.place.output,
        }
        run = run_spec(self.root, **{**members, **changes})
        (self.root / "run.json").write_text(run.model_dump_json(by_alias=True, exclude_none=True))

    def prepare(self, **changes: Any) -> tuple[int, PrepareResult, str]:
        self.tell(**changes)
        ended = preftrain("prepare", env=self.environment(), timeout_seconds=SECONDS)
        return ended.returncode, self.result(), ended.stderr

    def result(self) -> PrepareResult:
        return PrepareResult.model_validate_json((self.root / "termination-log").read_bytes())


@pytest.fixture
def pod(tmp_path: Path, versity: Place) -> Pod:
    return Pod(tmp_path, versity)


def test_a_good_job_is_pinned_and_let_through(pod: Pod) -> None:
    """The verdict is Train, with pins, hash, report and what the store can do."""
    code, result, _ = pod.prepare()

    assert (code, result.verdict) == (ExitCode.DONE, "Train")
    assert result.pins is not None
    assert result.pins.model_commit is not None
    assert result.pins.data_digest is not None
    assert result.spec_hash is not None
    assert result.fencing == "ConditionalWrites"
    assert result.data_report is not None
    assert (result.data_report.rows, result.data_report.eval_rows) == (200, 10)


def test_looking_twice_finds_the_same(pod: Pod) -> None:
    """Pins and hash depend on nothing but the inputs."""
    assert pod.prepare()[1] == pod.prepare()[1]


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def output(pod: Pod, **changes: Any) -> dict[str, Any]:
    return {**pod.place.output, **changes}


@pytest.mark.fault(15)
def test_a_missing_bucket_ends_with_69(pod: Pod) -> None:
    """The message names the bucket and output.uri."""
    code, result, _ = pod.prepare(output=output(pod, uri="s3://no-such-bucket/x"))

    assert (code, result.verdict) == (ExitCode.OBJECT_STORE_UNAVAILABLE, "Refused")
    assert "has no bucket no-such-bucket" in result.message
    assert "output.uri" in result.message


@pytest.mark.fault(15)
def test_wrong_keys_end_with_69(pod: Pod) -> None:
    """The message names output.secretRef and the Secret, and holds no key."""
    wrong = replace(pod.place, secret={**pod.place.secret, "AWS_SECRET_ACCESS_KEY": "wr0ng"})
    wrong.keys_in(pod.root / "secrets" / "output")

    code, result, log = pod.prepare()

    assert code == ExitCode.OBJECT_STORE_UNAVAILABLE
    assert "output.secretRef (s3-keys)" in result.message
    assert "SignatureDoesNotMatch" in result.message
    assert "wr0ng" not in log + result.message


def test_a_secret_without_its_keys_ends_with_69(pod: Pod) -> None:
    """The message names the key that is missing."""
    (pod.root / "secrets" / "output" / "AWS_SECRET_ACCESS_KEY").unlink()

    code, result, _ = pod.prepare()

    assert code == ExitCode.OBJECT_STORE_UNAVAILABLE
    assert "output.secretRef (s3-keys) has no key AWS_SECRET_ACCESS_KEY" in result.message


def test_no_credentials_at_all_end_with_69(pod: Pod) -> None:
    """Without Secret and identity the message says what to set."""
    for key in (pod.root / "secrets" / "output").iterdir():
        key.unlink()
    (pod.root / "secrets" / "output").rmdir()
    place = {key: value for key, value in pod.place.output.items() if key != "secretRef"}

    code, result, _ = pod.prepare(output=place)

    assert code == ExitCode.OBJECT_STORE_UNAVAILABLE
    assert "set output.secretRef" in result.message


@pytest.mark.fault(14)
def test_an_endpoint_that_is_not_there_ends_with_69(pod: Pod) -> None:
    """The message names the address and output.s3.endpoint, within seconds."""
    address = f"127.0.0.1:{unused_port()}"

    code, result, _ = pod.prepare(output=output(pod, s3={"endpoint": f"http://{address}"}))

    assert code == ExitCode.OBJECT_STORE_UNAVAILABLE
    assert f"{address} does not answer; check output.s3.endpoint" in result.message


@pytest.mark.parametrize("storage", ["no bucket", "wrong key", "nobody listens", "silent"])
def test_storage_that_fails_is_told_before_torch_is_imported(pod: Pod, storage: str) -> None:
    """Within the seconds that a job has for it, in the pod that would train too."""
    pretended = pod.root / "pretended" / "torch"
    pretended.mkdir(parents=True)
    (pretended / "__init__.py").write_text("raise SystemExit('torch was imported')")
    pod.env = {
        "PREFTRAIN_PORT": "0",
        "PYTHONPATH": os.pathsep.join([str(pretended.parent), *sys.path]),
    }
    if storage == "no bucket":
        pod.tell(output=output(pod, uri="s3://no-such-bucket/x"))
    elif storage == "wrong key":
        (pod.root / "secrets" / "output" / "AWS_SECRET_ACCESS_KEY").write_text("wr0ng")
        pod.tell()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if storage == "silent" else unused_port()
        if storage in ("nobody listens", "silent"):
            pod.tell(output=output(pod, s3={"endpoint": f"http://127.0.0.1:{port}"}))
        ended = preftrain("train", env=pod.environment(), timeout_seconds=SECONDS)

    assert ended.returncode == ExitCode.OBJECT_STORE_UNAVAILABLE, ended.stderr
    assert "output.uri s3://" in ended.stderr


def test_a_volume_that_cannot_be_written_ends_with_69(pod: Pod) -> None:
    """The message names the path and output.uri."""
    (pod.root / "volumes" / "output").write_text("a file where the mount should be")

    code, result, _ = pod.prepare(output={"uri": "pvc://results/x"})

    assert code == ExitCode.OBJECT_STORE_UNAVAILABLE
    assert "output.uri pvc://results/x" in result.message


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "has no .safetensors weights"),
        (None, "does not exist; correct model.uri"),
    ],
)
def test_a_missing_model_ends_with_66(pod: Pod, broken: str | None, says: str) -> None:
    """The message says which part is not there."""
    folder = pod.root / "volumes" / "model" / "base"
    if broken is None:
        folder.rename(folder.with_name("elsewhere"))
    else:
        (folder / broken).unlink()

    code, result, _ = pod.prepare()

    assert code == ExitCode.MODEL_UNAVAILABLE
    assert "model.uri pvc://models/base" in result.message
    assert says in result.message


def test_a_model_that_lacks_a_shard_ends_with_66(pod: Pod) -> None:
    """What the index lists must be there."""
    folder = pod.root / "volumes" / "model" / "base"
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}})
    )

    code, result, _ = pod.prepare()

    assert code == ExitCode.MODEL_UNAVAILABLE
    assert "lacks model-2.safetensors" in result.message


@pytest.mark.fault(18)
def test_refused_data_end_with_65_and_leave_their_report(pod: Pod) -> None:
    """The report is in the result and in the output, where a person can read it."""
    bad = [{"prompt": "q", "chosen": "same", "rejected": "same"}] * 20
    write_rows(pod.root / "volumes" / "dataset" / "pairs" / "train.jsonl", text_rows(80) + bad)

    code, result, log = pod.prepare(output={"uri": "pvc://results/x"})

    assert code == ExitCode.DATA_REFUSED
    assert "20 of 100 rows" in result.message
    assert result.message in log
    assert result.data_report is not None
    kept = pod.root / "volumes/output/x/team/tiny/r1/report"
    assert json.loads((kept / "data_report.json").read_text())["droppedRows"] == 20
    assert "Refused" in (kept / "data_report.html").read_text()


def test_a_template_that_lies_ends_with_66_before_a_gpu_is_asked_for(pod: Pod) -> None:
    """The report comes along, because it shows which rows."""
    write_tokenizer(pod.root / "volumes/model/base", ["Question Good Bad"], template=NO_END_MARK)

    code, result, _ = pod.prepare()

    assert code == ExitCode.MODEL_UNAVAILABLE
    assert "does not end with an end-of-sequence token" in result.message
    assert result.data_report is not None
    assert result.data_report.findings[0].name == "noEndMark"


def test_a_training_pod_does_not_judge_the_same_data_again(pod: Pod) -> None:
    """It takes the report that prepare has left, and a GPU waits for nobody."""
    from preftrain_api.report import AuditReport
    from preftrain_trainer.job_file import read_run_spec
    from preftrain_trainer.prepare import prepare
    from preftrain_trainer.stop import StopRequest
    from support.trainer_cases import workspace

    place = {"uri": "pvc://results/x"}
    _, checked, _ = pod.prepare(output=place)
    told = read_run_spec(pod.root / "run.json").model_copy(update={"pins": checked.pins})
    kept = pod.root / "volumes/output/x/team/tiny/r1/report/data_report.json"
    report = AuditReport.model_validate_json(kept.read_bytes())
    marked = report.model_copy(update={"shape": "left by prepare"})

    for text, says in (
        (marked.model_dump_json(by_alias=True, exclude_none=True), "left by prepare"),
        (marked.model_dump_json(by_alias=True).replace(report.digest, f"sha256:{'0' * 64}"), None),
        ("no report", None),
    ):
        kept.write_text(text)
        prepare(told, workspace(pod.root), StopRequest())
        found = AuditReport.model_validate_json(kept.read_bytes())
        assert found.shape == (says or report.shape)
        kept.unlink()
    prepare(told, workspace(pod.root), StopRequest())
    assert kept.is_file()


@pytest.mark.fault(18)
def test_a_missing_column_ends_with_65(pod: Pod) -> None:
    """The message names the file, the column, what is there, and the way out."""
    code, result, _ = pod.prepare(
        dataset={"uri": "pvc://data/pairs", "columns": {"chosen": "better"}}
    )

    assert code == ExitCode.DATA_REFUSED
    assert result.message == (
        "train.jsonl has no column 'better'; its columns are chosen, prompt, rejected; "
        "name the right one in dataset.columns.chosen"
    )


def test_an_unavailable_member_ends_with_64(pod: Pod) -> None:
    """Nothing is read or written before the spec is known to be possible."""
    code, result, _ = pod.prepare(guards=[{"name": "Stall", "action": "Stop"}])

    assert code == ExitCode.BAD_SPEC
    assert result.message.startswith("spec.guards")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"method": {"type": "DPO", "dpo": {"labelSmoothing": 0.1}}}, "method.dpo.labelSmoothing"),
        ({"training": {"precision": "BF16"}}, "training.precision BF16 needs a GPU"),
        (
            {
                "dataset": {"uri": "pvc://data/pairs", "evalFraction": 0},
                "evaluation": {
                    "gates": [{"metric": "RewardMargin", "operator": "AtLeast", "threshold": 0}]
                },
            },
            "evaluation.gates cannot be judged because no pairs are held out",
        ),
    ],
)
def test_what_training_would_refuse_is_refused_before_it(
    pod: Pod, changes: dict[str, Any], says: str
) -> None:
    """No GPU is asked for to find out that the spec contradicts itself."""
    code, result, _ = pod.prepare(**changes)

    assert code == ExitCode.BAD_SPEC
    assert says in result.message


def test_a_published_run_is_adopted(pod: Pod) -> None:
    """A manifest of the same hash ends the run at once, with its artifact."""
    place = {"uri": "pvc://results/x"}
    _, first, _ = pod.prepare(output=place)
    manifest = pod.root / "volumes/output/x/team/tiny/r1/manifest.json"
    manifest.write_text(json.dumps({"specHash": first.spec_hash}))

    code, result, _ = pod.prepare(output=place)

    assert (code, result.verdict) == (ExitCode.DONE, "Adopted")
    assert result.artifact is not None
    assert result.artifact.uri == "pvc://results/x/team/tiny/r1"


def test_a_place_with_another_run_ends_with_64(pod: Pod) -> None:
    """The artifact that stands in the way comes along, so that the reason can be told."""
    place = {"uri": "pvc://results/x"}
    pod.prepare(output=place)
    manifest = pod.root / "volumes/output/x/team/tiny/r1/manifest.json"
    manifest.write_text(json.dumps({"specHash": "sha256:" + "0" * 64}))

    code, result, _ = pod.prepare(output=place)

    assert (code, result.verdict) == (ExitCode.BAD_SPEC, "Refused")
    assert "r1 holds another run; raise runRevision" in result.message
    assert result.artifact is not None


def test_inputs_that_changed_after_they_were_checked_are_refused(pod: Pod) -> None:
    """A training pod takes nothing but what prepare pinned."""
    _, checked, _ = pod.prepare()
    assert checked.pins is not None
    pod.tell()
    run = json.loads((pod.root / "run.json").read_text())
    run["pins"] = checked.pins.plain()
    (pod.root / "run.json").write_text(json.dumps(run))
    write_rows(pod.root / "volumes" / "dataset" / "pairs" / "train.jsonl", text_rows(201))

    ended = preftrain("train", env={**pod.environment(), "PREFTRAIN_PORT": "0"})

    assert ended.returncode == ExitCode.DATA_REFUSED
    assert "dataset.uri has changed since it was checked" in ended.stderr


def test_models_and_data_are_read_from_s3_too(pod: Pod, versity: Place) -> None:
    """A prefix and a single object both serve; every place has its own Secret."""
    from preftrain_trainer.places import opening as places

    run = run_spec(pod.root, output={**versity.output, "uri": f"s3://{versity.bucket}/in"})
    for place in ("model", "dataset"):
        versity.keys_in(pod.root / "secrets" / place)
    from support.trainer_cases import workspace

    store = places.open_output(run, workspace(pod.root), patient=False)
    for path in (pod.root / "volumes" / "model" / "base").iterdir():
        store.put(f"base/{path.name}", path.read_bytes())
    packed = write_rows(pod.root / "pairs.parquet", text_rows(120))
    store.put("pairs.parquet", packed.read_bytes())
    s3 = {key: value for key, value in versity.output.items() if key != "uri"}

    code, result, _ = pod.prepare(
        model={"uri": store.url("base"), "quantization": "None", **s3},
        dataset={"uri": store.url("pairs.parquet"), **s3},
    )

    assert (code, result.message) == (ExitCode.DONE, "")
    assert result.data_report is not None
    assert result.data_report.rows == 120


def test_a_missing_object_is_missing_data_or_a_missing_model(pod: Pod, versity: Place) -> None:
    """The exit code tells which of the two."""
    for place in ("model", "dataset"):
        versity.keys_in(pod.root / "secrets" / place)
    s3 = {**versity.output, "uri": f"s3://{versity.bucket}/nothing/here"}

    assert pod.prepare(model={**s3, "quantization": "None"})[0] == ExitCode.MODEL_UNAVAILABLE
    code, result, _ = pod.prepare(dataset=s3)

    assert code == ExitCode.DATA_REFUSED
    assert "there is nothing below it; correct dataset.uri" in result.message


def test_a_key_that_leaves_its_folder_is_refused(pod: Pod, versity: Place) -> None:
    """Objects of a bucket become files below the cache, and nowhere else."""
    from preftrain_trainer.places.ref import PlaceRef
    from preftrain_trainer.places.retry import QUICK, Retry
    from preftrain_trainer.places.s3 import Bucket
    from preftrain_trainer.places.s3_client import Connection
    from preftrain_trainer.places.s3_source import S3Source
    from preftrain_trainer.places.store import StoredObject

    class Listing(Bucket):
        def list(self, prefix: str = "") -> Iterator[StoredObject]:
            yield StoredObject(f"{prefix}../../evil.json", 1, "tag")

    dataset = run_spec(
        pod.root, dataset={"uri": "s3://bucket/pairs", "s3": {"region": "eu-west-1"}}
    ).spec.dataset
    place = PlaceRef.of("dataset", dataset.uri, dataset)
    opened = Listing(place, Connection(place, pod.root / "none", QUICK), "", Retry(QUICK))
    source = S3Source(place, lambda _: opened, pod.root)

    with pytest.raises(TrainerError, match="would leave the folder"):
        source.files()


def test_a_hub_branch_becomes_a_commit(pod: Pod) -> None:
    """Model and data of a hub are pinned, and only the split's files are fetched."""
    hub = pod.root / "hub"
    write_model(hub / "models" / "owner" / "base")
    data = hub / "datasets" / "owner" / "pairs"
    write_rows(data / "data" / "train-0-of-1.parquet", text_rows(120))
    (data / "data" / "test-0-of-1.parquet").write_text("never read")
    (data / "README.md").write_text("---\nconfigs: []\n---\n")

    with fake_hub(hub) as endpoint:
        pod.env = {"HF_ENDPOINT": endpoint}
        code, result, log = pod.prepare(
            model={"uri": "hf://owner/base", "quantization": "None"},
            dataset={"uri": "hf://owner/pairs"},
        )

    assert code == ExitCode.DONE, log
    assert result.pins is not None
    assert (result.pins.model_commit, result.pins.dataset_commit) == (COMMIT, COMMIT)
    assert result.data_report is not None
    assert result.data_report.rows == 120


@pytest.mark.fault(41)
@pytest.mark.parametrize(
    ("model", "code", "says"),
    [
        ({"uri": "hf://owner/none"}, 66, "the hub has no model owner/none"),
        ({"uri": "hf://owner/base", "revision": "v9"}, 66, "correct model.revision"),
        ({"uri": "hf://owner/gated"}, 66, "HF_TOKEN"),
    ],
)
def test_a_hub_that_refuses_a_model_ends_with_66(
    pod: Pod, model: dict[str, Any], code: int, says: str
) -> None:
    """The message names what to correct."""
    hub = pod.root / "hub"
    write_model(hub / "models" / "owner" / "base")
    write_model(hub / "models" / "owner" / "gated")
    (hub / "models" / "owner" / "gated" / ".gated").touch()

    with fake_hub(hub) as endpoint:
        pod.env = {"HF_ENDPOINT": endpoint}
        ended, result, _ = pod.prepare(model={**model, "quantization": "None"})

    assert ended == code
    assert says in result.message


@pytest.mark.fault(41)
def test_a_hub_out_of_reach_ends_with_69(pod: Pod) -> None:
    """Another attempt may fare better, so it is not final."""
    pod.env = {"HF_ENDPOINT": f"http://127.0.0.1:{unused_port()}"}

    code, result, _ = pod.prepare(model={"uri": "hf://owner/base", "quantization": "None"})

    assert code == ExitCode.OBJECT_STORE_UNAVAILABLE
    assert "model.uri hf://owner/base" in result.message


@pytest.mark.fault(42)
def test_being_asked_to_end_while_preparing_ends_with_75(pod: Pod) -> None:
    """SIGTERM in the middle of a request that hangs ends the pod at once, with a result."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reached = threading.Event()

        def accept() -> None:
            connection, _ = silent.accept()
            with connection:
                reached.set()
                while connection.recv(1 << 20):
                    pass

        listener = threading.Thread(target=accept)
        listener.start()
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        pod.tell(output=output(pod, s3={"endpoint": endpoint}))
        process = subprocess.Popen(
            [sys.executable, "-m", "preftrain_trainer", "prepare"],
            env={**clean_environment(), **pod.environment()},
            stderr=subprocess.DEVNULL,
        )
        try:
            eventually(reached.is_set, "the request")
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == ExitCode.PREEMPTED
        finally:
            process.kill()
            process.wait()
            listener.join()
    assert "asked to end" in pod.result().message
