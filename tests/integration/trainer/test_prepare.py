"""What prepare decides of a run, and what a training pod takes over from it."""

import json
from typing import Any

import pytest

from preftrain_api.exit_codes import ExitCode
from preftrain_api.report import AuditReport
from preftrain_trainer.job_file import read_run_spec
from preftrain_trainer.places import opening as places
from preftrain_trainer.prepare import prepare
from preftrain_trainer.stop import StopRequest
from support.fake_hub import COMMIT, fake_hub
from support.result_place import Place
from support.trainer_cases import (
    preftrain,
    run_spec,
    text_rows,
    workspace,
    write_model,
    write_rows,
)
from support.trainer_pod import Pod

pytestmark = pytest.mark.integration


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


def test_models_and_data_are_read_from_s3_too(pod: Pod, versity: Place) -> None:
    """A prefix and a single object both serve; every place has its own Secret."""
    run = run_spec(pod.root, output={**versity.output, "uri": f"s3://{versity.bucket}/in"})
    for place in ("model", "dataset"):
        versity.keys_in(pod.root / "secrets" / place)

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


def test_a_training_pod_does_not_judge_the_same_data_again(pod: Pod) -> None:
    """It takes the report that prepare has left, and a GPU waits for nobody."""
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
