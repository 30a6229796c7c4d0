"""What a manifest says about an adapter, and what it keeps to itself."""

from pathlib import Path

from preftrain_api.manifest import ManifestFile
from support.publication import evidence_of
from support.trainer_cases import run_spec

FILES = (ManifestFile(path="a", size=1, sha256="0" * 64),)


def test_values_of_the_environment_are_not_published(tmp_path: Path) -> None:
    """The rest of the spec is: an adapter says how it was made."""
    variables = [{"name": "TRACKER_TOKEN", "value": "t0p-secret"}]
    run = run_spec(tmp_path, compute={"accelerator": "CPU", "env": variables})

    manifest = evidence_of(run).manifest(FILES)

    assert "t0p-secret" not in manifest.model_dump_json(by_alias=True)
    assert manifest.spec.training == run.spec.training
    assert manifest.spec.compute is not None
    assert manifest.spec.compute.accelerator == "CPU"


def test_a_spec_without_a_place_to_compute_is_published_as_it_is(tmp_path: Path) -> None:
    """There is nothing to leave out."""
    run = run_spec(tmp_path)
    bare = run.model_copy(update={"spec": run.spec.model_copy(update={"compute": None})})

    assert evidence_of(bare).manifest(FILES).spec == bare.spec
