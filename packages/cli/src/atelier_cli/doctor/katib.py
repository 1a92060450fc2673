"""Katib: its API, its webhooks, its pods, and its configuration."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx2
import yaml
from lightkube.resources.admissionregistration_v1 import MutatingWebhookConfiguration, ValidatingWebhookConfiguration
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from atelier_cli.doctor import registration
from atelier_cli.doctor.cluster import Cluster
from atelier_cli.doctor.diagnosis import Diagnosis, missing, ok, warning
from atelier_cli.profile import Profile

API = "kubeflow.org/v1beta1"
INSTALL = 'apply -k "github.com/kubeflow/katib.git/manifests/v1beta1/installs/katib-standalone?ref=v0.19.0"'


def check_api(cluster: Cluster) -> Iterator[Diagnosis]:
    """Whether the API server serves Katib's kinds."""
    kinds = ("experiments", "suggestions", "trials")
    lacking = cluster.lacking(API, kinds)
    if lacking:
        yield missing("Katib CRDs", f"{API} has no {', '.join(lacking)}", f"{cluster.kubectl} {INSTALL}")
    else:
        yield ok("Katib CRDs", f"{', '.join(kinds)} ({API})")


def check_webhooks(cluster: Cluster, namespace: str) -> Iterator[Diagnosis]:
    """Whether Katib's webhooks are registered, and the API server can trust them."""
    kinds: dict[str, type[ValidatingWebhookConfiguration] | type[MutatingWebhookConfiguration]] = {
        "validating webhooks": ValidatingWebhookConfiguration,
        "mutating webhooks": MutatingWebhookConfiguration,
    }
    for check, kind in kinds.items():
        registered = cluster.find(kind, "katib.kubeflow.org")
        webhooks = (registered and registered.webhooks) or []
        bare = [w.name for w in webhooks if not base64.b64decode(w.clientConfig.caBundle or "").strip()]
        if not webhooks:
            yield missing(check, "there are none named katib.kubeflow.org", f"{cluster.kubectl} {INSTALL}")
        elif bare:
            # the controller writes the bundle when it starts
            restart = f"{cluster.kubectl} -n {namespace} rollout restart deployment/katib-controller"
            yield missing(check, f"no caBundle, so that the API server cannot call them: {', '.join(bare)}", restart)
        else:
            yield ok(check, ", ".join(webhook.name for webhook in webhooks))


def check_pods(cluster: Cluster, namespace: str) -> Iterator[Diagnosis]:
    """Whether Katib's controller and the manager of its database are available."""
    for name in ("katib-controller", "katib-db-manager"):
        deployment = cluster.find(Deployment, name, namespace)
        if deployment is None:
            message = f"no such Deployment in namespace {namespace}; --katib-namespace says where Katib is"
            yield missing(name, message, f"{cluster.kubectl} {INSTALL}")
        elif not (deployment.status and deployment.status.availableReplicas):
            conditions = (deployment.status and deployment.status.conditions) or []
            reasons = [c.message for c in conditions if c.status == "False" and c.message]
            message = ": ".join(["no replica is available", *reasons[:1]])
            yield missing(name, message, f"{cluster.kubectl} -n {namespace} rollout restart deployment/{name}")
        else:
            yield ok(name, f"{deployment.status.availableReplicas} available in namespace {namespace}")


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class Entry(_Part):
    """An algorithm or a metrics collector that Katib can run."""

    algorithm_name: str = ""
    kind: str = ""
    image: str = ""
    security_context: dict[str, Any] | None = None
    resources: dict[str, dict[str, Any] | None] | None = None


class _Runtime(_Part):
    suggestions: list[Entry] = []
    early_stoppings: list[Entry] = []
    metrics_collectors: list[Entry] = []


class _Controller(_Part):
    inject_security_context: bool = False


class _Init(_Part):
    controller: _Controller = _Controller()


class Configuration(_Part):
    """The part of katib-config that the checks read."""

    init: _Init = _Init()
    runtime: _Runtime = _Runtime()

    def suggestion(self, algorithm: str) -> Entry | None:
        """The entry of this algorithm."""
        return next((entry for entry in self.runtime.suggestions if entry.algorithm_name == algorithm), None)


def configuration(cluster: Cluster, namespace: str) -> Configuration | None:
    """Katib's configuration; None if it is not there or cannot be read."""
    config_map = cluster.find(ConfigMap, "katib-config", namespace)
    try:
        text = ((config_map and config_map.data) or {})["katib-config.yaml"]
        return Configuration.model_validate(yaml.safe_load(text))
    except (KeyError, yaml.YAMLError, ValidationError):
        return None


def readable_configuration(cluster: Cluster, namespace: str) -> Configuration | None:
    """The same for who may not be allowed to see it; None then too."""
    try:
        return configuration(cluster, namespace)
    except httpx2.HTTPStatusError as error:
        if error.response.status_code == 403:
            return None
        raise


def check_configuration(cluster: Cluster, namespace: str, profile: Profile | None) -> Iterator[Diagnosis]:
    """Whether Katib knows the algorithm, the early stopping and the metrics collector of the profile."""
    check, install = "katib-config", f"{cluster.kubectl} {INSTALL}"
    known = configuration(cluster, namespace)
    if known is None:
        message = f"namespace {namespace} has no ConfigMap katib-config with a readable katib-config.yaml"
        yield missing(check, message, install)
        return
    needed = {"runtime.metricsCollectors": ("StdOut", [entry.kind for entry in known.runtime.metrics_collectors])}
    unfit: list[Diagnosis] = []
    if profile is not None:
        experiment = profile.spec.experiment
        if experiment.algorithm.algorithm_name == registration.ALGORITHM:
            unfit = list(_registration(cluster, namespace, known, registration.image_of(profile.values)))
        names = [entry.algorithm_name for entry in known.runtime.suggestions]
        if not unfit:
            needed["runtime.suggestions"] = (experiment.algorithm.algorithm_name, names)
        if experiment.early_stopping.algorithm_name == "medianstop":
            stoppings = [entry.algorithm_name for entry in known.runtime.early_stoppings]
            needed["runtime.earlyStoppings"] = ("medianstop", stoppings)
    lacking = [
        f"{section} has no {name}; it has: {', '.join(names) or 'none'}"
        for section, (name, names) in needed.items()
        if name not in names
    ]
    yield from unfit
    if lacking:
        yield missing(check, "; ".join(lacking), install)
    elif not unfit:
        yield ok(check, f"knows {', '.join(name for name, _ in needed.values())}")


def _registration(cluster: Cluster, namespace: str, known: Configuration, image: str) -> Iterator[Diagnosis]:
    """What is wrong with the entry of this project's suggestion service; it has to be of the release of the trials."""
    entry = known.suggestion(registration.ALGORITHM)
    options = cluster.kubectl.removeprefix("kubectl")
    register = f"atelier katib register --namespace {namespace} --image {image}{options}"
    if entry is None:
        who = "this project's own: an administrator of the cluster registers it, once"
        yield missing("katib-config", f"runtime.suggestions has no atelier, which is {who}", register)
    elif entry.image.removeprefix("docker.io/") != image.removeprefix("docker.io/"):
        message = f"atelier is {entry.image}, and trials are {image}: another release may not know the profile"
        yield warning("katib-config", message, register)
