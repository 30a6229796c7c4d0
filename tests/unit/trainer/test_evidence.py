"""What a manifest says about an adapter, and what it keeps to itself."""

from pathlib import Path

from preftrain_api.manifest import ManifestFile
from support.publication import evidence_of
from support.trainer_cases import run_spec


def test_values_of_the_environment_are_not_published(tmp_path: Path) -> None:
    """The rest of the spec is: an adapter says how it was made."""
    variables = [{"name": "TRACKER_TOKEN", "value": "t0p-secret"}]
    run = run_spec(tmp_path, compute={"accelerator": "CPU", "env": variables})

    manifest = evidence_of(run).manifest((ManifestFile(path="a", size=1, sha256="0" * 64),))

    assert "t0p-secret" not in manifest.model_dump_json(by_alias=True)
    assert manifest.spec.training == run.spec.training
    assert manifest.spec.compute is not None
    assert manifest.spec.compute.accelerator == "CPU"
