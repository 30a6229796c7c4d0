"""Packs a folder into a layer in one pass: read once, hashed and compressed on the way.

The result depends on names, content and modes alone: owners, times and the order of the
disk do not reach it, so the same packages give the same digest on every machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import threading
from pathlib import Path
from typing import IO, Any

from cluster.errors import BuildError
from cluster.report import Heartbeat
from images.store import Layer, Store

_CHUNK = 1 << 20
_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"


def pack(folder: Path, prefix: str, store: Store, heartbeat: Heartbeat) -> Layer:
    """Write the content of a folder into the store as a layer.

    zstd at its lowest level, because a gigabyte not written, twice, saves more than it costs.

    Args:
        folder: whose last part becomes the first part of the names inside, after the prefix.
        prefix: where the folder lies in the image, as `opt`.
        store: takes the blob.
        heartbeat: says how far it is.

    Raises:
        BuildError: tar or zstd failed.
    """
    part = store.scratch() / "layer"
    unpacked, packed = hashlib.sha256(), hashlib.sha256()
    with (
        part.open("wb") as target,
        subprocess.Popen(_tar(folder, prefix), stdout=subprocess.PIPE) as archive,
        subprocess.Popen(_zstd(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as compressor,
    ):
        if archive.stdout is None or compressor.stdin is None or compressor.stdout is None:
            raise AssertionError("all three were asked for as pipes")
        # Two pipes at once: one is fed here, the other is drained in a thread.
        drain = threading.Thread(target=_copy, args=(compressor.stdout, target, packed))
        drain.start()
        try:
            _copy(archive.stdout, compressor.stdin, unpacked, heartbeat)
        except BrokenPipeError:
            archive.kill()  # zstd has given up; its status says so below
        finally:
            with contextlib.suppress(BrokenPipeError):
                compressor.stdin.close()
            drain.join()
    codes = archive.returncode, compressor.returncode
    if codes != (0, 0):
        raise BuildError(f"packing {folder} failed: tar ended with {codes[0]}, zstd {codes[1]}")
    blob = store.adopt(part, f"sha256:{packed.hexdigest()}")
    return Layer(blob.digest, blob.size, _ZSTD, f"sha256:{unpacked.hexdigest()}")


def _tar(folder: Path, prefix: str) -> list[str]:
    return [
        *("tar", "--create", "--file=-", "--format=posix", "--sort=name", "--mtime=@1"),
        *("--owner=0", "--group=0", "--numeric-owner", "--mode=a+rX,u+w,go-w"),
        *("--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",),
        # The files are hard links into uv's cache; in the image each stands for itself.
        "--hard-dereference",
        *(f"--transform=s,^,{prefix}/,SH", f"--directory={folder.parent}", folder.name),
    ]


def _zstd() -> list[str]:
    return ["zstd", "-1", f"-T{os.cpu_count() or 1}", "--quiet", "--stdout", "-"]


def _copy(
    source: IO[bytes], target: IO[bytes], digest: Any, heartbeat: Heartbeat | None = None
) -> None:
    done = 0
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        target.write(chunk)
        done += len(chunk)
        if heartbeat is not None:
            heartbeat.beat(f"packing, {done / 1e9:.1f} GB")
    target.flush()
