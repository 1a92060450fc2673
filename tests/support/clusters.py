"""A local server that answers as a Kubernetes API server would, from objects that a test can remove."""

from __future__ import annotations

import json
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Barrier, Thread
from typing import Any
from urllib.parse import parse_qs

import yaml
from atelier_cli.doctor.cluster import connect
from atelier_cli.doctor.diagnosis import Diagnosis
from atelier_cli.doctor.examination import examine
from atelier_cli.profile import load

from tests.support.kubernetes_api import error, json_answer

NAMESPACE = "/api/v1/namespaces/team"
CONFIG = "/api/v1/namespaces/kubeflow/configmaps/katib-config"
CONTROLLER = "/apis/apps/v1/namespaces/kubeflow/deployments/katib-controller"
DB_MANAGER = "/apis/apps/v1/namespaces/kubeflow/deployments/katib-db-manager"
VALIDATING = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/katib.kubeflow.org"
MUTATING = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/katib.kubeflow.org"
KATIB = "/apis/kubeflow.org/v1beta1"
PROMETHEUS = "/apis/monitoring.coreos.com/v1"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
CLAIMS = "/api/v1/namespaces/team/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"
NODES = "/api/v1/nodes"
SECRET = "/api/v1/namespaces/team/secrets/digits-token"
QUOTAS, RANGES = (f"/api/v1/namespaces/team/{plural}" for plural in ("resourcequotas", "limitranges"))
PODS, ACCOUNTS, EVENTS = (f"/api/v1/namespaces/team/{plural}" for plural in ("pods", "serviceaccounts", "events"))
JOBS, CRON_JOBS = (f"/apis/batch/v1/namespaces/team/{plural}" for plural in ("jobs", "cronjobs"))
DEPLOYMENTS, REPLICA_SETS = (f"/apis/apps/v1/namespaces/team/{plural}" for plural in ("deployments", "replicasets"))
EXPERIMENTS, SUGGESTIONS, TRIALS = (
    f"/apis/kubeflow.org/v1beta1/namespaces/team/{plural}" for plural in ("experiments", "suggestions", "trials")
)


def named(name: str, **rest: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **rest}


def listed(*items: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": "1"}, "items": list(items)}


def served(*plurals: str) -> dict[str, Any]:
    return {"kind": "APIResourceList", "resources": [{"name": plural} for plural in plurals]}


def webhooks(*names: str, bundle: str = "Q0E=") -> dict[str, Any]:
    about = {"sideEffects": "None", "admissionReviewVersions": ["v1"]}
    return named(
        "katib.kubeflow.org", webhooks=[{"name": name, "clientConfig": {"caBundle": bundle}, **about} for name in names]
    )


def deployment(name: str, available: int) -> dict[str, Any]:
    labels = {"app": name}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}
    conditions = [
        {"type": "Available", "status": str(available > 0), "message": f"{available} replicas are available."}
    ]
    return named(name, spec=spec, status={"availableReplicas": available, "conditions": conditions})


def katib_config(**changes: Any) -> dict[str, Any]:
    runtime = {
        "metricsCollectors": [{"kind": "StdOut"}, {"kind": "File"}],
        "suggestions": [{"algorithmName": name} for name in ("random", "tpe", "multivariate-tpe")],
        "earlyStoppings": [{"algorithmName": "medianstop"}],
    }
    init = {"controller": {"injectSecurityContext": changes.pop("injectSecurityContext", False)}}
    text = yaml.safe_dump({"init": init, "runtime": runtime | changes})
    return named("katib-config", data={"katib-config.yaml": text})


def storage_class(name: str, provisioner: str = "nfs.csi.k8s.io", default: bool = False) -> dict[str, Any]:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"metadata": {"name": name, "annotations": annotations}, "provisioner": provisioner}


def claim(name: str, *modes: str) -> dict[str, Any]:
    return named(name, spec={"accessModes": list(modes)})


def volume(name: str, size: str, *modes: str, phase: str = "Available") -> dict[str, Any]:
    return named(name, spec={"accessModes": list(modes), "capacity": {"storage": size}}, status={"phase": phase})


def secret(name: str, **data: str) -> dict[str, Any]:
    return named(name, data={key: b64encode(value.encode()).decode() for key, value in data.items()})


def node(name: str, **allocatable: str) -> dict[str, Any]:
    return named(name, status={"allocatable": allocatable})


INSTALLED: dict[str, Any] = {
    "metadata": {
        "name": "digits-atelier-server",
        "labels": {
            "app.kubernetes.io/part-of": "katib-nas-atelier",
            "app.kubernetes.io/component": "server",
            "app.kubernetes.io/instance": "digits",
        },
    },
    "spec": {"selector": {}, "template": {}},
}
"""The Deployment by which a release is found."""


def quota(name: str, used: dict[str, str] | None = None, scopes: dict[str, Any] | None = None, **hard: str) -> Any:
    """Dots in the names of what is limited are written as __."""
    spec = {"hard": {key.replace("__", "."): value for key, value in hard.items()}, **(scopes or {})}
    return named(name, spec=spec, status={"hard": spec["hard"], "used": used or {}})


def limit_range(name: str, **item: Any) -> dict[str, Any]:
    return named(name, spec={"limits": [{"type": "Container", **item}]})


def everything() -> dict[str, Any]:
    """The objects of a cluster where nothing is missing, by path."""
    label = {"katib.kubeflow.org/metrics-collector-injection": "enabled"}
    return {
        "/version": {"major": "1", "minor": "34+", "gitVersion": "v1.34.2"},
        NAMESPACE: {"metadata": {"name": "team", "labels": label}},
        KATIB: served("experiments", "experiments/status", "suggestions", "trials"),
        PROMETHEUS: served("servicemonitors", "prometheusrules", "podmonitors"),
        VALIDATING: webhooks("validator.experiment.katib.kubeflow.org"),
        MUTATING: webhooks("defaulter.experiment.katib.kubeflow.org", "mutator.pod.katib.kubeflow.org"),
        CONTROLLER: deployment("katib-controller", 1),
        DB_MANAGER: deployment("katib-db-manager", 1),
        CONFIG: katib_config(),
        CLASSES: listed(storage_class("fast"), storage_class("nfs", default=True)),
        CLAIMS: listed(claim("store", "ReadWriteMany")),
        f"{CLAIMS}/store": claim("store", "ReadWriteMany"),
        VOLUMES: listed(volume("disk", "20Gi", "ReadWriteOnce")),
        SECRET: secret("digits-token", token="a-token"),
        NODES: listed(node("small", cpu="500m", memory="512Mi"), node("big", cpu="3920m", memory="7951204Ki")),
        **{path: listed() for path in (QUOTAS, RANGES, PODS, ACCOUNTS, EVENTS, JOBS, CRON_JOBS, DEPLOYMENTS)},
        **{path: listed() for path in (REPLICA_SETS, EXPERIMENTS, SUGGESTIONS, TRIALS)},
    }


class ApiServer(ThreadingHTTPServer):
    """Answers from objects; answers 403 for paths in forbidden, and denies rights.

    denied has resources of which everything is denied ("roles"), and single rights ("patch services"). Questions for
    rights wait for each other at together, if it is there.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects = everything()
        self.forbidden: set[str] = set()
        self.denied: set[str] = set()
        self.status = 0
        self.together: Barrier | None = None
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def kubeconfig(self, folder: Path) -> Path:
        """A kubeconfig with two contexts: here, and nowhere, where nothing listens.

        Both speak plain HTTP: a client that verifies nothing does not read the system's certificates at each start.
        """
        clusters = {"here": self.url, "nowhere": "http://127.0.0.1:1"}
        path = folder / "kubeconfig"
        content = {
            "current-context": "here",
            "clusters": [
                {"name": name, "cluster": {"server": url, "insecure-skip-tls-verify": True}}
                for name, url in clusters.items()
            ],
            "contexts": [
                {"name": name, "context": {"cluster": name, "user": "ada", "namespace": "team"}} for name in clusters
            ],
            "users": [{"name": "ada", "user": {"token": "secret"}}],
        }
        path.write_text(yaml.safe_dump(content))
        return path


def _selected(found: Any, query: dict[str, list[str]]) -> Any:
    """A list without what its label selector excludes."""
    if "labelSelector" not in query:
        return found
    wanted = dict(one.split("=") for one in query["labelSelector"][0].split(","))
    items = [one for one in found["items"] if wanted.items() <= one["metadata"].get("labels", {}).items()]
    return found | {"items": items}


class _Handler(BaseHTTPRequestHandler):
    server: ApiServer

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if self.server.status:
            error(self.server.status, "the server has failed")(self)
        elif path in self.server.forbidden:
            error(403, f'{path.rpartition("/")[2]} is forbidden: User "ada" cannot get it')(self)
        elif path in self.server.objects:
            json_answer(_selected(self.server.objects[path], parse_qs(query)), 200)(self)
        else:
            error(404, f"{path} not found")(self)

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if review["kind"] == "SelfSubjectReview":
            json_answer(review | {"status": {"userInfo": {"username": "ada"}}}, 201)(self)
        else:
            wanted = review["spec"]["resourceAttributes"]
            right = f"{wanted['verb']} {wanted['resource']}"
            is_known = wanted["namespace"] in ("team", "kubeflow")
            allowed = is_known and not {wanted["resource"], right} & self.server.denied
            if self.server.together is not None:
                self.server.together.wait()
            json_answer(review | {"status": {"allowed": allowed}}, 201)(self)

    def do_PUT(self) -> None:
        there = self.server.objects[self.path]
        put = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if put["metadata"].get("resourceVersion") != there["metadata"].get("resourceVersion"):
            error(409, "the object has been modified")(self)
            return
        self.server.objects[self.path] = put
        json_answer(put)(self)

    def log_message(self, *_: Any) -> None:
        pass


def examined(
    kubeconfig: Path, profile: Path | None = None, *overrides: str, katib: str | None = None
) -> list[Diagnosis]:
    return examine(connect(kubeconfig, None, None), load(profile, overrides, laptop=False) if profile else None, katib)


def wrong(results: list[Diagnosis]) -> list[Diagnosis]:
    return [diagnosis for diagnosis in results if diagnosis.result != "ok"]
