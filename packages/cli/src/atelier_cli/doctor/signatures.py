"""Whether the keys are there that versions are signed and checked with. Never shows their content."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from lightkube.resources.core_v1 import ConfigMap, Secret

from atelier_cli.doctor.cluster import Cluster
from atelier_cli.doctor.diagnosis import Diagnosis, missing, ok
from atelier_cli.profile.findings import allowed
from atelier_cli.profile.merging import Values

CHECK = "signatures"
PRIVATE, PUBLIC = "PRIVATE KEY-----", "-----BEGIN PUBLIC KEY-----"
"""What a PEM file of each begins with, or its first line ends with: EC PRIVATE KEY is one too."""


def check_signatures(cluster: Cluster, values: Values) -> Iterator[Diagnosis]:
    """Whether the objects that the profile names have their keys; without them no extractor or server starts."""
    sign, trusted = values["promotion"].get("sign") or {}, values["server"].get("signedBy") or {}
    if sign.get("existingSecret"):
        yield _check(cluster, "promotion.sign.existingSecret", sign["existingSecret"], sign["key"], PRIVATE)
    for kind in ("existingSecret", "existingConfigMap"):
        if trusted.get(kind):
            yield _check(cluster, f"server.signedBy.{kind}", trusted[kind], trusted["key"], PUBLIC)


def _check(cluster: Cluster, path: str, name: str, key: str, marks: str) -> Diagnosis:
    kind = "Secret" if path.endswith("Secret") else "ConfigMap"
    content = _secret(cluster, name) if kind == "Secret" else _configmap(cluster, name)
    if content is None:
        create = "create secret generic" if kind == "Secret" else "create configmap"
        file = "key.pem" if marks == PRIVATE else "key.pub"
        fix = f"{cluster.kubectl} -n {cluster.namespace} {create} {name} --from-file={key}={file}"
        return missing(CHECK, f"no {kind} {name} in {cluster.namespace}, which {path} names", fix)
    if key not in content:
        at = path.rpartition(".")[0]
        return missing(CHECK, f"{kind} {name} has no key {key}", f"# set {at}.key; {allowed(sorted(content), key)}")
    if marks not in content[key]:
        what = "a private key in PEM" if marks == PRIVATE else "a public key in PEM"
        edit = f"{cluster.kubectl} -n {cluster.namespace} edit {kind.lower()} {name}"
        return missing(CHECK, f"{key} of {kind} {name} is not {what}", edit)
    return ok(CHECK, f"{kind} {name} has {key}")


def _secret(cluster: Cluster, name: str) -> dict[str, str] | None:
    found = cluster.find(Secret, name, cluster.namespace)
    if found is None:
        return None
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in (found.data or {}).items()}


def _configmap(cluster: Cluster, name: str) -> dict[str, str] | None:
    found = cluster.find(ConfigMap, name, cluster.namespace)
    return None if found is None else dict(found.data or {})
