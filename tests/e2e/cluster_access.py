"""The cluster of the current kube context as its users meet it: kubectl, helm, and conditions to wait for."""

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
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support import ROOT

CHART = ROOT / "charts" / "katib-nas-atelier"
BUILT = ROOT / ".tools" / "bin"
DIGITS = Path(__file__).parent / "digits.yaml"
"""A small search on scikit-learn's digits; it needs a suggestion service for sobol and a default storage class."""
OURS = ROOT / ".cluster" / "run"
"""What `make cluster-up` left there, if the cluster is the one that it starts."""
ours_only = pytest.mark.skipif(
    not OURS.exists(), reason="reaches under the cluster, which only that of `make cluster-up` allows"
)
MODEL = "digits"
EXPERIMENT, TRIAL = "experiments.kubeflow.org", "trials.kubeflow.org"
TRIALS, EXTRACTOR, INSPECTOR = (
    f"app.kubernetes.io/component={component}" for component in ("trial", "extractor", "inspector")
)
LABEL = "katib.kubeflow.org/metrics-collector-injection=enabled"
"""Katib rejects an Experiment in a namespace without it."""
AT_THE_END = ExitStack()
"""Closed when a session ends: a worker of pytest-xdist ends without atexit."""
UNKNOWN_TO_KATIB = "atelier.test/serves=only"
MINUTES = 60.0
PATIENCE = 3
"""How many times as long as on a quiet machine everything is waited for. It costs time only where a test fails."""
ONE_SHORT_TRIAL = {
    "trainer": {"maxEpochs": 1, "tailEpochs": 0},
    "experiment": {"maxTrialCount": 1, "parallelTrialCount": 1, "maxFailedTrialCount": 0},
}
EPOCHS = 30
LONGER: dict[str, Any] = {
    "trainer": {"maxEpochs": EPOCHS, "tailEpochs": 0},
    "experiment": {
        **ONE_SHORT_TRIAL["experiment"],
        "parameters": [
            {"name": "stem_width", "parameterType": "discrete", "feasibleSpace": {"list": [64]}},
            {"name": "stage1_width", "parameterType": "discrete", "feasibleSpace": {"list": [96, 128]}},
        ],
    },
}
"""A quarter of a minute of training or more, in which things can happen to it."""


def eventually(condition: Callable[[], Any], seconds: float, what: str, every: float = 0.5) -> Any:
    """The first true result of condition; AssertionError that names what was waited for if there is none in time.

    seconds: as it may take on a quiet machine.
    """
    deadline = time.monotonic() + PATIENCE * seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE * seconds:.0f} s"
        time.sleep(every)
    return result


def run(*command: str | Path, stdin: str | None = None, may_fail: bool = False, seconds: float = 10 * MINUTES) -> str:
    """What a command prints; AssertionError with its output if it fails, or if a signal ends it."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds, check=False)
    ended = f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.returncode == 0 or (may_fail and done.returncode > 0), ended
    return done.stdout if done.returncode == 0 else done.stdout + done.stderr


def kubectl_program() -> str:
    """The cluster tool's own, or one from PATH."""
    ours = ROOT / ".cluster" / "bin" / "kubectl"
    found = str(ours) if ours.exists() else shutil.which("kubectl")
    assert found, "kubectl is missing: make cluster-up builds one"
    return found


@cache
def api() -> httpx.Client:
    """The API server, by `kubectl proxy`: a request costs milliseconds, a kubectl a tenth of a second of CPU."""
    command = [kubectl_program(), "proxy", "--port=0"]
    proxy = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    AT_THE_END.callback(proxy.terminate)
    assert proxy.stdout is not None
    line = proxy.stdout.readline().strip()
    assert line.startswith("Starting to serve on"), line
    return httpx.Client(base_url=f"http://{line.rpartition(' ')[2]}", timeout=30)


@dataclass(frozen=True)
class Resource:
    """A kind of objects, and where the API server has them."""

    kind: str
    prefix: str
    plural: str
    namespaced: bool

    def path(self, namespace: str) -> str:
        return "/".join([self.prefix, *(["namespaces", namespace] if self.namespaced else []), self.plural])


@cache
def resources() -> dict[str, Resource]:
    """Every kind of objects of this cluster by its plural, and by plural and group."""
    groups = api().get("/apis").raise_for_status().json()["groups"]
    versions = {"": "/api/v1"} | {
        group["name"]: f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups
    }
    known: dict[str, Resource] = {}
    for group, prefix in versions.items():
        for one in api().get(prefix).raise_for_status().json()["resources"]:
            resource = Resource(one["kind"], prefix, one["name"], one["namespaced"])
            known.setdefault(resource.plural, resource)
            known.setdefault(f"{resource.plural}.{group}", resource)
    return known


class Namespace:
    """One namespace; objects are dictionaries as the API server has them."""

    def __init__(self, name: str) -> None:
        self.name = name

    def kubectl(self, *arguments: str, **options: Any) -> str:
        return run(kubectl_program(), "-n", self.name, *arguments, **options)

    def get(self, plural: str, name: str | None = None, selector: str = "") -> list[dict[str, Any]]:
        """Objects of a kind, by name or labels; none if there is none."""
        resource = resources()[plural]
        path = resource.path(self.name)
        answer = api().get(f"{path}/{name}" if name else path, params={"labelSelector": selector} if selector else None)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return []
        body = answer.raise_for_status().json()
        objects: list[dict[str, Any]] = [body] if name else body["items"]
        return [{"kind": resource.kind} | one for one in objects]

    def names(self, plural: str, selector: str = "") -> set[str]:
        return {one["metadata"]["name"] for one in self.get(plural, selector=selector)}

    def uids(self, *plurals: str) -> dict[str, str]:
        """Identity of every object of these kinds: one that was replaced has another."""
        objects = [one for plural in plurals for one in self.get(plural)]
        return {f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["uid"] for one in objects}

    def logs(self, pod: str) -> str:
        return self.kubectl("logs", pod, "--all-containers", may_fail=True)

    def apply(self, *objects: dict[str, Any]) -> None:
        self.kubectl("apply", "--filename=-", stdin=yaml.safe_dump_all(objects))

    def evict(self, *pods: str) -> None:
        """By the eviction API, as when their node is drained; they have a second to end."""
        for pod in pods:
            eviction = {
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": pod, "namespace": self.name},
                "deleteOptions": {"gracePeriodSeconds": 1},
            }
            address = f"/api/v1/namespaces/{self.name}/pods/{pod}/eviction"
            self.kubectl("create", "--raw", address, "--filename=-", stdin=json.dumps(eviction))

    def drain(self) -> None:
        """Evict every pod, as when their node is drained; one that ended meanwhile is none any more."""
        for pod in self.names("pods"):
            try:
                self.evict(pod)
            except AssertionError:
                assert not self.get("pods", pod), f"{pod} was not evicted"

    def remove(self) -> None:
        """It and all that is in it; nothing waits for it. Experiments go first: only Katib can end them."""
        self.kubectl("delete", EXPERIMENT, "--all", "--wait=false", may_fail=True)
        self.kubectl("delete", "namespace", self.name, "--wait=false", may_fail=True)


@contextmanager
def a_namespace(*labels: str) -> Iterator[Namespace]:
    """A new one, with the label of Katib unless others are given; it goes."""
    made = Namespace(f"e2e-{uuid.uuid4().hex[:6]}")
    metadata = {"name": made.name, "labels": dict(label.split("=") for label in labels or (LABEL,))}
    made.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    try:
        yield made
    finally:
        made.remove()


KATIB = Namespace("kubeflow")


@contextmanager
def without_katib() -> Iterator[None]:
    """Katib's controller and its webhooks are away while the block runs, and answer again afterwards."""
    KATIB.kubectl("scale", "deployment/katib-controller", "--replicas=0")
    try:
        eventually(
            lambda: not KATIB.get("pods", selector="katib.kubeflow.org/component=controller"), MINUTES, "Katib's end"
        )
        yield
    finally:
        KATIB.kubectl("scale", "deployment/katib-controller", "--replicas=1")
        KATIB.kubectl("rollout", "status", "deployment/katib-controller", "--timeout=360s")


def doctor(namespace: Namespace, *arguments: str | Path) -> str:
    """What `atelier doctor` prints of a namespace; it may report something as missing."""
    command = [sys.executable, "-m", "atelier_cli", "doctor", "--namespace", namespace.name, *arguments]
    return run("env", "COLUMNS=400", *command, may_fail=True)


def digits_lack(namespace: Namespace, *sets: str) -> str:
    """What `atelier doctor` prints of the small profile with settings over it."""
    return doctor(namespace, "-f", DIGITS, *(f"--set={one}" for one in sets))


@contextmanager
def taken_away(take: list[str], give_back: list[str]) -> Iterator[None]:
    """Something that kubectl takes away while the block runs."""
    run(kubectl_program(), *take)
    try:
        yield
    finally:
        run(kubectl_program(), *give_back)


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
    def experiment(self) -> str:
        """Name of the Experiment that the release has now."""
        manifest = [one for one in yaml.safe_load_all(self.helm("get", "manifest", self.name)) if one]
        name: str = next(one["metadata"]["name"] for one in manifest if one["kind"] == "Experiment")
        return name

    def search_ends(
        self, expected: str = "Succeeded", seconds: float = 6 * MINUTES, watch: Callable[[], None] | None = None
    ) -> dict[str, Any]:
        """The Experiment's status, once its search is over; AssertionError at once if it ended otherwise.

        watch is called again and again until then.
        """
        name = self.experiment

        def ended() -> dict[str, Any] | None:
            if watch is not None:
                watch()
            (experiment,) = self.namespace.get(EXPERIMENT, name) or [{}]
            over = condition(experiment, "Failed") or condition(experiment, "Succeeded")
            assert over is None or over["type"] == expected, f"{name}: {over}"
            return experiment["status"] if over else None

        status: dict[str, Any] = eventually(ended, seconds, f"search {name}", every=0.2)
        return status

    def server_is_ready(self, seconds: float = 2 * MINUTES) -> None:
        self.namespace.kubectl(
            "rollout", "status", f"deployment/{self.name}-atelier-server", f"--timeout={PATIENCE * seconds:.0f}s"
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
        """The card of the model that is served, once it is the one that this search promoted."""

        def served() -> dict[str, Any] | None:
            store, card = self.store(STORE), self.model(client)
            search = store["searches"].get(MODEL)
            is_promoted = search is not None and (search["experiment"], search["state"]) == (experiment, "promoted")
            return card if is_promoted and card and card["version"] == store["models"][MODEL]["version"] else None

        card: dict[str, Any] = eventually(served, seconds, f"a model of {experiment}", every=1)
        return card

    @property
    def server(self) -> str:
        """A pod that serves, and so has the store before it."""
        selector = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component=server"
        ready = [one for one in self.namespace.get("pods", selector=selector) if condition(one, "Ready")]
        names: list[str] = [one["metadata"]["name"] for one in ready if "deletionTimestamp" not in one["metadata"]]
        return min(names)

    def store(self, script: str) -> Any:
        """What a Python script that reads the store prints as JSON; a pod that serves runs it."""
        return json.loads(self.in_server("python", "-c", script))

    def in_server(self, *command: str) -> str:
        return self.namespace.kubectl("exec", self.server, "--container=server", "--", *command)

    def copy_store(self, to: Path) -> Path:
        """The whole store, on this machine."""
        self.namespace.kubectl("cp", "--container=server", f"{self.server}:/store", str(to))
        return to


@contextmanager
def a_release(*labels: str) -> Iterator[Release]:
    """A release in a new namespace, not installed yet; both go."""
    with a_namespace(*labels) as namespace:
        yield Release(namespace)


@contextmanager
def a_claim(namespace: Namespace, name: str, source: dict[str, Any]) -> Iterator[None]:
    """A claim with a volume of its own, bound by hand. The claim goes with its namespace."""
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
def a_release_that_serves_only(other: Release) -> Iterator[Release]:
    """A release without a search, in a namespace that Katib does not watch, on the volume of another release's store.

    Its claim is a second one of that volume, as an NFS share or another shared file system gives it.
    """
    (claim,) = other.namespace.get("persistentvolumeclaims")
    (volume,) = other.namespace.get("persistentvolumes", claim["spec"]["volumeName"])
    sources = {key: volume["spec"][key] for key in ("hostPath", "nfs") if key in volume["spec"]}
    if not sources:
        pytest.skip(f"no second claim can be made here of {volume['spec']}")
    with a_release(UNKNOWN_TO_KATIB) as made, a_claim(made.namespace, "models", sources):
        sets = ("experiment.enabled=false", "storage.existingClaim=models", f"server.model={MODEL}")
        made.upgrade(*sets, flags=("--wait", "--timeout=10m"))
        yield made


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


def running_trial(release: Release) -> str:
    """The pod of a trial that has trained for two epochs."""

    def trained() -> str | None:
        pods = release.namespace.get("pods", selector=TRIALS)
        running = [one for one in pods if condition(one, "Ready") and "deletionTimestamp" not in one["metadata"]]
        return running[0]["metadata"]["name"] if running and epochs_trained(release) >= 2 else None

    pod: str = eventually(trained, 3 * MINUTES, "a trial's second epoch", every=0.25)
    return pod


def epochs_trained(release: Release) -> int:
    return int(release.in_server("sh", "-c", "cat /store/trials/*/metrics.jsonl 2> /dev/null | wc -l"))


def was_resumed(release: Release) -> bool:
    """Whether a trial's log tells that it was resumed."""
    return "resum" in release.in_server("sh", "-c", "cat /store/trials/*/*.log")


STORE = """
import json
from pathlib import Path
store = Path("/store")
def read(pattern, name):
    return {name(path): json.loads(path.read_text()) for path in store.glob(pattern)}
records = {}
for path in store.glob("experiments/*/trials/*.json"):
    records.setdefault(path.parts[-3], {})[path.stem] = json.loads(path.read_text())
print(json.dumps({
    "trials": read("trials/*/card.json", lambda path: path.parent.name),
    "records": {path.name: records.get(path.name, {}) for path in store.glob("experiments/*")},
    "models": read("models/*/current.json", lambda path: path.parent.name),
    "searches": read("models/*/search.json", lambda path: path.parent.name),
    "decisions": read("models/*/decision.json", lambda path: path.parent.name),
    "histories": {
        path.parent.name: [json.loads(line) for line in path.read_text().splitlines()]
        for path in store.glob("models/*/history.jsonl")
    },
}))
"""
"""Cards by key, trial records by experiment; pointers, search.json, decision.json and lines of history by model."""
