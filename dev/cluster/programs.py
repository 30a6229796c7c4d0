"""The programs that can be built, their flags, and the fingerprint of each.

The one place that knows Go packages and linker flags. The fingerprint covers all that
decides the result: the module's pinned sums, the sources, the flags and the Go version.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cluster.paths import BINARIES

KUBERNETES_VERSION = "v1.36.3"
_VERSION_PACKAGE = "k8s.io/component-base/version"
# Without a version kubectl and Helm refuse to talk to the API server.
_KUBERNETES_LDFLAGS = (
    f"-s -w -X {_VERSION_PACKAGE}.gitVersion={KUBERNETES_VERSION}"
    f" -X {_VERSION_PACKAGE}.gitMajor=1 -X {_VERSION_PACKAGE}.gitMinor=36"
)
_PLAIN_LDFLAGS = "-s -w"
BUILD_FLAGS = ("-trimpath", "-mod=readonly", "-buildvcs=false")
"""The sums in go.sum are the pins: a build that would change them fails."""
BUILD_ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""}
"""Static executables, and never a compiler that the machine's owner did not choose."""


@dataclass(frozen=True, slots=True)
class Program:
    """One executable and how Go builds it.

    Attributes:
        name: file name of the executable.
        module: folder of the Go module, below `binaries/`.
        package: what `go build` is given.
        ldflags: linker flags.
        links: names under which a program that holds several is started.
    """

    name: str
    module: str
    package: str
    ldflags: str = _PLAIN_LDFLAGS
    links: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder of the Go module."""
        return BINARIES / self.module

    def sources(self) -> list[Path]:
        """The files of this repository that decide the result, in a stable order."""
        pins = [self.folder / "go.mod", self.folder / "go.sum"]
        own = sorted((self.folder / self.package).glob("*.go")) if self.is_ours else []
        return [path for path in [*pins, *own] if path.exists()]

    @property
    def is_ours(self) -> bool:
        """Whether the main package lies in this repository."""
        return self.package.startswith("./")

    def fingerprint(self, go_version: str) -> str:
        """Twenty hex digits that change whenever the executable could."""
        digest = hashlib.sha256()
        environment = [f"{key}={value}" for key, value in BUILD_ENVIRONMENT.items()]
        flags = [*BUILD_FLAGS, self.ldflags, *environment]
        for part in (self.name, self.package, *flags, *self.links, go_version):
            digest.update(part.encode() + b"\0")
        for path in self.sources():
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()[:20]


PROGRAMS = {
    program.name: program
    for program in (
        Program(
            "controlplane",
            ".",
            "./cmd/controlplane",
            _KUBERNETES_LDFLAGS,
            links=("etcd", "kube-apiserver", "kube-controller-manager"),
        ),
        Program(
            "node",
            ".",
            "./cmd/node",
            _KUBERNETES_LDFLAGS,
            links=("kube-scheduler", "kubelet", "kube-proxy"),
        ),
        Program("kubectl", ".", "k8s.io/kubernetes/cmd/kubectl", _KUBERNETES_LDFLAGS),
        Program("helm", ".", "helm.sh/helm/v4/cmd/helm", _KUBERNETES_LDFLAGS),
        Program("versitygw", "versitygw", "github.com/versity/versitygw/cmd/versitygw"),
        Program("kind", "kind", "sigs.k8s.io/kind"),
        Program("pause", ".", "./cmd/pause"),
        Program("testpod", ".", "./cmd/testpod"),
    )
}
