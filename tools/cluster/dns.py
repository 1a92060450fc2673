"""CoreDNS: names of Services inside the cluster, all others as this machine resolves them."""

from __future__ import annotations

from .builds import COREDNS
from .kubectl import apply_text, rolled_out
from .layout import MANIFESTS


def install() -> str:
    apply_text((MANIFESTS / "coredns.yaml").read_text().replace("{{version}}", COREDNS.version()))
    rolled_out("kube-system", "deployment/coredns", seconds=90)
    return COREDNS.version()
