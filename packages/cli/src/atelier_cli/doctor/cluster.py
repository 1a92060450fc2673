"""A cluster, as one user of a kubeconfig sees it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
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

from atelier_cli.profile.findings import allowed

R = TypeVar("R", bound=Resource)


class NoCluster(ValueError):
    """There is no cluster to look at: no kubeconfig, no such context, no such namespace."""


@dataclass(frozen=True)
class Cluster:
    """How to ask a cluster, and how people tell kubectl to. http is for the addresses that are no resources."""

    client: Client
    http: httpx2.Client
    server: str
    context: str
    namespace: str
    kubectl: str

    def find(self, kind: type[R], name: str, namespace: str | None = None) -> R | None:
        """An object; None if there is none of this name."""
        try:
            found: R = self.client.get(kind, name, namespace=namespace)  # type: ignore[type-var]  # get is overloaded: R is a global kind or a namespaced one
        except httpx2.HTTPStatusError as error:
            if error.response.status_code == 404:
                return None
            raise
        return found

    def answer(self, path: str) -> dict[str, Any] | None:
        """What the API server says at a path; None if there is nothing."""
        response = self.http.get(path)
        if response.status_code == 404:
            return None
        try:
            answer = response.raise_for_status().json()
        except ValueError as error:
            raise httpx2.DecodingError(f"/{path} gives no JSON") from error
        if not isinstance(answer, dict):
            raise httpx2.DecodingError(f"/{path} gives no JSON object")
        return answer

    def lacking(self, group_version: str, plurals: Iterable[str]) -> list[str]:
        """Those kinds that the API server does not serve. Everybody may ask this, while CRDs are for few eyes."""
        listed = (self.answer(f"apis/{group_version}") or {}).get("resources", [])
        served = {resource["name"] for resource in listed}
        return [plural for plural in plurals if plural not in served]


class Named(Protocol):
    """Any object of a cluster."""

    metadata: ObjectMeta | None


def name_of(found: Named) -> str:
    """The name of an object."""
    return (found.metadata and found.metadata.name) or ""


def connect(kubeconfig: Path | None, context: str | None, namespace: str | None) -> Cluster:
    """The cluster that kubectl would talk to with the same options; nothing is asked yet. NoCluster."""
    place, known = _read(kubeconfig)
    config = _chosen(place, known, context)
    try:
        http = client_adapter.Client(config, client_adapter.ConnectionParams())
        client = Client(config)
    except (ConfigError, OSError, ValueError) as error:
        raise NoCluster(f"{place}: context {config.context_name!r} cannot be used: {error}") from error
    kubectl = ["kubectl"]
    kubectl += ["--kubeconfig", str(kubeconfig)] if kubeconfig else []
    kubectl += ["--context", context] if context else []
    return Cluster(
        client, http, config.cluster.server, config.context_name, namespace or config.namespace, shlex.join(kubectl)
    )


def _read(given: Path | None) -> tuple[str, KubeConfig]:
    """The kubeconfig, and what to call it: the one given, KUBECONFIG's, a pod's own, or the one at home."""
    path = str(given or os.environ.get("KUBECONFIG", ""))
    if os.pathsep in path:
        raise NoCluster(f"KUBECONFIG: {path} is several files; say one with --kubeconfig FILE")
    place = path or DEFAULT_KUBECONFIG
    try:
        return place, KubeConfig.from_file(path) if path else KubeConfig.from_env()
    except ConfigError as error:
        raise NoCluster(
            f"no cluster: {place} is not there; say --kubeconfig FILE (MicroK8s: microk8s config > FILE)"
        ) from error
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise NoCluster(f"{place} is no kubeconfig: {type(error).__name__}: {error}") from error


def _chosen(place: str, known: KubeConfig, context: str | None) -> SingleConfig:
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
    return (
        config if config.user else config._replace(user=User())
    )  # lightkube wants a user, who may have nothing to show
