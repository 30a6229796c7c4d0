"""What the demo says about published files: each held against the manifest."""

from pathlib import Path

import pytest

from demo.published import PublishedError, adapter_folder, inspect, read_manifest
from support.demo_run import CONTENT, make_manifest


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder as downloaded: the listed files, the manifest and a claim."""
    for path, data in CONTENT.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    (tmp_path / "claim.json").write_text("{}")
    (tmp_path / "manifest.json").write_text(make_manifest(CONTENT).model_dump_json(by_alias=True))
    return tmp_path


def states(run: Path) -> dict[str, str]:
    """State of each file."""
    return {file.path: file.state for file in inspect(run, read_manifest(run))}


def test_whole_files_are_verified_and_others_are_listed(run: Path) -> None:
    """The listing shows everything; only what the manifest promises is checked."""
    assert states(run) == {
        "adapter/adapter_config.json": "verified",
        "adapter/adapter_model.safetensors": "verified",
        "claim.json": "unlisted",
        "manifest.json": "unlisted",
    }
    assert not any(file.broken for file in inspect(run, read_manifest(run)))


@pytest.mark.parametrize(
    ("data", "state"),
    [(b"weightz", "wrong sha256"), (b"weight", "wrong size"), (None, "missing")],
)
def test_files_that_contradict_the_manifest_are_broken(
    run: Path, data: bytes | None, state: str
) -> None:
    """Same size with other bytes, cut short, or gone: each is told apart."""
    path = run / "adapter/adapter_model.safetensors"
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)
    broken = [file for file in inspect(run, read_manifest(run)) if file.broken]
    assert [(file.path, file.state) for file in broken] == [
        ("adapter/adapter_model.safetensors", state)
    ]


def test_the_adapter_is_where_the_manifest_says(run: Path) -> None:
    """Published and withheld adapters lie in different folders."""
    assert adapter_folder(run, read_manifest(run)) == run / "adapter"
    withheld = make_manifest({"withheld/adapter_config.json": b"{}"})
    assert adapter_folder(run, withheld) == run / "withheld"


def test_a_run_without_a_manifest_has_published_nothing(tmp_path: Path) -> None:
    """Files alone prove nothing: the manifest comes last."""
    with pytest.raises(PublishedError, match=r"no manifest\.json"):
        read_manifest(tmp_path)


def test_a_foreign_manifest_is_refused(tmp_path: Path) -> None:
    """The message says that it is not of this version."""
    (tmp_path / "manifest.json").write_text('{"apiVersion": "other/v1"}')
    with pytest.raises(PublishedError, match="not a manifest of this version"):
        read_manifest(tmp_path)
