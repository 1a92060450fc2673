"""The cluster of the current kube context, as its users meet it: kubectl and helm as processes, conditions that are waited for."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support import ROOT

CHART = ROOT / "charts" / "katib-nas-atelier"
BUILT = ROOT / ".tools" / "bin"
DIGITS = Path(__file__).parent / "digits.yaml"
"""A small search on scikit-learn's digits, with what every cluster has: a suggestion service for sobol, a default storage class."""
OURS = ROOT / ".cluster" / "run"
"""What `make cluster-up` left there, if the cluster is the one that it starts."""
MODEL = "digits"
EXPERIMENT, TRIAL = "experiments.kubeflow.org", "trials.kubeflow.org"
TRIALS, EXTRACTOR, INSPECTOR = (
    f"app.kubernetes.io/component={component}" for component in ("trial", "extractor", "inspector")
)
LABEL = "katib.kubeflow.org/metrics-collector-injection=enabled"
"""Without it on its namespace, Katib refuses an Experiment."""
MINUTES = 60.0


def eventually(condition: Callable[[], Any], seconds: float, what: str, every: float = 0.5) -> Any:
    """The first true result of condition; what it was waited for is in the failure, with what the condition gave last."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(every)
    return found


def run(*command: str | Path, stdin: str | None = None, may_fail: bool = False, seconds: float = 10 * MINUTES) -> str:
    """What a command prints; AssertionError with all that it said if it fails."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds, check=False)
    assert may_fail or done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout if done.returncode == 0 else done.stdout + done.stderr


def kubectl_program() -> str:
    """The cluster tool's own, or one from PATH."""
    ours = ROOT / ".cluster" / "bin" / "kubectl"
    found = str(ours) if ours.exists() else shutil.which("kubectl")
    assert found, "kubectl is missing: make cluster-up builds one"
    return found


class Namespace:
    """One namespace; objects are dictionaries as the API server has them."""

    def __init__(self, name: str) -> None:
        self.name = name

    def kubectl(self, *arguments: str, **options: Any) -> str:
        return run(kubectl_program(), "-n", self.name, *arguments, **options)

    def get(self, kind: str, name: str | None = None, selector: str | None = None) -> list[dict[str, Any]]:
        """Objects of a kind, by name or labels; none if there is none."""
        arguments = [
            "get",
            kind,
            *([name] if name else []),
            *([f"--selector={selector}"] if selector else []),
            "--ignore-not-found",
        ]
        text = self.kubectl(*arguments, "--output=json")
        read: dict[str, Any] = json.loads(text) if text.strip() else {"items": []}
        found: list[dict[str, Any]] = read.get("items", [read])
        return found

    def names(self, kind: str, selector: str | None = None) -> set[str]:
        return {one["metadata"]["name"] for one in self.get(kind, selector=selector)}

    def uids(self, *kinds: str) -> dict[str, str]:
        """Identity of every object of these kinds: one that was replaced has another."""
        return {
            f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["uid"]
            for kind in kinds
            for one in self.get(kind)
        }

    def logs(self, pod: str, container: str | None = None) -> str:
        return self.kubectl(
            "logs", pod, *([f"--container={container}"] if container else ["--all-containers"]), may_fail=True
        )

    def apply(self, *objects: dict[str, Any]) -> None:
        self.kubectl("apply", "--filename=-", stdin=yaml.safe_dump_all(objects))

    def remove(self) -> None:
        """It and all that is in it, Experiments first: they need Katib to go."""
        self.kubectl("delete", EXPERIMENT, "--all", "--timeout=60s", may_fail=True)
        self.kubectl("delete", "namespace", self.name, "--timeout=120s", may_fail=True)


@contextmanager
def a_namespace(*labels: str) -> Iterator[Namespace]:
    """A new one, with the label of Katib unless others are said; it goes."""
    made = Namespace(f"e2e-{uuid.uuid4().hex[:6]}")
    run(kubectl_program(), "create", "namespace", made.name)
    try:
        for label in labels or (LABEL,):
            run(kubectl_program(), "label", "namespace", made.name, label)
        yield made
    finally:
        made.remove()


KATIB = Namespace("kubeflow")


@contextmanager
def without_katib() -> Iterator[None]:
    """While the block runs, Katib's controller and its webhooks are away; afterwards they answer again."""
    KATIB.kubectl("scale", "deployment/katib-controller", "--replicas=0")
    try:
        eventually(
            lambda: not KATIB.get("pods", selector="katib.kubeflow.org/component=controller"), MINUTES, "Katib's end"
        )
        yield
    finally:
        KATIB.kubectl("scale", "deployment/katib-controller", "--replicas=1")
        KATIB.kubectl("rollout", "status", "deployment/katib-controller", "--timeout=120s")


def doctor(namespace: Namespace, *arguments: str | Path) -> str:
    """What `atelier doctor` says of a namespace; it may find something missing."""
    command = [sys.executable, "-m", "atelier_cli", "doctor", "--namespace", namespace.name, *arguments]
    return run("env", "COLUMNS=400", *command, may_fail=True)


def condition(one: dict[str, Any], kind: str) -> dict[str, Any] | None:
    """The condition of this type, if it is true."""
    conditions = one.get("status", {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind and c["status"] == "True"), None)


class Release:
    """A release of the chart in a namespace of its own."""

    def __init__(self, namespace: Namespace, name: str = "digits", helm: str = "helm") -> None:
        self.namespace = namespace
        self.name = name
        self.helm_program = BUILT / helm

    def helm(self, *arguments: str, **options: Any) -> str:
        return run(self.helm_program, *arguments, "--namespace", self.namespace.name, **options)

    def upgrade(
        self, *sets: str, values: dict[str, Any] | None = None, flags: tuple[str, ...] = (), **options: Any
    ) -> str:
        """Install or upgrade with the small profile, values and settings over it."""
        command = [
            "upgrade",
            "--install",
            self.name,
            str(CHART),
            f"--values={DIGITS}",
            *(["--values=-"] if values else []),
            *flags,
        ]
        return self.helm(
            *command, *(f"--set={one}" for one in sets), stdin=yaml.safe_dump(values) if values else None, **options
        )

    def uninstall(self) -> None:
        self.helm("uninstall", self.name, "--wait", may_fail=True)

    @property
    def manifest(self) -> list[dict[str, Any]]:
        return [one for one in yaml.safe_load_all(self.helm("get", "manifest", self.name)) if one]

    @property
    def experiment(self) -> str:
        """Name of the Experiment that the release has now."""
        return next(one["metadata"]["name"] for one in self.manifest if one["kind"] == "Experiment")

    def search_ends(
        self, expected: str = "Succeeded", seconds: float = 6 * MINUTES, watch: Callable[[], None] | None = None
    ) -> dict[str, Any]:
        """The Experiment's status, once its search is over; AssertionError at once if it ended otherwise. watch is called all the while."""
        name = self.experiment

        def ended() -> dict[str, Any] | None:
            if watch is not None:
                watch()
            (experiment,) = self.namespace.get(EXPERIMENT, name) or [{}]
            over = condition(experiment, "Failed") or condition(experiment, "Succeeded")
            assert over is None or over["type"] == expected, f"{name}: {over}"
            return experiment["status"] if over else None

        found: dict[str, Any] = eventually(ended, seconds, f"search {name}", every=0.2 if watch else 0.5)
        return found

    def server_is_ready(self, seconds: float = 2 * MINUTES) -> None:
        self.namespace.kubectl(
            "rollout", "status", f"deployment/{self.name}-atelier-server", f"--timeout={seconds:.0f}s"
        )

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """A client of the Service, by a forwarded port."""
        address = forwarded(self.namespace, f"service/{self.name}-atelier-server", 80)
        with address as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client

    def model(self, client: httpx.Client) -> dict[str, Any] | None:
        """The card of the model that is served; None if there is none."""
        answer = client.get("/model")
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return None
        card: dict[str, Any] = answer.raise_for_status().json()
        return card

    def model_of(self, experiment: str, client: httpx.Client, seconds: float = 3 * MINUTES) -> dict[str, Any]:
        """The card of the model that is served, once it is what this search came to."""

        def served() -> dict[str, Any] | None:
            found, card = self.store(STORE), self.model(client)
            search = found["searches"].get(MODEL)
            is_promoted = search is not None and (search["experiment"], search["state"]) == (experiment, "promoted")
            return card if is_promoted and card and card["version"] == found["models"][MODEL]["version"] else None

        found: dict[str, Any] = eventually(served, seconds, f"a model of {experiment}")
        return found

    @property
    def server(self) -> str:
        """A pod that serves, and so has the store before it."""
        selector = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component=server"
        ready = [one for one in self.namespace.get("pods", selector=selector) if condition(one, "Ready")]
        return sorted(one["metadata"]["name"] for one in ready if "deletionTimestamp" not in one["metadata"])[0]

    def store(self, script: str) -> Any:
        """What a Python script prints as JSON, run beside the store, with the server's image, for reading."""
        return json.loads(
            self.namespace.kubectl("exec", self.server, "--container=server", "--", "python", "-c", script)
        )

    def copy_store(self, to: Path) -> Path:
        """The whole store, on this machine."""
        self.namespace.kubectl("cp", "--container=server", f"{self.server}:/store", str(to))
        return to


@contextmanager
def a_release_in(namespace: Namespace) -> Iterator[Release]:
    """A release, not installed yet; it goes."""
    made = Release(namespace)
    try:
        yield made
    finally:
        made.uninstall()


@contextmanager
def a_release(*labels: str) -> Iterator[Release]:
    """A release in a new namespace, not installed yet; both go."""
    with a_namespace(*labels) as namespace, a_release_in(namespace) as made:
        yield made


@contextmanager
def a_claim(namespace: Namespace, name: str, source: dict[str, Any]) -> Iterator[None]:
    """A claim of a volume that is bound by hand, and lasts a little longer than the volume is wanted: it goes with its namespace."""
    volume = f"{namespace.name}-{name}"
    common = {"storageClassName": "", "accessModes": ["ReadWriteOnce", "ReadWriteMany"]}
    spec = common | source | {"capacity": {"storage": "1Gi"}, "persistentVolumeReclaimPolicy": "Retain"}
    claim = common | {"volumeName": volume, "resources": {"requests": {"storage": "1Gi"}}}
    namespace.apply(
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume}, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": namespace.name},
            "spec": claim,
        },
    )
    try:
        yield
    finally:
        namespace.kubectl("delete", "persistentvolume", volume, "--wait=false")


@contextmanager
def forwarded(namespace: Namespace, target: str, port: int) -> Iterator[int]:
    """A free port of this machine that leads to a port of a pod or Service."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        local: int = free.getsockname()[1]
    command = [kubectl_program(), "-n", namespace.name, "port-forward", target, f"{local}:{port}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "Forwarding from" in line, line
        yield local
    finally:
        process.terminate()
        process.wait()


STORE = """
import json
from pathlib import Path
store = Path("/store")
print(json.dumps({
    "trials": {p.parent.name: json.loads(p.read_text()) for p in store.glob("trials/*/card.json")},
    "records": {e.name: {p.stem: json.loads(p.read_text()) for p in e.glob("trials/*.json")} for e in store.glob("experiments/*")},
    "models": {m.name: json.loads((m / "current.json").read_text()) for m in store.glob("models/*") if (m / "current.json").exists()},
    "searches": {m.name: json.loads((m / "search.json").read_text()) for m in store.glob("models/*") if (m / "search.json").exists()},
}))
"""
"""Cards by key, trial records by experiment, pointers and search.json by model."""
