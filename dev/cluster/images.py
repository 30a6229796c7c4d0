"""Loads images into the node without a registry, sending only the layers it lacks."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from cluster.errors import ClusterError
from cluster.oci import Image, open_image
from cluster.report import Heartbeat, say
from cluster.shell import run

_POLL_SECONDS = 0.1


def load(ctr: Sequence[str], path: Path, name: str | None = None) -> str:
    """Import an image.

    Layers travel as they lie in the layout: write them uncompressed, or unpacking costs more
    than copying.

    Args:
        ctr: the beginning of a command to the node's containerd.
        path: an OCI layout, folder or tar archive.
        name: what to call it; by default the name that it carries.

    Returns:
        The image's full name.

    Raises:
        ClusterError: not an image, or containerd refused it.
    """
    with open_image(path, name) as image:
        present = run([*ctr, "images", "list", f"name=={image.name}"]).splitlines()[1:]
        digest = image.descriptor["digest"]
        if any(digest in line for line in present):
            say(f"image {image.name} is loaded already")
            return image.name
        known = frozenset(run([*ctr, "content", "list", "--quiet"]).split())
        heartbeat = Heartbeat(f"loading {image.name}")
        sent = _import(ctr, image, known, heartbeat)
        say(f"loaded {image.name} in {heartbeat.seconds():.0f} s ({sent / 1e6:.0f} MB sent)")
        return image.name


def _import(ctr: Sequence[str], image: Image, known: frozenset[str], heartbeat: Heartbeat) -> int:
    sent: list[int] = []
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(
            [*ctr, "images", "import", "-"],
            stdin=subprocess.PIPE,
            stdout=words,
            stderr=subprocess.STDOUT,
        ) as importer,
    ):
        sink = importer.stdin

        def write() -> None:
            if sink is not None:
                try:
                    sent.append(image.write_archive(sink, known))
                    sink.close()
                except BrokenPipeError:
                    # The importer has given up; its status and words say why.
                    return

        # In a thread, so that a line of progress appears while gigabytes are written.
        writer = threading.Thread(target=write)
        writer.start()
        while importer.poll() is None:
            heartbeat.beat()
            time.sleep(_POLL_SECONDS)
        writer.join()
        words.seek(0)
        text = words.read().decode(errors="replace")
    if importer.returncode != 0 or not sent:
        raise ClusterError(f"{image.name} could not be loaded: {text.strip()[-800:]}")
    return sent[0]
