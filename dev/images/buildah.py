"""Builds with buildah, in a storage of its own, the shortest way to layers in the store.

The dependencies of the trainer are 5 GB. Committed by buildah they would be copied three
times; so the steps that install them write into a folder of this machine, mounted where the
image has /opt, and the folder is packed once. uv's cache lies in the same mount as hard
links, which makes installing a matter of seconds and of no space.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cluster.errors import BuildError
from cluster.report import Heartbeat, say
from images.base import LOCAL_BASE_KEY, bootstrap
from images.catalogue import REPOSITORY, Recipe
from images.commands import run_logged
from images.keys import Keys
from images.layers import pack
from images.store import Part, Store

_OPT = "/opt"
_INSTALLED = "preftrain"
_CACHE = "uv-cache"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'


class Buildah:
    """buildah with one store.

    Args:
        store: takes the parts; buildah's own storage lies beside them.
        log: takes everything that is said.
    """

    def __init__(self, store: Store, log: Path) -> None:
        self._store = store
        self._log = log
        self._base = f"localhost/preftrain-base:{LOCAL_BASE_KEY[:12]}"
        self._uv = f"localhost/preftrain-uv:{LOCAL_BASE_KEY[:12]}"
        self._policy = store.root / "policy.json"

    def parts(self, recipe: Recipe, keys: Keys) -> tuple[Part, Part, Part]:
        """The layers of an image, lowest first, found in the store or built now.

        Raises:
            BuildError: the log's end is in the message.
        """
        part = self._store.part
        return (
            part(recipe.system, keys.system, lambda: self._system(recipe)),
            part(recipe.packages, keys.packages, lambda: self._packages(recipe)),
            part(recipe.code, keys.code, lambda: self._code(recipe)),
        )

    def _system(self, recipe: Recipe) -> Part:
        heartbeat = Heartbeat(f"building the system of {recipe.name}")
        built = self._target(recipe, recipe.system, heartbeat)
        say(f"built the system of {recipe.name} in {heartbeat.seconds():.0f} s")
        return built

    def _packages(self, recipe: Recipe) -> Part:
        _require_space(self._store.root, recipe)
        heartbeat = Heartbeat(f"installing the packages of {recipe.name}")
        mount = self._store.scratch()
        self._link_cache(mount / _CACHE, heartbeat)
        options = [
            *("--volume", f"{mount}:{_OPT}"),
            *("--build-arg", f"UV_CACHE_DIR={_OPT}/{_CACHE}"),
        ]
        self._target(recipe, recipe.packages, heartbeat, options)
        layer = pack(mount / _INSTALLED, _OPT.strip("/"), self._store, heartbeat)
        # A hundred thousand links take their time; the command shows a line of progress.
        run_logged(["rm", "-rf", str(mount)], self._log, heartbeat)
        say(f"installed the packages of {recipe.name} in {heartbeat.seconds():.0f} s")
        return Part((layer,), {})

    def _code(self, recipe: Recipe) -> Part:
        heartbeat = Heartbeat(f"building the code of {recipe.name}")
        built = self._target(recipe, recipe.code, heartbeat)
        say(f"built the code of {recipe.name} in {heartbeat.seconds():.0f} s")
        return Part(built.layers, {})

    def _target(
        self, recipe: Recipe, target: str, heartbeat: Heartbeat, options: Sequence[str] = ()
    ) -> Part:
        self._make_base()
        self._make_uv(recipe, heartbeat)
        layout = self._store.scratch() / "layout"
        self._build(
            recipe,
            [*options, "--build-arg", f"BUILD_BASE={self._uv}", "--target", target],
            f"oci:{layout}",
            heartbeat,
        )
        return self._store.take_layout(layout)

    def _link_cache(self, target: Path, heartbeat: Heartbeat) -> None:
        """Copy uv's cache by hard links; where that fails, uv downloads into an empty one."""
        command = ["cp", "--archive", "--link", str(_uv_cache()), str(target)]
        try:
            run_logged(command, self._log, heartbeat)
        except BuildError:
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()

    def _make_uv(self, recipe: Recipe, heartbeat: Heartbeat) -> None:
        """The stage that brings the installer, once for all images.

        When the lock moves on to another uv, the stage corrects itself.
        """
        if not self._has(self._uv):
            self._build(recipe, ["--target", "uv"], self._uv, heartbeat)

    def _make_base(self) -> None:
        if self._has(self._base):
            return
        say("making the base image from Debian packages")
        # What stands on an earlier base goes with it.
        subprocess.run(self._command("rmi", "--all", "--force"), capture_output=True, check=False)
        folder = self._store.scratch()
        bootstrap(folder / "base.tar", self._log)
        (folder / "Dockerfile").write_text('FROM scratch\nADD base.tar /\nCMD ["bash"]\n')
        heartbeat = Heartbeat("storing the base image")
        command = [*self._command("build"), *self._policy_option(), "--layers=false"]
        run_logged([*command, "--tag", self._base, str(folder)], self._log, heartbeat)
        shutil.rmtree(folder)

    def _build(
        self, recipe: Recipe, options: Sequence[str], tag: str, heartbeat: Heartbeat
    ) -> None:
        command = [*self._command("build"), *self._policy_option(), "--isolation", "chroot"]
        # Without layers: buildah's cache does not look into what a step mounts, so it would
        # answer a changed lock with the old packages. Keys of our own decide instead.
        command += ["--layers=false", "--timestamp", "1", "--build-arg", f"BASE={self._base}"]
        if _CERTIFICATES.exists():
            command += ["--secret", f"id=ca,src={_CERTIFICATES}"]
        command += [*options, "--file", recipe.dockerfile, "--tag", tag, "."]
        environment = {"TMPDIR": str(self._store.scratch())}
        try:
            run_logged(command, self._log, heartbeat, environment, folder=REPOSITORY)
        finally:
            # Whatever way it ended: working containers and images without a name.
            for words in (["rm", "--all"], ["rmi", "--prune", "--force"]):
                subprocess.run(self._command(*words), capture_output=True, check=False)

    def _has(self, image: str) -> bool:
        asked = self._command("inspect", "--type", "image", image)
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0

    def _command(self, *words: str) -> list[str]:
        storage = self._store.root / "buildah"
        return [
            *("buildah", "--storage-driver", "overlay"),
            *("--root", str(storage / "root"), "--runroot", str(storage / "run"), *words),
        ]

    def _policy_option(self) -> list[str]:
        # Nothing is pulled, so there is nothing to verify; Debian ships no policy file.
        self._policy.write_text(_POLICY)
        return ["--signature-policy", str(self._policy)]


def _uv_cache() -> Path:
    named = os.environ.get("UV_CACHE_DIR")
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "uv"


def _require_space(root: Path, recipe: Recipe) -> None:
    free = shutil.disk_usage(root).free / 1e9
    if free < recipe.free_gigabytes:
        raise BuildError(
            f"building {recipe.name} needs {recipe.free_gigabytes} GB below {root},"
            f" where {free:.0f} GB are free; free some, or move it with XDG_CACHE_HOME"
        )
