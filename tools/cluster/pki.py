"""A certificate authority for one run of the cluster, certificates by openssl, and a kubeconfig for each client."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from .commands import output
from .layout import API, KUBERNETES_SERVICE, NODE, NODE_ADDRESS, PKI

DAYS = "365"
P256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


@dataclass(frozen=True)
class Identity:
    """The subject of a certificate: Kubernetes reads the user from CN and the groups from O."""

    name: str
    subject: str
    addresses: str = ""
    client: bool = True


IDENTITIES = [
    Identity(
        "apiserver",
        "/CN=kube-apiserver",
        "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,"
        "DNS:kubernetes.default.svc.cluster.local,DNS:localhost,"
        f"IP:127.0.0.1,IP:{KUBERNETES_SERVICE},IP:{NODE_ADDRESS}",
        client=False,
    ),
    Identity("admin", "/O=system:masters/CN=admin"),
    Identity("controller-manager", "/CN=system:kube-controller-manager"),
    Identity("scheduler", "/CN=system:kube-scheduler"),
    Identity("kube-proxy", "/CN=system:kube-proxy"),
    Identity("kubelet", f"/O=system:nodes/CN=system:node:{NODE}", f"DNS:{NODE},IP:{NODE_ADDRESS},IP:127.0.0.1"),
]


def ensure(folder: Path = PKI) -> str:
    """Make all of it; after an interruption, all of it again."""
    done = folder / "complete"
    if done.exists():
        return "kept"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    # A configuration of our own: the machine's adds extensions.
    (folder / "openssl.cnf").write_text("[req]\ndistinguished_name = name\n[name]\n")
    _request(
        folder,
        "ca",
        "/CN=atelier-cluster",
        ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"],
    )
    for identity in IDENTITIES:
        _certificate(folder, identity)
        if identity.client:
            (folder / f"{identity.name}.conf").write_text(kubeconfig(folder, identity.name))
    output(
        "openssl",
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-out",
        folder / "service-accounts.key",
    )
    output(
        "openssl", "pkey", "-in", folder / "service-accounts.key", "-pubout", "-out", folder / "service-accounts.pub"
    )
    for secret in (*folder.glob("*.key"), *folder.glob("*.conf")):
        secret.chmod(0o600)
    done.touch()
    return f"{len(IDENTITIES)} certificates"


def _certificate(folder: Path, identity: Identity) -> None:
    extensions = ["basicConstraints=critical,CA:FALSE", "extendedKeyUsage=serverAuth,clientAuth"]
    if identity.addresses:
        extensions.append(f"subjectAltName={identity.addresses}")
    _request(folder, identity.name, identity.subject, extensions, "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key")


def _request(folder: Path, name: str, subject: str, extensions: list[str], *issuer: str | Path) -> None:
    output(
        *(
            "openssl",
            "req",
            "-x509",
            "-config",
            folder / "openssl.cnf",
            *P256,
            "-days",
            DAYS,
            "-subj",
            subject,
            *issuer,
        ),
        *(part for extension in extensions for part in ("-addext", extension)),
        *("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"),
    )


def kubeconfig(folder: Path, name: str, server: str = API) -> str:
    """As JSON, which is YAML too; everything inline, so that the file can be copied."""

    def inline(file: str) -> str:
        return base64.b64encode((folder / file).read_bytes()).decode()

    user = {"client-certificate-data": inline(f"{name}.crt"), "client-key-data": inline(f"{name}.key")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "atelier", "cluster": {"server": server, "certificate-authority-data": inline("ca.crt")}}
        ],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "atelier", "context": {"cluster": "atelier", "user": name}}],
        "current-context": "atelier",
    }
    return json.dumps(config, indent=1)
