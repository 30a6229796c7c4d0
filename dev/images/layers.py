"""Packs a folder into a layer in one pass: read once, hashed and compressed on the way.

The result depends on names, content and modes alone: owners, times and the order of the
disk do not reach it, so the same packages give the same digest on every machine.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from collections.abc import Callable
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
    with part.open("wb") as target:
        archive = subprocess.Popen(_tar(folder, prefix), stdout=subprocess.PIPE)
        compressor = subprocess.Popen(
            ["zstd", "-1", f"-T{os.cpu_count() or 1}", "--quiet", "--stdout", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        unpacked, packed = hashlib.sha256(), hashlib.sha256()
        # Two pipes at once: one is fed here, the other is drained in a thread.
        drain = threading.Thread(
            target=_copy, args=(compressor.stdout, target, packed, lambda _: None)
        )
        drain.start()
        try:
            _copy(
                archive.stdout,
                compressor.stdin,
                unpacked,
                lambda done: heartbeat.beat(f"packing, {done / 1e9:.1f} GB"),
            )
        except BrokenPipeError:
            archive.kill()  # zstd has given up; its status says so below
        finally:
            if compressor.stdin is not None and not compressor.stdin.closed:
                compressor.stdin.close()
            drain.join()
            codes = archive.wait(), compressor.wait()
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


def _copy(
    source: IO[bytes] | None,
    target: IO[bytes] | None,
    digest: Any,
    report: Callable[[int], None],
) -> None:
    if source is None or target is None:
        raise AssertionError("both ends were asked for as pipes")
    done = 0
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        target.write(chunk)
        done += len(chunk)
        report(done)
    target.flush()
