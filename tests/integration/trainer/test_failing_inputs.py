"""Models and data that cannot be had or used: the exit code, and the sentence that helps."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from preftrain_api.exit_codes import ExitCode
from preftrain_trainer.errors import TrainerError
from preftrain_trainer.places.ref import PlaceRef
from preftrain_trainer.places.retry import QUICK, Retry
from preftrain_trainer.places.s3 import Bucket
from preftrain_trainer.places.s3_client import Connection
from preftrain_trainer.places.s3_source import S3Source
from preftrain_trainer.places.store import StoredObject
from support.fake_hub import fake_hub
from support.result_place import Place
from support.tiny_model import NO_END_MARK, write_tokenizer
from support.trainer_cases import (
    run_spec,
    text_rows,
    write_model,
    write_rows,
)
from support.trainer_pod import Pod, unused_port

pytestmark = pytest.mark.integration


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
