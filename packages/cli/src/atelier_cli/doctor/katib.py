"""Katib: its API, its webhooks, its pods, and what its configuration knows."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import yaml
from atelier_store.spec import Spec
from lightkube.resources.admissionregistration_v1 import MutatingWebhookConfiguration, ValidatingWebhookConfiguration
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from atelier_cli.doctor.cluster import Cluster
from atelier_cli.doctor.diagnosis import Diagnosis, missing, ok

API = "kubeflow.org/v1beta1"
INSTALL = 'apply -k "github.com/kubeflow/katib.git/manifests/v1beta1/installs/katib-standalone?ref=v0.19.0"'


def check_api(cluster: Cluster) -> Iterator[Diagnosis]:
    """Whether the API server knows Katib's kinds."""
    kinds = ("experiments", "suggestions", "trials")
    lacking = cluster.lacking(API, kinds)
    if lacking:
        yield missing("Katib CRDs", f"{API} has no {', '.join(lacking)}", f"{cluster.kubectl} {INSTALL}")
    else:
        yield ok("Katib CRDs", f"{', '.join(kinds)} ({API})")


def check_webhooks(cluster: Cluster, namespace: str) -> Iterator[Diagnosis]:
    """Whether Katib's webhooks are registered, and the API server can trust them."""
    yield _webhooks(
        cluster, namespace, "validating webhooks", cluster.find(ValidatingWebhookConfiguration, "katib.kubeflow.org")
    )
    yield _webhooks(
        cluster, namespace, "mutating webhooks", cluster.find(MutatingWebhookConfiguration, "katib.kubeflow.org")
    )


def _webhooks(
    cluster: Cluster,
    namespace: str,
    what: str,
    found: ValidatingWebhookConfiguration | MutatingWebhookConfiguration | None,
) -> Diagnosis:
    webhooks = (found and found.webhooks) or []
    if not webhooks:
        return missing(what, "there are none named katib.kubeflow.org", f"{cluster.kubectl} {INSTALL}")
    bare = [webhook.name for webhook in webhooks if not base64.b64decode(webhook.clientConfig.caBundle or "").strip()]
    if bare:
        restart = f"{cluster.kubectl} -n {namespace} rollout restart deployment/katib-controller"  # it writes the bundle when it starts
        return missing(what, f"no caBundle, so that the API server cannot call them: {', '.join(bare)}", restart)
    return ok(what, ", ".join(webhook.name for webhook in webhooks))


def check_pods(cluster: Cluster, namespace: str) -> Iterator[Diagnosis]:
    """Whether Katib's controller and its database's door are up."""
    for name in ("katib-controller", "katib-db-manager"):
        found = cluster.find(Deployment, name, namespace)
        if found is None:
            where = f"no such Deployment in namespace {namespace}; --katib-namespace says where Katib is"
            yield missing(name, where, f"{cluster.kubectl} {INSTALL}")
        elif not (found.status and found.status.availableReplicas):
            reasons = [
                c.message for c in (found.status and found.status.conditions) or [] if c.status == "False" and c.message
            ]
            text = ": ".join(["no replica is available", *reasons[:1]])
            yield missing(name, text, f"{cluster.kubectl} -n {namespace} rollout restart deployment/{name}")
        else:
            yield ok(name, f"{found.status.availableReplicas} available in namespace {namespace}")


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class Entry(_Part):
    """Something that Katib can start."""

    algorithm_name: str = ""
    kind: str = ""
    security_context: dict[str, Any] | None = None


class _Runtime(_Part):
    suggestions: list[Entry] = []
    early_stoppings: list[Entry] = []
    metrics_collectors: list[Entry] = []


class _Controller(_Part):
    inject_security_context: bool = False


class _Init(_Part):
    controller: _Controller = _Controller()


class Configuration(_Part):
    """The part of katib-config that matters here."""

    init: _Init = _Init()
    runtime: _Runtime = _Runtime()

    def suggestion(self, algorithm: str) -> Entry | None:
        """What suggests by this algorithm."""
        return next((entry for entry in self.runtime.suggestions if entry.algorithm_name == algorithm), None)


def configuration(cluster: Cluster, namespace: str) -> Configuration | None:
    """Katib's configuration; None if it is not there or cannot be read."""
    found = cluster.find(ConfigMap, "katib-config", namespace)
    try:
        return Configuration.model_validate(yaml.safe_load(((found and found.data) or {})["katib-config.yaml"]))
    except (KeyError, yaml.YAMLError, ValidationError):
        return None


def check_configuration(cluster: Cluster, namespace: str, spec: Spec | None) -> Iterator[Diagnosis]:
    """Whether Katib knows the algorithm, the early stopping and the metrics collector of the profile."""
    what, install = "katib-config", f"{cluster.kubectl} {INSTALL}"
    known = configuration(cluster, namespace)
    if known is None:
        yield missing(
            what, f"namespace {namespace} has no ConfigMap katib-config with a readable katib-config.yaml", install
        )
        return
    needed = {"runtime.metricsCollectors": ("StdOut", [entry.kind for entry in known.runtime.metrics_collectors])}
    if spec is not None:
        names = [entry.algorithm_name for entry in known.runtime.suggestions]
        needed["runtime.suggestions"] = (spec.experiment.algorithm.algorithm_name, names)
        if spec.experiment.early_stopping.algorithm_name == "medianstop":
            needed["runtime.earlyStoppings"] = (
                "medianstop",
                [entry.algorithm_name for entry in known.runtime.early_stoppings],
            )
    lacking = [
        f"{section} has no {name}; it has: {', '.join(names) or 'none'}"
        for section, (name, names) in needed.items()
        if name not in names
    ]
    if lacking:
        yield missing(what, "; ".join(lacking), install)
    else:
        yield ok(what, f"knows {', '.join(name for name, _ in needed.values())}")
