"""What templates may not do, and that the harness shows what Helm does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.chart import programs
from tests.chart.rendering import CHART, HELMS, documents, notes, refused, render

TEMPLATES = sorted(path for path in (CHART / "templates").rglob("*") if path.is_file())
ACTION = re.compile(r"\{\{-?\s*(?!/\*)(.*?)\}\}", re.DOTALL)
FLEETING = {
    "lookup": "is empty without a cluster, so that Argo CD and helm template would render something else",
    "now": "is another value at every rendering",
    "randAlpha": "is another value at every rendering",
    "randAlphaNum": "is another value at every rendering",
    "randNumeric": "is another value at every rendering",
    "uuidv4": "is another value at every rendering",
    "genCA": "is another value at every rendering",
    "genPrivateKey": "is another value at every rendering",
    "genSelfSignedCert": "is another value at every rendering",
    "Release.Revision": "is 1 in Argo CD and helm template for ever",
}
ALLOWED = {"lookup": {"_names.tpl", "experiment.yaml"}}
"""What is there keeps its names and its trials' template; elsewhere fullnameOverride says it, or Katib refuses."""


def used(template: Path, name: str) -> list[str]:
    """The actions of a template that use a function or a field; comments do not count."""
    return [
        action.strip()
        for action in ACTION.findall(template.read_text())
        if re.search(rf"(?<![\w]){re.escape(name)}\b", action)
    ]


def test_there_are_templates() -> None:
    assert {"_names.tpl", "experiment.yaml", "NOTES.txt"} <= {path.name for path in TEMPLATES}


@pytest.mark.parametrize("name", FLEETING)
def test_what_is_rendered_depends_on_values_and_release_alone(name: str) -> None:
    found = {path.name: used(path, name) for path in TEMPLATES if used(path, name)}
    assert found.keys() <= ALLOWED.get(name, set()), f"{name} {FLEETING[name]}"


def test_a_release_is_named_in_names_only() -> None:
    shown = {"_names.tpl", "NOTES.txt"}  # a name is made in one, shown to people in the other
    assert {path.name for path in TEMPLATES if used(path, ".Release.Name")} <= shown


def test_use_is_found_and_comments_are_not(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(
        '{{/* no lookup here */}}\n{{- $found := lookup "v1" "Pod" "" "" }}\na: {{ .Values.lookups }}\n'
    )
    assert used(template, "lookup") == ['$found := lookup "v1" "Pod" "" ""']


# the harness


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A chart that shows what it is given."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("{apiVersion: v2, name: shown, version: 0.1.0}")
    (tmp_path / "values.yaml").write_text("{size: 1, wrong: false}")
    (tmp_path / "templates" / "shown.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\n"
        "metadata: {name: {{ .Release.Name }}-shown, namespace: {{ .Release.Namespace }}}\n"
        "data:\n  size: {{ .Values.size | quote }}\n  upgrade: {{ .Release.IsUpgrade | quote }}\n"
        '  katib: {{ .Capabilities.APIVersions.Has "kubeflow.org/v1beta1/Experiment" | quote }}\n'
        '{{ if .Values.wrong }}{{ fail "wrong is refused" }}{{ end }}\n'
    )
    (tmp_path / "templates" / "NOTES.txt").write_text("{{ .Release.Name }} has the size {{ .Values.size }}.\n")
    return tmp_path


@pytest.mark.process
@pytest.mark.parametrize("helm", HELMS)
def test_arguments_reach_helm(chart: Path, tmp_path: Path, helm: str) -> None:
    (shown,) = render(chart=chart, helm=helm)
    assert shown["metadata"] == {"name": "digits-shown", "namespace": "atelier"}
    assert shown["data"] == {"size": "1", "upgrade": "false", "katib": "true"}

    file = tmp_path / "profile.yaml"
    file.write_text("size: 2")
    (shown,) = render(file, chart=chart, helm=helm, release="other", is_upgrade=True, api_versions=())
    assert shown["metadata"]["name"] == "other-shown"
    assert shown["data"] == {"size": "2", "upgrade": "true", "katib": "false"}


@pytest.mark.process
@pytest.mark.parametrize("helm", HELMS)
def test_values_lie_over_files_and_set_over_both(chart: Path, tmp_path: Path, helm: str) -> None:
    file = tmp_path / "profile.yaml"
    file.write_text("size: 2")
    sizes = [
        one["data"]["size"]
        for more in ({}, {"set": ["size=4"]})
        for one in render(file, chart=chart, helm=helm, values={"size": 3}, **more)
    ]
    assert sizes == ["3", "4"]


@pytest.mark.process
@pytest.mark.parametrize("helm", HELMS)
def test_refusals_and_notes_are_those_of_helm(chart: Path, helm: str) -> None:
    assert "wrong is refused" in refused(chart=chart, helm=helm, set=["wrong=true"])
    assert notes(chart=chart, helm=helm, set=["size=5"]) == "digits has the size 5.\n"


@pytest.mark.parametrize("name", ["helm", "helm3", "ct", "promtool"])
def test_a_missing_program_fails_with_the_command_that_builds_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "BUILT", tmp_path)
    with pytest.raises(pytest.fail.Exception, match=f"^{name} is missing; this builds it: make tools$"):
        programs.program(name)


@pytest.mark.process
def test_a_file_that_changed_is_rendered_anew(chart: Path, tmp_path: Path) -> None:
    file = tmp_path / "profile.yaml"
    sizes = []
    for size in ("2", "33"):
        file.write_text(f"size: {size}")
        sizes.append(render(file, chart=chart)[0]["data"]["size"])
    assert sizes == ["2", "33"]


def test_text_is_read_as_go_reads_it() -> None:
    (read,) = documents(
        "a: 1e3\nb: 12345e67\nc: y\nd: 2020-01-02\ne: 12:30\nf: 08\ng: ~\nh: 'on'\ni: 0x10\n---\n# nothing\n"
    )
    assert read == {
        "a": 1000.0,
        "b": 12345e67,
        "c": True,
        "d": "2020-01-02",
        "e": "12:30",
        "f": 8.0,
        "g": None,
        "h": "on",
        "i": 16,
    }


def test_a_key_that_is_said_twice_is_an_error() -> None:
    with pytest.raises(AssertionError, match="line 2: a key is said twice"):
        documents("a: 1\nb: {c: 1, c: 2}\n")
