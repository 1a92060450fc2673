"""Every check of a cluster, in the order in which a user fixes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import httpx2
from lightkube.core.exceptions import ConfigError

from atelier_cli.doctor.cluster import Cluster, NoCluster
from atelier_cli.doctor.diagnosis import Diagnosis, missing, ok, warning
from atelier_cli.doctor.katib import (
    check_api,
    check_configuration,
    check_pods,
    check_webhooks,
    readable_configuration,
)
from atelier_cli.doctor.monitoring import check_monitoring
from atelier_cli.doctor.namespace import check_labels
from atelier_cli.doctor.nodes import check_nodes
from atelier_cli.doctor.quotas import check_quotas
from atelier_cli.doctor.release import check_release
from atelier_cli.doctor.rights import check_rights
from atelier_cli.doctor.signatures import check_signatures
from atelier_cli.doctor.storage import check_storage
from atelier_cli.doctor.token import check_token
from atelier_cli.profile import Profile, chart_defaults
from atelier_cli.profile.merging import find

SERVER = "API server"
OLDEST = (1, 31)
"""The oldest Kubernetes that Katib 0.19 and the chart are tested with."""


def examine(
    cluster: Cluster, profile: Profile | None, katib_namespace: str | None = None, release: str | None = None
) -> list[Diagnosis]:
    """The results of every check; without a profile, of those that need none.

    release: the one to examine; the only one if left out. NoCluster if the namespace, or this release, is missing.
    """
    values = profile.values if profile else chart_defaults()
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
            "katib-config": lambda: check_configuration(cluster, katib, profile),
        }
    checks["rights"] = lambda: check_rights(cluster, values)
    if profile is not None:
        checks |= {
            "storage": lambda: check_storage(cluster, storage),
            "quotas": lambda: check_quotas(cluster, values, readable_configuration(cluster, katib)),
            "token": lambda: check_token(cluster, values["server"].get("token") or {}, "server.token"),
            "signatures": lambda: check_signatures(cluster, values),
            "monitoring": lambda: check_monitoring(cluster, values.get("monitoring") or {}),
        }
    if profile is not None and find(values, "board.enabled"):
        checks["board"] = lambda: check_token(cluster, find(values, "board.token") or {}, "board.token")
    if profile is not None and searches:
        checks["one trial"] = lambda: check_nodes(cluster, values["trainer"].get("resources") or {})
    checks["release"] = lambda: check_release(cluster, release, katib)
    results: list[Diagnosis] = []
    try:
        for name, check in checks.items():
            results += _results(name, check)
    except httpx2.RequestError as error:
        message = f"no Kubernetes answers at {cluster.server}: {error}"
        results.append(missing(SERVER, message, f"{cluster.kubectl} cluster-info"))
    except httpx2.HTTPStatusError as error:
        message = f"{cluster.server} does not know you: {_message(error)}"
        results.append(missing(SERVER, message, f"{cluster.kubectl} auth whoami"))
    except (ConfigError, OSError) as error:  # of the program that a kubeconfig may name to log in
        message = f"context {cluster.context} cannot log in: {error}"
        results.append(missing(SERVER, message, f"{cluster.kubectl} auth whoami"))
    return results


def _results(name: str, check: Callable[[], Iterator[Diagnosis]]) -> Iterator[Diagnosis]:
    """The results of a check, or the reason why it could not be made."""
    try:
        yield from check()
    except httpx2.HTTPStatusError as error:
        code = error.response.status_code
        if code == 401:
            raise
        if code == 403:
            yield warning(name, f"you may not look: {_message(error)}")
        else:
            yield missing(name, f"the API server answered {code}: {_message(error)}", "# try again later")
    except NoCluster:
        raise
    except ValueError as error:  # an object that Kubernetes would not store
        yield missing(name, f"the API server's answer cannot be read: {error}", "# try again later")


def _message(error: httpx2.HTTPStatusError) -> str:
    """The API server's own message, without the lines that the client adds."""
    return str(error).partition("\n")[0]


def _check_server(cluster: Cluster) -> Iterator[Diagnosis]:
    """Whether it answers, and is new enough."""
    version = cluster.get("version")
    if version is None:
        raise httpx2.DecodingError("there is no /version")
    running = f"Kubernetes {version.get('gitVersion', 'of no known version')} at {cluster.server}"
    number = tuple(int(re.sub(r"\D.*", "", version.get(part, "")) or 0) for part in ("major", "minor"))
    if number < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        microk8s = f"sudo snap refresh microk8s --channel {oldest}/stable"
        upgrade = f"# upgrade the cluster to {oldest} or newer (MicroK8s: {microk8s})"
        yield missing(SERVER, f"{running}; {oldest} or newer is needed", upgrade)
    else:
        yield ok(SERVER, running)
