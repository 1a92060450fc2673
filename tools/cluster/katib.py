"""Katib out of its own module's manifests: with Debian's Postgres, without its UI, tpe and random by its Go service."""

from __future__ import annotations

import shutil

import yaml

from .builds import KATIB
from .kubectl import apply_text, kubectl, rolled_out
from .layout import MANIFESTS, UPSTREAM
from .steps import Failure, Step
from .waiting import until

NAMESPACE = "kubeflow"
INSTALLS = UPSTREAM / "katib" / "manifests" / "v1beta1" / "installs"
GOPTUNA = f"ghcr.io/kubeflow/katib/suggestion-goptuna:{KATIB.version()}"
BY_GOPTUNA = ("random", "tpe")
"""Upstream runs them by Python services, whose images cannot be built here; the Go service has both."""

CHECKED_IN = "webhooks-answer"
"""The namespace of the Experiment whose dry run shows that the webhooks answer."""


def install(step: Step) -> str:
    overlay = INSTALLS / "atelier"
    shutil.copytree(MANIFESTS / "katib", overlay, dirs_exist_ok=True)
    upstream = (INSTALLS / "katib-standalone-postgres" / "katib-config.yaml").read_text()
    (overlay / "katib-config.yaml").write_text(configuration(upstream))
    apply_text(kubectl("kustomize", overlay))
    step.now("waiting for its workloads")
    rolled_out(NAMESPACE, "deployment/katib-postgres", "deployment/katib-db-manager", "deployment/katib-controller")
    step.now("waiting for its webhooks")
    apply_text((MANIFESTS / f"{CHECKED_IN}.yaml").read_text())
    until(_refused, 90, "Katib's webhooks")
    kubectl("delete", "namespace", CHECKED_IN, "--wait=false")
    return f"{KATIB.version()}; algorithms {', '.join(algorithms(upstream))}"


def configuration(upstream: str) -> str:
    """Upstream's katib-config for a small node, with suggestion services that have an image here."""
    config = yaml.safe_load(upstream)
    runtime = config["runtime"]
    for helper in (*runtime["suggestions"], *runtime.get("metricsCollectors", [])):
        # Katib's default of 50m each would fill two cores before the trials of a few searches are there.
        helper.setdefault("resources", {})["requests"] = {"cpu": "10m"}
    for suggestion in runtime["suggestions"]:
        if suggestion["algorithmName"] in BY_GOPTUNA:
            suggestion["image"] = GOPTUNA
        if suggestion["image"] == GOPTUNA:
            suggestion["readinessProbe"] = {
                "grpc": {"port": 6789, "service": "manager.v1beta1.Suggestion"},
                "periodSeconds": 1,
            }
    return yaml.safe_dump(config, sort_keys=False)


def algorithms(upstream: str) -> list[str]:
    """What a search can use on this cluster."""
    suggestions = yaml.safe_load(configuration(upstream))["runtime"]["suggestions"]
    return sorted(service["algorithmName"] for service in suggestions if service["image"] == GOPTUNA)


def _refused() -> str | None:
    """A Deployment of Katib is available before its webhooks answer."""
    try:
        kubectl("create", "--dry-run=server", f"--filename={MANIFESTS / 'experiment.yaml'}")
    except Failure as failure:
        return str(failure)
    return None
