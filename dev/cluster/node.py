"""Command lines and configurations of the programs that run pods; starts nothing."""

from __future__ import annotations

import json
from pathlib import Path

from cluster import machine
from cluster.kubeconfig import write_kubeconfig
from cluster.pki import Authority, Certificate
from cluster.place import BRIDGE_ADDRESS, CGROUP, NODE_NAME, SUBNET, Place

SCHEDULER = "kube-scheduler"
KUBELET = "kubelet"
PROXY = "kube-proxy"

# Who each program is to the API server: Kubernetes binds rights to these names.
_USERS = {
    SCHEDULER: Certificate("scheduler", "system:kube-scheduler"),
    KUBELET: Certificate("kubelet-client", f"system:node:{NODE_NAME}", "system:nodes"),
    PROXY: Certificate("proxy", "system:kube-proxy"),
}


def kubeconfig_of(component: str, place: Place, server: str, authority: Authority) -> Path:
    """The kubeconfig with which a program talks to the API server."""
    pair = authority.issue(_USERS[component])
    path = place.state / f"{component}.kubeconfig"
    return write_kubeconfig(path, server, authority.certificate, pair)


def scheduler_argv(binary: Path, kubeconfig: Path) -> list[str]:
    """The command line of kube-scheduler."""
    return [
        str(binary),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={BRIDGE_ADDRESS}",
        "--leader-elect=false",
    ]


def proxy_argv(binary: Path, kubeconfig: Path) -> list[str]:
    """The command line of kube-proxy; node ports open on the bridge only."""
    return [
        str(binary),
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={NODE_NAME}",
        "--proxy-mode=iptables",
        f"--cluster-cidr={SUBNET}",
        f"--nodeport-addresses={SUBNET}",
        "--iptables-localhost-nodeports=false",
        f"--healthz-bind-address={BRIDGE_ADDRESS}:10256",
        f"--metrics-bind-address={BRIDGE_ADDRESS}:10249",
        "--oom-score-adj=0",
        # The machine's connection tracking is not the cluster's to resize.
        "--conntrack-max-per-core=0",
        "--conntrack-min=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    ]


def kubelet_argv(binary: Path, place: Place, kubeconfig: Path, authority: Authority) -> list[str]:
    """The command line of the kubelet; writes its configuration."""
    config = place.state / "kubelet.json"
    config.write_text(json.dumps(kubelet_config(place, authority), indent=2) + "\n")
    return [
        str(binary),
        f"--config={config}",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={BRIDGE_ADDRESS}",
        f"--root-dir={place.kubelet}",
        f"--cert-dir={place.state / 'pki'}",
    ]


def kubelet_config(place: Place, authority: Authority) -> dict[str, object]:
    """The kubelet's configuration."""
    serving = Certificate("kubelet", NODE_NAME, dns=(NODE_NAME,), addresses=(BRIDGE_ADDRESS,))
    pair = authority.issue(serving)
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": BRIDGE_ADDRESS,
        "healthzBindAddress": BRIDGE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pair.certificate),
        "tlsPrivateKeyFile": str(pair.key),
        "containerRuntimeEndpoint": f"unix://{place.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": -999 if machine.may_lower_oom_score() else 0,
        "resolvConf": str(_resolver_file()),
        "podLogsDir": str(place.pod_logs),
        "volumePluginDir": str(place.state / "volume-plugins"),
        # Images come from no registry: one that is collected is lost.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1Gi",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1Gi",
        },
        # A development machine has no node to lose: report quickly, so that `up` is quick.
        "nodeStatusUpdateFrequency": "5s",
    }


def _resolver_file() -> Path:
    """The nameservers that pods are given: systemd's own, on loopback, is no use to them."""
    upstream = Path("/run/systemd/resolve/resolv.conf")
    return upstream if upstream.exists() else Path("/etc/resolv.conf")
