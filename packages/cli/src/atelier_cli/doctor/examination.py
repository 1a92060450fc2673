"""Every check of a cluster, in the order in which they are mended."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import httpx2
from lightkube.core.exceptions import ConfigError

from atelier_cli.doctor.cluster import Cluster, NoCluster
from atelier_cli.doctor.diagnosis import Diagnosis, missing, ok, warning
from atelier_cli.doctor.katib import check_api, check_configuration, check_pods, check_webhooks
from atelier_cli.doctor.monitoring import check_monitoring
from atelier_cli.doctor.namespace import check_labels, check_rights
from atelier_cli.doctor.nodes import check_nodes
from atelier_cli.doctor.storage import check_storage
from atelier_cli.doctor.token import check_token
from atelier_cli.profile.load import Profile

SERVER = "API server"
OLDEST = (1, 31)
"""Kubernetes that Katib 0.19 is tested with, and the chart."""


def examine(cluster: Cluster, profile: Profile | None, katib_namespace: str | None = None) -> list[Diagnosis]:
    """What every check came to; without a profile, what needs none. NoCluster if there is no such namespace."""
    values = profile.values if profile else {}
    spec = profile.spec if profile else None
    katib = katib_namespace or (values.get("katib") or {}).get("namespace") or "kubeflow"
    storage = values.get("storage") or {}
    searches = (values.get("experiment") or {}).get("enabled") is not False
    checks: dict[str, Callable[[], Iterator[Diagnosis]]] = {SERVER: lambda: _check_server(cluster)}
    if searches:
        checks |= {
            "namespace label": lambda: check_labels(cluster, katib, spec),
            "Katib CRDs": lambda: check_api(cluster),
            "Katib's webhooks": lambda: check_webhooks(cluster, katib),
            "Katib's pods": lambda: check_pods(cluster, katib),
            "katib-config": lambda: check_configuration(cluster, katib, spec),
        }
    checks["rights"] = lambda: check_rights(cluster, storage.get("existingClaim", ""))
    if profile is not None:
        checks |= {
            "storage": lambda: check_storage(cluster, storage),
            "token": lambda: check_token(cluster, values["server"].get("token") or {}),
            "monitoring": lambda: check_monitoring(cluster, values.get("monitoring") or {}),
        }
    if profile is not None and searches:
        checks["one trial"] = lambda: check_nodes(cluster, values["trainer"].get("resources") or {})
    found: list[Diagnosis] = []
    try:
        for what, check in checks.items():
            found += _made(what, check)
    except httpx2.RequestError as error:
        found.append(
            missing(SERVER, f"no Kubernetes answers at {cluster.server}: {error}", f"{cluster.kubectl} cluster-info")
        )
    except httpx2.HTTPStatusError as error:
        found.append(
            missing(SERVER, f"{cluster.server} does not know you: {_said(error)}", f"{cluster.kubectl} auth whoami")
        )
    except (ConfigError, OSError) as error:  # of the program that a kubeconfig may name to log in
        found.append(
            missing(SERVER, f"context {cluster.context} cannot log in: {error}", f"{cluster.kubectl} auth whoami")
        )
    return found


def _made(what: str, check: Callable[[], Iterator[Diagnosis]]) -> Iterator[Diagnosis]:
    """What a check says, or why it could not be made."""
    try:
        yield from check()
    except httpx2.HTTPStatusError as error:
        code = error.response.status_code
        if code == 401:
            raise
        if code == 403:
            yield warning(what, f"you may not look: {_said(error)}")
        else:
            yield missing(what, f"the API server answered {code}: {_said(error)}", "# ask again later")
    except NoCluster:
        raise
    except ValueError as error:  # an object that is not as Kubernetes has it
        yield missing(what, f"the API server's answer cannot be read: {error}", "# ask again later")


def _said(error: httpx2.HTTPStatusError) -> str:
    """The API server's own words, without what the client puts below them."""
    return str(error).partition("\n")[0]


def _check_server(cluster: Cluster) -> Iterator[Diagnosis]:
    """Whether it answers, and is new enough."""
    version = cluster.answer("version")
    if version is None:
        raise httpx2.DecodingError("there is no /version")
    words = f"Kubernetes {version.get('gitVersion', 'of no known version')} at {cluster.server}"
    number = tuple(int(re.sub(r"\D.*", "", version.get(part, "")) or 0) for part in ("major", "minor"))
    if number < OLDEST:
        least = ".".join(map(str, OLDEST))
        upgrade = (
            f"# upgrade the cluster to {least} or newer (MicroK8s: sudo snap refresh microk8s --channel {least}/stable)"
        )
        yield missing(SERVER, f"{words}; {least} or newer is needed", upgrade)
    else:
        yield ok(SERVER, words)
