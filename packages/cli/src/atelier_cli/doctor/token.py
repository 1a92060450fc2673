"""Whether the Secret with the bearer token of the servers, or of the board, is there."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from lightkube.resources.core_v1 import Secret

from atelier_cli.doctor.cluster import Cluster
from atelier_cli.doctor.diagnosis import Diagnosis, missing, ok
from atelier_cli.profile.findings import allowed
from atelier_cli.profile.merging import Values

CHECK = "token"


def check_token(cluster: Cluster, token: Values, at: str) -> Iterator[Diagnosis]:
    """Whether the Secret that the values at a path name has the key; without it no pod starts. Never shows it."""
    name, key = token.get("existingSecret"), token.get("key", "token")
    if not name:
        return
    secret = cluster.find(Secret, name, cluster.namespace)
    if secret is None:
        # -hex: letters and digits only, which need no quotes in a shell or a header
        create = f"{cluster.kubectl} -n {cluster.namespace} create secret generic {name}"
        fix = f'{create} --from-literal={key}="$(openssl rand -hex 32)"'
        yield missing(CHECK, f"no Secret {name} in {cluster.namespace}, which {at}.existingSecret names", fix)
        return
    keys = secret.data or {}
    if key not in keys:
        yield missing(CHECK, f"Secret {name} has no key {key}", f"# set {at}.key; {allowed(sorted(keys), key)}")
    elif len(base64.b64decode(keys[key]).split()) != 1:
        yield missing(
            CHECK,
            f"{key} of Secret {name} is not one token without spaces",
            f"{cluster.kubectl} -n {cluster.namespace} edit secret {name}",
        )
    else:
        yield ok(CHECK, f"Secret {name} has {key}")
