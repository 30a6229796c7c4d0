"""The cluster's rules in iptables, and their removal by name.

Rules of the cluster live in chains of their own; removal deletes these chains and the
rules that jump to them, and leaves every other rule alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import pairwise

from cluster.place import BRIDGE, SUBNET
from cluster.shell import run

_MARK = "PREFTRAIN-"
_PREFIXES = (_MARK, "KUBE-")
# Chains of the cluster. Those of Kubernetes are its own only beside a chain with the mark:
# `up` makes that first, and starts nothing where it finds Kubernetes' chains without it.

_RULES = f"""\
*nat
:PREFTRAIN-EGRESS - [0:0]
-A PREFTRAIN-EGRESS -s {SUBNET} ! -d {SUBNET} -j MASQUERADE
-A POSTROUTING -j PREFTRAIN-EGRESS
COMMIT
*filter
:PREFTRAIN-FORWARD - [0:0]
:PREFTRAIN-INPUT - [0:0]
-A PREFTRAIN-FORWARD -i {BRIDGE} -j ACCEPT
-A PREFTRAIN-FORWARD -o {BRIDGE} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A PREFTRAIN-INPUT -i {BRIDGE} -j ACCEPT
-I FORWARD 1 -j PREFTRAIN-FORWARD
-I INPUT 1 -j PREFTRAIN-INPUT
COMMIT
"""


def add_rules() -> None:
    """Let pods reach the outside, each other and this machine; a no-op when it is so already."""
    if f"{_MARK}INPUT" not in _saved("iptables"):
        run(["iptables-restore", "--noflush", "--wait", "10"], text=_RULES)


def remove_rules() -> None:
    """Delete the cluster's chains, its Kubernetes chains and the rules that lead there."""
    if not own_chains():
        return
    # The mark lies in version 4, which goes last: an interruption leaves it in place.
    for command in ("ip6tables", "iptables"):
        script = removal_script(_saved(command))
        if script:
            run([f"{command}-restore", "--noflush", "--wait", "10"], text=script)


def own_chains() -> list[str]:
    """The cluster's chains that are there now; empty where Kubernetes' chains are another's."""
    found = kubernetes_chains()
    return found if any(f"/{_MARK}" in chain for chain in found) else []


def kubernetes_chains() -> list[str]:
    """The chains of this cluster or of another Kubernetes node, as `command table/chain`."""
    return [
        f"{command} {table}/{chain}"
        for command in ("iptables", "ip6tables")
        for table, chains, _ in _tables(_saved(command))
        for chain in chains
    ]


def removal_script(saved: str) -> str:
    """What `iptables-restore --noflush` needs to remove the chains found in a dump."""
    script: list[str] = []
    for table, chains, rules in _tables(saved):
        if not chains:
            continue
        leading = [rule for rule in rules if _jumps_from_outside(rule, chains)]
        script += [f"*{table}"]
        # Naming a chain empties it; only then can the chains be deleted in any order.
        script += [f":{chain} - [0:0]" for chain in chains]
        script += [f"-D {rule.removeprefix('-A ')}" for rule in leading]
        script += [f"-X {chain}" for chain in chains] + ["COMMIT"]
    return "\n".join([*script, ""]) if script else ""


def _jumps_from_outside(rule: str, chains: list[str]) -> bool:
    words = rule.split()
    return words[1] not in chains and any(
        word in ("-j", "-g") and target in chains for word, target in pairwise(words)
    )


def _tables(saved: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each table's name, its chains of this cluster, and all its rules."""
    table, chains, rules = "", list[str](), list[str]()
    for line in saved.splitlines():
        if line.startswith("*"):
            table, chains, rules = line[1:], [], []
        elif line.startswith(":"):
            name = line[1:].split()[0]
            if name.startswith(_PREFIXES):
                chains.append(name)
        elif line.startswith("-A "):
            rules.append(line)
        elif line == "COMMIT":
            yield table, chains, rules


def _saved(command: str) -> str:
    return run([f"{command}-save"]) if shutil.which(command) is not None else ""
