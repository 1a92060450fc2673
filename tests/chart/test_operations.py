"""Commands in docs/operations.md and docs/troubleshooting.md work, and change the chart's objects as the pages say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.commands import Helm, helm, lacking, lines
from tests.chart.rendering import CHART, HELMS, by_kind, only, render, rendered
from tests.chart.schemas import violations
from tests.support import ROOT

pytestmark = pytest.mark.process

OPERATIONS, TROUBLESHOOTING = (ROOT / "docs" / f"{name}.md" for name in ("operations", "troubleshooting"))
QUICKSTART = ROOT / "values" / "quickstart.yaml"
SHOWN = list(dict.fromkeys(line for page in (OPERATIONS, TROUBLESHOOTING) for line in lines(page.read_text())))
HELM_LINES = [line for line in SHOWN if line.startswith("helm ")]
RENDERING = [line for line in HELM_LINES if line.split()[1] in ("install", "upgrade")]
FILES = {
    name: text
    for _, name, text in re.findall(r"^```(\w+)\n# (\S+)\n(.*?)^```", OPERATIONS.read_text(), re.MULTILINE | re.DOTALL)
}
SOURCES = [
    path
    for folder in ("charts", "images", "packages")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".tpl")
]
OTHERS_SAY = {
    "failed quota: …: must specify limits.cpu": "Kubernetes",
    "maximum … usage per Container is …": "Kubernetes",
    "failed quota: … must specify limits.cpu for: …": "Kubernetes",
    "values don't meet the specifications of the schema(s)": "Helm",
    "additional properties 'USER-SUPPLIED VALUES' not allowed": "Helm",
    'no Experiment with the name "…" found': "Helm 3",
    'the namespace lacks label "katib.kubeflow.org/metrics-collector-injection: enabled"': "Katib",
    "must be greater than status.trials count": "Katib",
    "failed to find suggestion config for algorithm: atelier": "Katib",
    "Experiment can be restarted if it is in succeeded state by reaching max trials": "Katib",
    'failed calling webhook "….katib.kubeflow.org"': "Kubernetes",
    'failed calling webhook "mutator.pod.katib.kubeflow.org"': "Kubernetes",
    'violates PodSecurity "restricted:…"': "Kubernetes",
    'MountVolume.SetUp failed for volume "token" : …': "Kubernetes",
    'MountVolume.SetUp failed for volume "signed-by" : …': "Kubernetes",
    'MountVolume.SetUp failed for volume "sign" : …': "Kubernetes",
    "No space left on device": "Linux",
}
"""Messages that are not ours, and whose they are."""
KATIB = {"kind": "Deployment", "metadata": {"name": "katib-controller", "labels": {}}}


def given(name: str) -> list[dict[str, Any]]:
    """The objects of a file that is shown."""
    return list(yaml.safe_load_all(FILES[name]))


def objects(found: Helm, binary: str = "helm") -> list[dict[str, Any]]:
    """What a line would install; a file of values that an earlier line writes stands for those of the profile."""
    written = {helm(line).written_to for line in HELM_LINES}
    files = [QUICKSTART if one in written else ROOT / one for one in found.options["--values"]]
    set_, (namespace,) = found.options.get("--set", []), found.options["--namespace"]
    values = dict(one.split("=", 1) for one in found.options.get("--set-json", []))
    nested: dict[str, Any] = {}
    for path, value in values.items():
        place = nested
        *way, last = path.split(".")
        for step in way:
            place = place.setdefault(step, {})
        place[last] = json.loads(value)
    knows = {"api_versions": ()} if "experiment.enabled=false" in set_ else {}
    return render(files, helm=binary, namespace=namespace, set=set_, values=nested or None, **knows)


@pytest.mark.parametrize("binary", HELMS)
@pytest.mark.parametrize("line", HELM_LINES)
def test_a_helm_line_shown_is_understood_and_renders(line: str, binary: str) -> None:
    found = helm(line, binary)
    assert found.arguments[0] == "digits" and found.options["--namespace"]
    if line in RENDERING:
        assert ROOT / found.arguments[1] == CHART
        assert by_kind(objects(found, binary), "Deployment")


@pytest.mark.parametrize("line", [line for line in SHOWN if line.startswith("kubectl ")])
def test_a_kubectl_line_shown_names_what_is_there(line: str) -> None:
    installed = render(QUICKSTART, set=["inspector.enabled=true"])
    shown = [one for name in FILES if name.endswith(".yaml") for one in given(name)]
    there = [*installed, KATIB, *({**one, "metadata": {"labels": {}, **one["metadata"]}} for one in shown)]
    assert lacking(line.replace("EXPERIMENT", only(installed, "Experiment")["metadata"]["name"]), there) == []
    assert not [file for file in re.findall(r"-f (\S+)| < (\S+\.py)", line) if not {*file} & FILES.keys()]


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".yaml")])
def test_objects_shown_are_accepted(name: str) -> None:
    for one in given(name):
        assert (
            one["kind"] == "VolumeSnapshot" or violations(one) == []
        )  # its kind comes with a driver: no schema of it is here


def test_a_restored_claim_of_the_same_name_is_the_same_search() -> None:
    claim = only(render(QUICKSTART), "PersistentVolumeClaim")["metadata"]["name"]
    (restored,) = given("restored.yaml")
    assert restored["metadata"]["name"] == claim
    name = only(render(QUICKSTART), "Experiment")["metadata"]["name"]
    named = [
        f"storage.existingClaim={claim}",
        "storage.accessMode=ReadWriteMany",
        "inspector.enabled=true",
        "storage.existingClaim=other",
    ]
    assert [only(render(QUICKSTART, set=[one]), "Experiment")["metadata"]["name"] == name for one in named] == [
        True,
        True,
        True,
        False,
    ]


def test_the_pod_that_writes_is_who_the_releases_pods_are() -> None:
    (writer,) = given("writer.yaml")
    server = only(render(QUICKSTART), "Deployment")["spec"]["template"]["spec"]
    theirs = {key: value for key, value in server["securityContext"].items() if key != "fsGroupChangePolicy"}
    assert writer["spec"]["securityContext"] == theirs
    assert writer["spec"]["containers"][0]["image"] == server["containers"][0]["image"]
    assert writer["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] == "digits-atelier-store"


def test_a_release_that_serves_apart_has_nothing_of_katib() -> None:
    apart = [helm(line) for line in RENDERING if "-n serving" in line]
    assert len(apart) == 2
    for found in apart:
        assert {one["kind"] for one in objects(found)} <= {
            "Deployment",
            "Service",
            "ServiceAccount",
            "PersistentVolumeClaim",
            "Pod",
        }
    assert {one["metadata"]["name"] for one in given("shared.yaml")} >= {"shared"}


def test_unused_names_what_nobody_names(tmp_path: Path) -> None:
    facts = {
        "experiments/e/trials/t1.json": {"key": "a"},
        "experiments/e/trials/t2.json": {"key": None},
        "models/m/current.json": {"version": "v2"},
    }
    for name, fact in facts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(fact))
    for name in ("trials/a/model", "trials/b", "trials/a/.tmp-1", "models/m/versions/v1", "models/m/versions/v2"):
        (tmp_path / name).mkdir(parents=True)
    script = FILES["unused.py"].replace('Path("/store")', f"Path({str(tmp_path)!r})")
    said = subprocess.run([sys.executable, "-"], input=script, capture_output=True, text=True, check=True).stdout
    assert [Path(line).relative_to(tmp_path).as_posix() for line in said.splitlines()] == [
        "models/m/versions/v1",
        "trials/a/.tmp-1",
        "trials/b",
    ]


def test_the_variable_shown_reaches_the_trials() -> None:
    (shown,) = re.findall(r"^```yaml\n(env:.*?)^```", OPERATIONS.read_text(), re.MULTILINE | re.DOTALL)
    trial = only(render(QUICKSTART, values=yaml.safe_load(shown)), "Experiment")["spec"]["trialTemplate"]["trialSpec"]
    names = {one["name"] for one in trial["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert "HTTPS_PROXY" in names


def test_sizes_listed_are_the_defaults() -> None:
    rows = dict(
        re.findall(
            r"^\| ([\w' ,]+?) \| ([\w ,]+?) \| .* \|$", OPERATIONS.read_text().partition("## Sizes")[2], re.MULTILINE
        )
    )
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    for row, part in (("server", "server"), ("trial", "trainer"), ("extractor", "extractor")):
        said = {"cpu": rows[row].split(",")[0].replace(" cores", ""), "memory": rows[row].split(", ")[1]}
        assert said == defaults[part]["resources"]["requests"]


def messages() -> list[str]:
    """What is quoted in the first column of the tables of troubleshooting, where it is a sentence of a program."""
    cells = [
        row.split("|")[1]
        for row in TROUBLESHOOTING.read_text().splitlines()
        if row.startswith("| ") and "| seen" not in row
    ]
    return [
        found
        for cell in cells
        for found in re.findall(r"`([^`]+)`", cell)
        if len(found.split()) > 2 and not found.startswith(("helm", "kubectl"))
    ]


@pytest.mark.parametrize("message", messages())
def test_a_message_quoted_is_one_that_is_said(message: str) -> None:
    if message in OTHERS_SAY:
        return
    parts = [part.strip() for part in message.split("…") if len(part.strip()) > 3]
    assert parts
    wanted = re.compile(r"[^\n]*?".join(map(re.escape, parts)))
    assert any(wanted.search(path.read_text()) for path in SOURCES), message


def test_messages_of_others_are_quoted() -> None:
    assert OTHERS_SAY.keys() <= set(messages())


def test_what_helm_says_of_values_that_it_wrote_itself(tmp_path: Path) -> None:
    values = yaml.safe_load(QUICKSTART.read_text()) | {"USER-SUPPLIED VALUES": None}
    (tmp_path / "before.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(AssertionError, match="additional properties 'USER-SUPPLIED VALUES' not allowed"):
        rendered(tmp_path / "before.yaml")
