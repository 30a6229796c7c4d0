"""Makes the certificates of a cluster with the openssl command.

One authority signs everything: this cluster serves one machine and one person, and a
single trust root keeps each client's configuration to three files.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError

VALID_DAYS = 3650


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says.

    Attributes:
        name: file name without ending.
        common_name: the user's name as Kubernetes sees it.
        organization: the user's group; empty for none.
        dns: names that a server answers to.
        addresses: IP addresses that a server answers to.
    """

    name: str
    common_name: str
    organization: str = ""
    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    def subject(self) -> str:
        """The subject as openssl's -subj takes it."""
        group = f"/O={self.organization}" if self.organization else ""
        return f"{group}/CN={self.common_name}"

    def alternative_names(self) -> str:
        """The subjectAltName extension's value; empty for a client without names."""
        names = [f"DNS:{name}" for name in self.dns]
        return ",".join(names + [f"IP:{address}" for address in self.addresses])


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The two files of a certificate."""

    certificate: Path
    key: Path


class Authority:
    """The certificate authority of one cluster, kept in a folder.

    Args:
        folder: takes `ca.crt`, `ca.key` and every certificate that is issued.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.certificate = folder / "ca.crt"
        self._key = folder / "ca.key"
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if not self.certificate.exists():
            subject = Certificate("ca", "preftrain-local-ca")
            self._make(subject, render_extensions(subject, authority=True), signed_by_ca=False)

    def issue(self, wanted: Certificate) -> KeyPair:
        """The files of a certificate, made unless they are there with the same content."""
        pair = KeyPair(self._folder / f"{wanted.name}.crt", self._folder / f"{wanted.name}.key")
        extensions = render_extensions(wanted, authority=False)
        config = self._folder / f"{wanted.name}.cnf"
        current = config.exists() and config.read_text() == extensions
        if not (current and pair.certificate.exists()):
            self._make(wanted, extensions, signed_by_ca=True)
        return pair

    def service_account_keys(self) -> KeyPair:
        """The key pair that signs service account tokens: public part, private part."""
        pair = KeyPair(self._folder / "service-account.pub", self._folder / "service-account.key")
        if not pair.certificate.exists():
            curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
            _openssl("genpkey", *curve, "-out", str(pair.key))
            _openssl("pkey", "-in", str(pair.key), "-pubout", "-out", str(pair.certificate))
        return pair

    def _make(self, wanted: Certificate, extensions: str, *, signed_by_ca: bool) -> None:
        config = self._folder / f"{wanted.name}.cnf"
        certificate = self._folder / f"{wanted.name}.crt"
        arguments = [
            *("-x509", "-new", "-nodes", "-sha256", "-days", str(VALID_DAYS)),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-subj", wanted.subject(), "-keyout", str(self._folder / f"{wanted.name}.key")),
        ]
        if signed_by_ca:
            arguments += ["-CA", str(self.certificate), "-CAkey", str(self._key)]
        unfinished = config.with_suffix(".cnf.new")
        unfinished.write_text(extensions)
        # Both files appear under their names only once complete: the configuration last,
        # because its content says that the certificate is current.
        _openssl("req", *arguments, "-config", str(unfinished), "-out", f"{certificate}.new")
        Path(f"{certificate}.new").rename(certificate)
        unfinished.rename(config)


def render_extensions(wanted: Certificate, *, authority: bool) -> str:
    """The openssl configuration that gives a certificate its subject's rights and names."""
    lines = ["[req]", "distinguished_name = subject", "x509_extensions = extensions"]
    lines += ["prompt = no", "[subject]", f"CN = {wanted.common_name}", "[extensions]"]
    if authority:
        lines += ["basicConstraints = critical,CA:TRUE", "keyUsage = critical,keyCertSign,cRLSign"]
    else:
        lines += ["basicConstraints = critical,CA:FALSE", "keyUsage = critical,digitalSignature"]
        lines += ["extendedKeyUsage = clientAuth,serverAuth"]
    names = wanted.alternative_names()
    if names:
        lines.append(f"subjectAltName = {names}")
    return "\n".join([*lines, f"# subject: {wanted.subject()}"]) + "\n"


def _openssl(*arguments: str) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        raise ClusterError("the openssl command is missing; install the package openssl")
    run = subprocess.run([openssl, *arguments], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise ClusterError(f"openssl {arguments[0]} failed: {run.stderr.strip()[-500:]}")
