"""The commands of pods, run here: trials as Katib starts them, the extractor's steps, the server, helm test's check."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.chart.rendering import only, render
from tests.support import ROOT
from tests.support.server_process import eventually, free_port

pytestmark = pytest.mark.process

QUICKSTART = ROOT / "values" / "quickstart.yaml"
SMALL = {
    "experiment": {
        "maxTrialCount": 2,
        "maxFailedTrialCount": 1,
        "earlyStopping": {"algorithmName": "none", "algorithmSettings": []},
    },
    "trainer": {"maxEpochs": 2, "tailEpochs": 1, "data": {"limit": 400}},
    "server": {"token": {"existingSecret": "digits-token"}},
}
TOKEN = "a-token"


class Pods:
    """The chart's pods, with folders of this machine in place of mounts and its Python in place of the image's."""

    def __init__(self, folder: Path) -> None:
        self.objects = render(QUICKSTART, values=SMALL)
        self.folder = folder
        self.port = free_port()
        self.places = {"/store": str(folder / "store"), "/etc/atelier": str(folder / "config"), "=::": "=127.0.0.1"}
        self.experiment = only(self.objects, "Experiment")
        for name in ("store", "config"):
            (folder / name).mkdir()
        config = only(self.objects, "ConfigMap", self.experiment["metadata"]["name"])
        (folder / "config" / "token").write_text(TOKEN)  # where a Secret's key would be
        (folder / "config" / "spec.json").write_text(config["data"]["spec.json"])
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "KUBECONFIG": os.devnull,
        }

    def command(self, container: dict[str, Any], **more: str) -> list[str]:
        words = [*container["command"], *container["args"]]
        for place, here in (self.places | more).items():
            words = [word.replace(place, here) for word in words]
        return words

    def run(self, container: dict[str, Any], **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(container, **more),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def trial(self, name: str, values: dict[str, str]) -> str:
        """What a trial prints, run as Katib's webhook rewrites its container: the words joined, through a shell."""
        (container,) = self.experiment["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"]
        text = " ".join(self.command(container))
        for parameter, value in (values | {"trialName": name}).items():
            text = text.replace(f"${{trialParameters.{parameter}}}", value)
        log = self.folder / f"{name}.log"
        script = f"{text} 1>{log} 2>&1 && echo completed >{log}.pid"
        subprocess.run(["sh", "-c", script], env=self.environment, timeout=120, check=True)
        assert Path(f"{log}.pid").read_text() == "completed\n"
        return log.read_text()

    def extractor(self, name: str) -> dict[str, Any]:
        (job,) = [one for one in self.objects if one["kind"] == "Job"]
        pod = job["spec"]["template"]["spec"]
        return next(one for one in [*pod["initContainers"], *pod["containers"]] if one["name"] == name)


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Pods:
    return Pods(tmp_path_factory.mktemp("pods"))


@pytest.fixture(scope="module")
def logs(pods: Pods) -> list[str]:
    """Both trials' output, the first and the last value of every parameter."""
    space = {p["name"]: p["feasibleSpace"] for p in pods.experiment["spec"]["parameters"]}
    ends = [
        {name: s["list"][end] if "list" in s else s["min" if end == 0 else "max"] for name, s in space.items()}
        for end in (0, -1)
    ]
    return [pods.trial(f"trial-{index}", values) for index, values in enumerate(ends)]


def test_katibs_collector_finds_one_finite_value_a_line(pods: Pods, logs: list[str]) -> None:
    """With the collector's default filter and metric names; its prefilter looks for the names in lines."""
    wanted = ["val_accuracy", "val_loss"]
    for log in logs:
        found = []
        for line in log.splitlines():
            if any(name in line for name in wanted):
                stamp, _, rest = line.partition(" ")
                matches = re.findall(r"([\w|-]+)\s*=\s*([+-]?\d*(?:\.\d+)?(?:[Ee][+-]?\d+)?)", rest)
                found += [(stamp, name, float(value)) for name, value in matches if name in wanted]
        assert [name for _, name, _ in found] == wanted * 2
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp) for stamp, _, _ in found)


def test_the_store_calls_the_experiment_as_katib_does(pods: Pods, logs: list[str]) -> None:
    name = pods.experiment["metadata"]["name"]
    assert [path.name for path in (pods.folder / "store" / "experiments").iterdir()] == [name]


def test_the_tail_of_the_best_is_trained_and_found_trained_again(pods: Pods, logs: list[str]) -> None:
    first, second = (pods.run(pods.extractor("finish")) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert second.returncode == 0, second.stderr
    assert first.stdout
    assert "nothing to do" in second.stderr


@pytest.fixture(scope="module")
def server(pods: Pods, logs: list[str]) -> Iterator[httpx.Client]:
    """The Deployment's server, started while no model is promoted; its probes come without the token."""
    (container,) = only(pods.objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    ports = {"--port=8000": f"--port={pods.port}", "--metrics-port=9090": f"--metrics-port={free_port()}"}
    with (pods.folder / "server.log").open("wb") as log:
        process = subprocess.Popen(pods.command(container, **ports), env=pods.environment, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{pods.port}", timeout=30) as client:
            eventually(lambda: answers(client, container["readinessProbe"]["httpGet"]["path"]), 30)
            assert answers(client, container["livenessProbe"]["httpGet"]["path"])
            assert client.get("/model").status_code == 401
            client.headers["Authorization"] = f"Bearer {TOKEN}"
            yield client
    finally:
        process.terminate()
        assert process.wait(30) == 0


def answers(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False


def test_what_the_extractor_promotes_is_served_and_passes_helms_test(pods: Pods, server: httpx.Client) -> None:
    check = only(pods.objects, "Pod")["spec"]["containers"][0]
    url = next(word for word in check["args"] if word.startswith("--url="))
    here = {url: f"--url=http://127.0.0.1:{pods.port}"}
    before = pods.run(check, **here)
    assert before.returncode == 0, before.stderr
    assert "no model is promoted yet" in before.stderr

    promoted = pods.run(pods.extractor("promote"))
    assert promoted.returncode == 0, promoted.stderr
    eventually(lambda: answers(server, "/model"), 30)
    search = json.loads((pods.folder / "store" / "models" / "digits" / "search.json").read_text())
    assert (search["state"], search["experiment"]) == ("promoted", pods.experiment["metadata"]["name"])

    after = pods.run(check, **here)
    assert after.returncode == 0, after.stderr
    assert "64 reference inputs give their reference outputs" in after.stderr


def test_without_a_cluster_waiting_says_so(pods: Pods) -> None:
    waited = pods.run(pods.extractor("wait"), **{"--timeout=86370": "--timeout=5"})
    assert waited.returncode == 1
    assert "no access to a cluster" in waited.stderr
