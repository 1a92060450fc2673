"""The chart does what the READMEs, the runbooks and Chart.yaml say, and every command that they show works."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.commands import Helm, helm, lacking, lines, seconds
from tests.chart.rendering import BARE, CHART, HELMS, by_kind, documents, only, refused, render, rendered
from tests.support import ROOT
from tools import chart_docs

pytestmark = pytest.mark.process

README = CHART / "README.md"
PAGES = [ROOT / "README.md", README]
RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
QUICKSTART = ROOT / "values" / "quickstart.yaml"
EVERYTHING = ROOT / "values" / "everything.yaml"
VALUES = (CHART / "values.yaml").read_text()
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
METADATA = yaml.safe_load((CHART / "Chart.yaml").read_text())
SHOWN = list(dict.fromkeys(line for page in PAGES for line in lines(page.read_text())))
HELM_LINES = [line for line in SHOWN if line.startswith("helm ")]
RENDERING = [line for line in HELM_LINES if line.split()[1] in ("install", "upgrade", "template")]


# what is said of values


def test_tables_and_descriptions_are_what_the_tool_writes() -> None:
    readme, schema = README.read_text(), deepcopy(SCHEMA)
    assert readme == chart_docs.written(readme, chart_docs.tables(chart_docs.describe(VALUES, schema))), (
        "make chart-docs"
    )
    assert schema == SCHEMA, "make chart-docs"


def test_the_tables_hold_every_default_once() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| `(.*)` \| .+ \| .+ \|$", README.read_text(), re.MULTILINE)
    assert len(rows) == len(dict(rows)) > 100
    defaults = yaml.safe_load(VALUES)
    for path, default in rows:
        assert json.loads(default) == reduce(lambda block, key: block[key], path.split("."), defaults), path


def test_a_key_without_a_comment_is_named() -> None:
    without = re.sub(r"(?m)^ +# .*\n(?= +existingClaim:)", "", VALUES)
    assert without != VALUES
    with pytest.raises(ValueError, match=r"no comment above storage\.existingClaim"):
        chart_docs.describe(without, deepcopy(SCHEMA))


# what is shown to be typed


def test_pages_show_how_to_install_watch_upgrade_roll_back_and_uninstall() -> None:
    assert {line.split()[1] for line in HELM_LINES} >= {
        "install",
        "upgrade",
        "rollback",
        "history",
        "uninstall",
        "test",
    }
    for page in PAGES:
        shown = page.read_text()
        assert "values/microk8s.yaml" in shown and re.search(
            r"^ +microk8s enable .*hostpath-storage", shown, re.MULTILINE
        )


@pytest.mark.parametrize("binary", HELMS)
@pytest.mark.parametrize("line", HELM_LINES)
def test_a_helm_line_shown_is_understood(line: str, binary: str) -> None:
    found = helm(line, binary)
    assert found.options["--namespace"]
    assert found.arguments[0] == "digits"
    assert [ROOT / one for one in found.arguments[1:] if "/" in one] == [CHART] * (line in RENDERING)


@pytest.mark.parametrize("binary", HELMS)
@pytest.mark.parametrize("line", RENDERING)
def test_a_helm_line_shown_renders(line: str, binary: str) -> None:
    """Keys that it sets and files that it reads are there: the schema refuses others."""
    found = helm(line, binary)
    assert by_kind(objects(found, binary), "Deployment")
    if "extractor.mode=hook" in found.options.get("--set", []):
        hook = only(objects(found, binary), "Job", "-extractor")
        assert seconds(found.options["--timeout"][0]) > hook["spec"]["activeDeadlineSeconds"]


def objects(found: Helm, binary: str = "helm") -> list[dict[str, Any]]:
    """What a line would install. A file that an earlier line writes holds the values of an existing release."""
    written = {helm(line).written_to for line in HELM_LINES}
    files = [QUICKSTART if one in written else ROOT / one for one in found.options["--values"]]
    (namespace,), release = found.options["--namespace"], found.arguments[0]
    return render(files, helm=binary, release=release, namespace=namespace, set=found.options.get("--set", ()))


@pytest.mark.parametrize("line", [line for line in SHOWN if line.startswith("kubectl ")])
def test_a_kubectl_line_shown_names_what_an_installation_has(line: str) -> None:
    assert lacking(line, render(QUICKSTART)) == []


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_a_runbooks_kubectl_lines_name_what_an_installation_has(page: Path) -> None:
    installed = render(QUICKSTART)
    stand_ins = {"NAMESPACE": "atelier", "RELEASE": "digits", "SERVER": only(installed, "Service")["metadata"]["name"]}
    stand_ins["EXPERIMENT"] = only(installed, "Experiment")["metadata"]["name"]
    text = reduce(lambda done, name: re.sub(rf"\b{name}\b", stand_ins[name], done), stand_ins, page.read_text())
    assert not [missing for line in lines(text) for missing in lacking(line, installed)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("kubectl -n atelier get pvc digits-store", "PersistentVolumeClaim/digits-store"),
        ("kubectl -n atelier get pods -l app.kubernetes.io/component=nobody", "Pod with"),
        ("kubectl -n atelier get trials -l katib.kubeflow.org/experiment=other", "Experiment/other"),
        ("kubectl -n atelier logs -f job/other", "Job/other"),
    ],
)
def test_a_name_that_is_not_there_would_be_noticed(line: str, said: str) -> None:
    (found,) = lacking(line, render(QUICKSTART))
    assert said in found


def test_a_flag_that_is_not_there_would_be_noticed() -> None:
    with pytest.raises(AssertionError, match="helm upgrade has no --wait-long"):
        helm("helm upgrade digits charts/katib-nas-atelier --wait-long 3s")
    with pytest.raises(AssertionError, match="--al"):
        lacking("kubectl get pods --al", render(QUICKSTART))


def test_the_lines_for_an_upgrade_do_what_is_said_of_them() -> None:
    """One starts another Experiment, the other goes on with the same."""
    other_space, more_trials = (
        next(helm(line) for line in RENDERING if key in line) for key in ("parameters[0]", "maxTrialCount")
    )
    before = only(render(QUICKSTART), "Experiment")
    other, same = only(objects(other_space), "Experiment"), only(objects(more_trials), "Experiment")
    assert other["metadata"]["name"] != before["metadata"]["name"]
    assert other["spec"]["parameters"][0]["feasibleSpace"]["list"] == ["16", "24"]
    assert same["metadata"]["name"] == before["metadata"]["name"]
    assert same["spec"]["maxTrialCount"] > before["spec"]["maxTrialCount"]


@pytest.mark.parametrize("binary", HELMS)
def test_the_line_for_serving_alone_needs_no_katib(binary: str) -> None:
    (line,) = [line for line in RENDERING if "experiment.enabled=false" in line]
    found = helm(line, binary)
    shown = render(QUICKSTART, helm=binary, namespace="serving", set=found.options["--set"], api_versions=BARE)
    assert {one["kind"] for one in shown} == {"Deployment", "Service", "ServiceAccount", "Pod"}
    (store,) = [
        one for one in only(shown, "Deployment")["spec"]["template"]["spec"]["volumes"] if one["name"] == "store"
    ]
    assert store["persistentVolumeClaim"] == {"claimName": "shared", "readOnly": True}


# what is said of the chart


def test_the_components_listed_hold_the_kinds_listed() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\w, ]+) \|", README.read_text().partition("## Requirements")[0], re.MULTILINE)
    listed = {
        folder: {kind for name, kinds in rows if name == folder for kind in re.split(", | or ", kinds)}
        for folder, _ in rows
    }
    found: dict[str, set[str]] = {}
    for mode in ("job", "cronjob"):
        for part in rendered(EVERYTHING, set=[f"extractor.mode={mode}"]).split("\n---\n"):
            folder = re.search(r"^# Source: .*/templates/(\w+)/", part, re.MULTILINE)
            assert folder
            found.setdefault(folder[1], set()).update(one["kind"] for one in documents(part))
    assert listed == found


def test_the_modes_and_versions_listed_are_those_there_are() -> None:
    said = README.read_text()
    assert (
        re.findall(
            r"^\| `(\w+)` \| .+ \| .+ \|$", said.partition("## Who promotes")[2].partition("\n## ")[0], re.MULTILINE
        )
        == (SCHEMA["properties"]["extractor"]["properties"]["mode"]["enum"])
    )
    for major, pins in (("4", "tools/go.mod"), ("3", "tools/helm3/go.mod")):
        version = re.search(rf"^\s*helm\.sh/helm/v{major} v(\d+\.\d+)\.", (ROOT / pins).read_text(), re.MULTILINE)
        assert version and re.search(rf"Helm .*\b{re.escape(version[1])}\b", said)
    (oldest,) = re.findall(r"^- Kubernetes ([\d.]+) or newer", said, re.MULTILINE)
    assert METADATA["kubeVersion"] == f">={oldest}.0-0"


# Chart.yaml


def annotation(name: str) -> list[dict[str, str]]:
    read: list[dict[str, str]] = yaml.safe_load(METADATA["annotations"][f"artifacthub.io/{name}"])
    return read


def test_the_images_announced_are_those_that_run() -> None:
    running = set(re.findall(r'^ +image: "(\S+)"$', rendered(QUICKSTART), re.MULTILINE))
    assert {one["image"] for one in annotation("images")} == running
    defaults = yaml.safe_load(VALUES)
    assert all(one["image"].startswith(defaults[one["name"]]["image"]["repository"]) for one in annotation("images"))


def test_changes_and_links_are_as_artifact_hub_reads_them() -> None:
    assert {one["kind"] for one in annotation("changes")} <= {
        "added",
        "changed",
        "deprecated",
        "removed",
        "fixed",
        "security",
    }
    for one in annotation("links"):
        base, _, page = one["url"].partition("/blob/main/")
        assert base == METADATA["home"] and (ROOT / page).exists(), one


def test_a_cluster_that_is_too_old_is_refused() -> None:
    assert render(EVERYTHING, kube_version="1.31.0")
    assert "requires kubeVersion: >=1.31.0-0" in refused(EVERYTHING, kube_version="1.30.9")
