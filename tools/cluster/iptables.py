"""Chains that kube-proxy, the kubelet and the bridge plugin leave behind."""

from __future__ import annotations

import re
import shutil

from .commands import output

KINDS = ("iptables", "ip6tables")


def remove() -> None:
    for kind in KINDS:
        if commands := _removal(kind):
            output(f"{kind}-restore", "--noflush", stdin=commands)


def left() -> list[str]:
    return [kind for kind in KINDS if _removal(kind)]


def kubernetes_here() -> bool:
    return "KUBE-SERVICES" in output("iptables-save")


def _removal(kind: str) -> str:
    return removal(output(f"{kind}-save")) if shutil.which(kind) else ""


def removal(saved: str) -> str:
    """Input of `iptables-restore --noflush` that removes the chains of Kubernetes and of our network.

    saved is what iptables-save printed.
    """
    lines: list[str] = []
    for table in re.split(r"^(?=\*)", saved, flags=re.MULTILINE):
        rules = [line for line in table.splitlines() if line.startswith("-A ")]
        chains = {line.split()[0][1:] for line in table.splitlines() if line.startswith(":")}
        masquerade = {
            rule.rpartition(" -j ")[2].split()[0]
            for rule in rules
            if r"name: \"atelier\"" in rule and " -j CNI-" in rule
        }
        ours = {chain for chain in chains if chain.startswith("KUBE-")} | (masquerade & chains)
        jumps = [rule for rule in rules if rule.split()[1] not in ours and _target(rule) in ours]
        if ours:
            removal = [f"-D {rule.removeprefix('-A ')}" for rule in jumps]
            removal += [f"-F {chain}" for chain in sorted(ours)] + [f"-X {chain}" for chain in sorted(ours)]
            lines += [table.splitlines()[0], *removal, "COMMIT"]
    return "".join(f"{line}\n" for line in lines)


def _target(rule: str) -> str:
    target = re.search(r" -[jg] (\S+)", rule)
    return target[1] if target else ""
