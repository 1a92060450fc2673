"""A cluster, as a user of a kubeconfig sees it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, TypeVar

import httpx2
import yaml
from lightkube import Client, KubeConfig, SingleConfig
from lightkube.config import client_adapter
from lightkube.config.kubeconfig import DEFAULT_KUBECONFIG
from lightkube.config.models import User
from lightkube.core.exceptions import ConfigError
from lightkube.core.resource import Resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.utils.quantity import parse_quantity

from atelier_cli.profile.findings import allowed

Quantities = dict[str, Decimal]
"""Amounts by resource: {"cpu": 0.5, "memory": 1073741824}."""
R = TypeVar("R", bound=Resource)


class NoCluster(ValueError):
    """There is no cluster to check: no kubeconfig, no such context, namespace or release."""


@dataclass(frozen=True)
class Cluster:
    """A client of a cluster; http is for paths that are no resources, kubectl is the same client as a command line."""

    client: Client
    http: httpx2.Client
    server: str
    context: str
    namespace: str
    kubectl: str

    def find(self, kind: type[R], name: str, namespace: str | None = None) -> R | None:
        """An object; None if there is none of this name."""
        try:
            # get is overloaded for global kinds and namespaced kinds; R is one of them
            found: R = self.client.get(kind, name, namespace=namespace)  # type: ignore[type-var]
        except httpx2.HTTPStatusError as error:
            if error.response.status_code == 404:
                return None
            raise
        return found

    def select(self, kind: type[R], labels: Mapping[str, str]) -> list[R]:
        """The objects of a kind in the namespace that have these labels."""
        # list is overloaded as get is
        return list(self.client.list(kind, namespace=self.namespace, labels={**labels}))  # type: ignore[type-var]

    def get(self, path: str) -> dict[str, Any] | None:
        """The JSON object that the API server has at a path; None if there is nothing."""
        response = self.http.get(path)
        if response.status_code == 404:
            return None
        try:
            content = response.raise_for_status().json()
        except ValueError as error:
            raise httpx2.DecodingError(f"/{path} gives no JSON") from error
        if not isinstance(content, dict):
            raise httpx2.DecodingError(f"/{path} gives no JSON object")
        return content

    def lacking(self, group_version: str, plurals: Iterable[str]) -> list[str]:
        """The kinds that the API server does not serve. Everybody may ask for this; few may list CRDs."""
        listed = (self.get(f"apis/{group_version}") or {}).get("resources", [])
        served = {resource["name"] for resource in listed}
        return [plural for plural in plurals if plural not in served]


class Named(Protocol):
    """Any object of a cluster."""

    @property
    def metadata(self) -> ObjectMeta | None: ...


def name_of(resource: Named) -> str:
    """The name of an object."""
    return (resource.metadata and resource.metadata.name) or ""


def amount(quantity: str | float) -> Decimal:
    """A Kubernetes quantity as a number: 0.5 for 500m, 1024 for 1Ki."""
    parsed = parse_quantity(str(quantity))
    assert parsed is not None  # only for None
    return parsed


def amounts(quantities: Mapping[str, Any] | None) -> Quantities:
    """Quantities as numbers, without those that are null."""
    return {resource: amount(much) for resource, much in (quantities or {}).items() if much is not None}


def quantity(number: Decimal) -> str:
    """A number as a Kubernetes quantity: 500m, 1536Mi."""
    whole = int(number)
    if number != whole:
        return f"{(number * 1000).normalize():f}m"
    for power, suffix in ((5, "Pi"), (4, "Ti"), (3, "Gi"), (2, "Mi"), (1, "Ki")):
        if whole and whole % 1024**power == 0:
            return f"{whole // 1024**power}{suffix}"
    return str(whole)


def connect(kubeconfig: Path | None, context: str | None, namespace: str | None) -> Cluster:
    """The cluster that kubectl would use with the same options; sends no request yet. NoCluster."""
    place, known = _read(kubeconfig)
    config = _config_of(place, known, context)
    try:
        http = client_adapter.Client(config, client_adapter.ConnectionParams())
        client = Client(config)
    except (
        ConfigError,
        ImportError,
        OSError,
        ValueError,
    ) as error:  # ImportError: a socks proxy, which needs a package
        raise NoCluster(f"{place}: context {config.context_name!r} cannot be used: {error}") from error
    kubectl = ["kubectl"]
    kubectl += ["--kubeconfig", str(kubeconfig)] if kubeconfig else []
    kubectl += ["--context", context] if context else []
    return Cluster(
        client=client,
        http=http,
        server=config.cluster.server,
        context=config.context_name,
        namespace=namespace or config.namespace,
        kubectl=shlex.join(kubectl),
    )


def _read(kubeconfig: Path | None) -> tuple[str, KubeConfig]:
    """The kubeconfig and its path: of the option, of KUBECONFIG, a pod's own, or the one in the home folder."""
    path = str(kubeconfig or os.environ.get("KUBECONFIG", ""))
    if os.pathsep in path:
        raise NoCluster(f"KUBECONFIG: {path} is several files; name one with --kubeconfig FILE")
    place = path or DEFAULT_KUBECONFIG
    try:
        return place, KubeConfig.from_file(path) if path else KubeConfig.from_env()
    except ConfigError as error:
        advice = "name one with --kubeconfig FILE (MicroK8s: microk8s config > FILE)"
        raise NoCluster(f"no cluster: {place} is not there; {advice}") from error
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise NoCluster(f"{place} is no kubeconfig: {type(error).__name__}: {error}") from error


def _config_of(place: str, known: KubeConfig, context: str | None) -> SingleConfig:
    name = context or known.current_context
    if not name:
        raise NoCluster(f"--context: {place} has no current context; {allowed(known.contexts)}")
    if name not in known.contexts:
        raise NoCluster(f"--context: {place} has no context {name!r}; {allowed(known.contexts, name)}")
    try:
        config = known.get(name)
    except KeyError as error:
        raise NoCluster(f"{place}: context {name!r} names {error}, which is not there") from error
    assert config is not None  # only without a name
    return config if config.user else config._replace(user=User())  # lightkube needs a user, if only an empty one
