"""Renders the command lines of the control plane's programs; starts nothing.

The same lines serve the tests' control plane and the cluster with a node, so what the
tests see is what the cluster runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cluster.pki import Authority, Certificate, KeyPair
from cluster.ports import free_port

SERVICE_CIDR = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
LOOPBACK = "127.0.0.1"
ETCD = "etcd"
API_SERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"

SERVICE_ACCOUNT_CONTROLLERS = (
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
)
AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the programs of a control plane listen."""

    api_server: int
    etcd: int
    etcd_peer: int
    controller_manager: int

    @classmethod
    def free(cls) -> Ports:
        """Four ports that are free now."""
        found: set[int] = set()
        while len(found) < 4:
            found.add(free_port())
        return cls(*found)


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything that decides how a control plane is run.

    Attributes:
        folder: takes data, certificates, logs and pid files.
        ports: where the programs listen.
        address: where the API server listens: loopback where there are no pods, else an
            address that pods reach and other machines do not.
        controllers: names for kube-controller-manager's --controllers; empty for no
            controller manager at all.
        audit: whether every request is written to the audit log.
        durable: whether etcd flushes to disk; without, a power cut loses data and tests are
            several times faster.
        dies_with_starter: for tests; see `cluster.processes.Service`.
        api_server_args: appended to the API server's command line.
        controller_manager_args: appended to the controller manager's command line.
    """

    folder: Path
    ports: Ports
    address: str = LOOPBACK
    controllers: tuple[str, ...] = ()
    audit: bool = False
    durable: bool = False
    dies_with_starter: bool = False
    api_server_args: tuple[str, ...] = ()
    controller_manager_args: tuple[str, ...] = ()

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{self.address}:{self.ports.api_server}"

    @property
    def has_pods(self) -> bool:
        """Whether pods run and talk to the API server."""
        return self.address != LOOPBACK

    @property
    def audit_log(self) -> Path:
        """Where the API server writes its audit log."""
        return self.folder / "audit.log"

    @property
    def has_service_accounts(self) -> bool:
        """Whether a controller gives namespaces their service accounts."""
        return bool({"*", SERVICE_ACCOUNT_CONTROLLERS[0]}.intersection(self.controllers))


def api_server_certificate(layout: Layout) -> Certificate:
    """The certificate that pods, this machine and kubectl accept for the API server."""
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
    return Certificate(
        "kube-apiserver",
        "kube-apiserver",
        dns=("localhost", *service, "kubernetes.default.svc.cluster.local"),
        addresses=tuple(dict.fromkeys((LOOPBACK, layout.address, API_SERVICE_ADDRESS))),
    )


def etcd_argv(binary: Path, layout: Layout, authority: Authority) -> list[str]:
    """The command line of etcd: loopback only, and only for holders of a certificate."""
    pair = authority.issue(Certificate("etcd", "etcd", dns=("localhost",), addresses=(LOOPBACK,)))
    clients = f"https://{LOOPBACK}:{layout.ports.etcd}"
    peers = f"https://{LOOPBACK}:{layout.ports.etcd_peer}"
    argv = [str(binary), f"--data-dir={layout.folder / 'etcd'}", "--log-level=warn"]
    argv += [f"--listen-client-urls={clients}", f"--advertise-client-urls={clients}"]
    argv += [f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}"]
    argv += [f"--initial-cluster=default={peers}"]
    for prefix in ("", "peer-"):
        argv += [f"--{prefix}cert-file={pair.certificate}", f"--{prefix}key-file={pair.key}"]
        argv += [f"--{prefix}trusted-ca-file={authority.certificate}"]
        argv += [f"--{prefix}client-cert-auth=true"]
    if not layout.durable:
        argv.append("--unsafe-no-fsync")
    return argv


def api_server_argv(binary: Path, layout: Layout, authority: Authority) -> list[str]:
    """The command line of kube-apiserver."""
    serving = authority.issue(api_server_certificate(layout))
    client = authority.issue(Certificate("api-client", "kube-apiserver", "system:masters"))
    accounts = authority.service_account_keys()
    argv = [
        str(binary),
        f"--bind-address={layout.address}",
        f"--secure-port={layout.ports.api_server}",
        f"--tls-cert-file={serving.certificate}",
        f"--tls-private-key-file={serving.key}",
        f"--client-ca-file={authority.certificate}",
        f"--etcd-servers=https://{LOOPBACK}:{layout.ports.etcd}",
        f"--etcd-cafile={authority.certificate}",
        f"--etcd-certfile={client.certificate}",
        f"--etcd-keyfile={client.key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={accounts.certificate}",
        f"--service-account-signing-key-file={accounts.key}",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        "--authorization-mode=Node,RBAC",
        "--profiling=false",
    ]
    argv += _pod_args(layout, authority, client)
    if not layout.has_service_accounts:
        # Without the controller no namespace gets its account, and every pod is refused.
        argv.append("--disable-admission-plugins=ServiceAccount")
    if layout.audit:
        argv += [f"--audit-policy-file={layout.folder / 'audit-policy.yaml'}"]
        argv += [f"--audit-log-path={layout.audit_log}", "--audit-log-mode=blocking"]
    return [*argv, *layout.api_server_args]


def _pod_args(layout: Layout, authority: Authority, client: KeyPair) -> list[str]:
    if not layout.has_pods:
        return ["--endpoint-reconciler-type=none"]
    return [
        f"--advertise-address={layout.address}",
        "--allow-privileged=true",
        "--enable-admission-plugins=NodeRestriction",
        # Otherwise `kubectl logs` tries to resolve the node's name.
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-certificate-authority={authority.certificate}",
        f"--kubelet-client-certificate={client.certificate}",
        f"--kubelet-client-key={client.key}",
    ]


def controller_manager_argv(
    binary: Path, layout: Layout, authority: Authority, kubeconfig: Path
) -> list[str]:
    """The command line of kube-controller-manager."""
    return [
        str(binary),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--controllers={','.join(layout.controllers)}",
        "--leader-elect=false",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={layout.ports.controller_manager}",
        f"--root-ca-file={authority.certificate}",
        f"--service-account-private-key-file={authority.service_account_keys().key}",
        "--profiling=false",
        *layout.controller_manager_args,
    ]
