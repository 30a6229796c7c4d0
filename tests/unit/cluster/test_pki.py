"""Certificates say what Kubernetes reads from them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cluster.components import Layout, Ports, api_server_certificate
from cluster.pki import Authority, Certificate, render_extensions


def test_user_and_group_become_the_subject() -> None:
    """Kubernetes takes the user from CN and the group from O."""
    assert Certificate("admin", "me", "system:masters").subject() == "/O=system:masters/CN=me"
    assert Certificate("nobody", "nobody").subject() == "/CN=nobody"


def test_names_and_addresses_are_told_apart() -> None:
    """DNS names and addresses carry their kind; a client has no names at all."""
    server = Certificate("s", "s", dns=("localhost",), addresses=("127.0.0.1",))
    assert server.alternative_names() == "DNS:localhost,IP:127.0.0.1"
    assert "subjectAltName" not in render_extensions(Certificate("c", "c"), authority=False)


def test_the_api_server_answers_to_its_service_and_the_bridge() -> None:
    """Pods verify the API server under its service address and its service name."""
    layout = Layout(Path("/nowhere"), Ports(1, 2, 3, 4), address="10.88.0.1")
    certificate = api_server_certificate(layout)
    assert {"127.0.0.1", "10.96.0.1", "10.88.0.1"} <= set(certificate.addresses)
    assert "kubernetes.default.svc" in certificate.dns


def test_an_issued_certificate_is_kept_until_its_content_changes(tmp_path: Path) -> None:
    """Issuing again is a no-op; new names make a new certificate, which the CA verifies."""
    authority = Authority(tmp_path)
    first = authority.issue(Certificate("server", "server", addresses=("127.0.0.1",)))
    text = first.certificate.read_text()
    authority.issue(Certificate("server", "server", addresses=("127.0.0.1",)))
    assert first.certificate.read_text() == text
    authority.issue(Certificate("server", "server", addresses=("127.0.0.1", "10.0.0.1")))
    assert first.certificate.read_text() != text
    verify = ["openssl", "verify", "-CAfile", str(authority.certificate), str(first.certificate)]
    assert subprocess.run(verify, check=False, capture_output=True).returncode == 0
    assert authority.certificate.read_text() == Authority(tmp_path).certificate.read_text()
