"""Whether servers find the bearer token that the profile asks for."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from lightkube.resources.core_v1 import Secret

from atelier_cli.doctor.cluster import Cluster
from atelier_cli.doctor.diagnosis import Diagnosis, missing, ok
from atelier_cli.profile.findings import allowed
from atelier_cli.profile.merging import Values

WHAT = "token"


def check_token(cluster: Cluster, token: Values) -> Iterator[Diagnosis]:
    """The Secret and its key, if the profile names one: without it no server starts. What is in it is not told."""
    name, key = token.get("existingSecret"), token.get("key", "token")
    if not name:
        return
    found = cluster.find(Secret, name, cluster.namespace)
    if found is None:
        # -hex: letters and digits only, which every shell and header takes
        make = f'{cluster.kubectl} -n {cluster.namespace} create secret generic {name} --from-literal={key}="$(openssl rand -hex 32)"'
        yield missing(WHAT, f"no Secret {name} in {cluster.namespace}, which server.token.existingSecret names", make)
        return
    keys = found.data or {}
    if key not in keys:
        yield missing(WHAT, f"Secret {name} has no key {key}", f"# set server.token.key; {allowed(sorted(keys), key)}")
    elif len(base64.b64decode(keys[key]).split()) != 1:
        yield missing(
            WHAT,
            f"{key} of Secret {name} is not one token without spaces",
            f"{cluster.kubectl} -n {cluster.namespace} edit secret {name}",
        )
    else:
        yield ok(WHAT, f"Secret {name} has {key}")
