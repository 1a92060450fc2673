"""What Helm prints after an installation: commands that work, names that exist, and what is off or missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.chart.commands import helm, lacking, lines, seconds
from tests.chart.rendering import API_VERSIONS, HELMS, PROFILES, by_kind, notes, only, render, with_all

pytestmark = pytest.mark.process

QUICKSTART, EVERYTHING = (next(path for path in PROFILES if path.stem == name) for name in ("quickstart", "everything"))
MODES = ["job", "hook", "cronjob", "none"]
WITHOUT_OPERATOR = tuple(api for api in API_VERSIONS if "monitoring.coreos.com" not in api)
LONG = "a" + "b" * 52
each_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
each_mode = pytest.mark.parametrize("mode", MODES)


def part(text: str, heading: str) -> list[str]:
    """The lines below a heading, up to the next empty one."""
    found = re.search(rf"^{heading}\b.*\n((?:.+\n?)*)", text, re.MULTILINE)
    assert found, f"no {heading} in\n{text}"
    return [line.strip() for line in found[1].splitlines()]


def commands(text: str, program: str) -> list[str]:
    return [line for line in lines(text) if line.startswith(f"{program} ")]


# what is named


@each_mode
@each_profile
def test_every_kubectl_line_names_what_is_installed(profile: Path, mode: str) -> None:
    shown, installed = commands(notes(profile, **with_all(mode)), "kubectl"), render(profile, **with_all(mode))
    assert len(shown) > 8
    assert [missing for line in shown for missing in lacking(line, installed)] == []
    assert {re.sub(r"^.*?-n (\S+).*$", r"\1", line) for line in shown if " label namespace " not in line} == {"atelier"}


@pytest.mark.parametrize(
    "given", [{"release": LONG}, {"set": ["fullnameOverride=mine"]}, {"set": ["storage.existingClaim=shared"]}], ids=str
)
@each_mode
def test_names_are_right_whatever_they_are_made_of(given: dict[str, Any], mode: str) -> None:
    arguments = given | {
        "set": [*given.get("set", []), f"extractor.mode={mode}", "inspector.enabled=true", "experiment.name="]
    }
    installed = render(QUICKSTART, **arguments)
    shown = commands(notes(QUICKSTART, **arguments), "kubectl")
    assert [missing for line in shown for missing in lacking(line, installed)] == []


@each_mode
@each_profile
def test_every_helm_line_is_understood_by_both_helms(profile: Path, mode: str) -> None:
    shown = commands(notes(profile, **with_all(mode)), "helm")
    assert [line.split()[1] for line in shown] == ["upgrade"] * (mode == "hook") + ["test"]
    for found in [helm(line, binary) for line in shown for binary in HELMS]:
        assert found.arguments[0] == "digits"
        assert found.options["--namespace"] == ["atelier"]


@pytest.mark.parametrize("profile", [QUICKSTART, EVERYTHING], ids=lambda path: path.stem)
def test_both_helms_print_the_same(profile: Path) -> None:
    assert notes(profile, helm="helm") == notes(profile, helm="helm3")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("policy=neverWorse", "A winner that is worse than what is served, or cannot be compared with it, becomes a"),
        ("policy=always", "Every winner is served"),
        ("policy=candidate", "Every winner becomes a version and waits for a person."),
        ("policy=none", "No winner is promoted"),
        ("version=1e23c7bda11f", "Version 1e23c7bda11f is served, as promotion.version says"),
    ],
)
def test_the_notes_say_what_becomes_of_a_winner_and_how_another_version_is_served(given: str, told: str) -> None:
    lines_below = part(notes(QUICKSTART, set=[f"promotion.{given}"]), "PROMOTION")
    assert any(line.startswith(told) for line in lines_below)
    assert any(line.endswith("cat /store/models/digits/search.json") for line in lines_below)
    assert any(line.endswith("promotion.version=VERSION") for line in lines_below)


def test_an_upgrade_says_that_earlier_searches_are_kept() -> None:
    installed, upgraded = notes(QUICKSTART), notes(QUICKSTART, is_upgrade=True)
    assert "installed as digits in atelier" in installed and "upgraded as digits in atelier" in upgraded
    assert "Earlier ones are kept" in upgraded and "Earlier ones are kept" not in installed
    assert set(commands(installed, "kubectl")) < set(commands(upgraded, "kubectl"))


# the search


@each_profile
def test_the_search_is_told_as_it_runs(profile: Path) -> None:
    text, experiment = notes(profile), only(render(profile), "Experiment")
    assert f"SEARCH  {experiment['metadata']['name']}\n" in text
    (said, *_) = part(text, "SEARCH")
    spec, objective = experiment["spec"], experiment["spec"]["objective"]
    assert said == (
        f"{spec['maxTrialCount']} trials, {spec['parallelTrialCount']} at a time, "
        f"{spec['algorithm']['algorithmName']}, "
        f"{objective['type']} {objective['objectiveMetricName']}"
    )


# promotion


@pytest.mark.parametrize("timeout", [60, 1800, 86400])
def test_helms_patience_is_longer_than_the_hooks(timeout: int) -> None:
    given = ["extractor.mode=hook", f"extractor.timeoutSeconds={timeout}"]
    (line,) = [line for line in commands(notes(QUICKSTART, set=given), "helm") if "--timeout" in line]
    assert seconds(helm(line).options["--timeout"][0]) > timeout
    assert only(render(QUICKSTART, set=given), "Job", "-extractor")["spec"]["activeDeadlineSeconds"] == timeout


@each_mode
def test_who_promotes_is_said(mode: str) -> None:
    text = notes(QUICKSTART, set=[f"extractor.mode={mode}", "extractor.schedule=1 2 * * *"])
    assert f"PROMOTION  {mode}\n" in text
    promotion = " ".join(part(text, "PROMOTION"))
    words = {
        "job": "trains what is left",
        "hook": "Helm waits",
        "cronjob": "1 2 * * *",
        "none": "nothing promotes",
    }
    assert {one for one, said in words.items() if said in promotion} == {mode}


# predictions


@each_profile
def test_predictions_are_a_forwarded_port_away(profile: Path) -> None:
    text, service = notes(profile, set=["server.service.port=8080"]), only(render(profile), "Service", "-server")
    (forward,) = [line for line in commands(text, "kubectl") if " port-forward " in line and " 8000:" in line]
    assert forward == f"kubectl -n atelier port-forward service/{service['metadata']['name']} 8000:8080"
    model = " ".join(part(text, "MODEL"))
    assert "curl http://127.0.0.1:8000/model" in model and "Try it:  http://127.0.0.1:8000/ " in model
    assert "503" in model


@pytest.mark.parametrize(
    "profile", [QUICKSTART, next(path for path in PROFILES if path.stem == "microk8s")], ids=lambda path: path.stem
)
def test_where_a_token_is_asked_for_every_request_shown_has_it(profile: Path) -> None:
    text = notes(profile, set=["server.token.existingSecret=digits-token", "server.token.key=bearer.token"])
    assert (
        "TOKEN=$(kubectl -n atelier get secret digits-token "
        "-o go-template='{{index .data \"bearer.token\" | base64decode}}')" in text
    )
    assert "the page asks for the token" in text and "/docs" not in text
    requests = [line.strip() for line in text.splitlines() if line.strip().startswith("curl ")]
    assert len(requests) == 2 and all(line.endswith('-H "Authorization: Bearer $TOKEN"') for line in requests)
    open_to_all = notes(profile)
    assert "TOKEN" not in open_to_all and "all endpoints: http://127.0.0.1:8000/docs" in open_to_all


def test_the_model_is_named_as_the_server_serves_it() -> None:
    for given in ([], ["server.model="], ["server.model=other"]):
        (name,) = re.findall(r"^MODEL  (.+)$", notes(QUICKSTART, set=given), re.MULTILINE)
        (container,) = only(render(QUICKSTART, set=given), "Deployment")["spec"]["template"]["spec"]["containers"]
        assert f"--model={name}" in container["args"]


@pytest.mark.parametrize(
    ("tls", "scheme"), [([], "http"), ([{"hosts": ["a.example.com"], "secretName": "a"}], "https")]
)
def test_an_address_outside_is_told(tls: list[Any], scheme: str) -> None:
    ingress = {"enabled": True, "hosts": ["a.example.com", "b.example.com"], "path": "/digits", "tls": tls}
    text = notes(QUICKSTART, values={"server": {"ingress": ingress}})
    assert [f"{scheme}://{host}/digits" in text for host in ("a.example.com", "b.example.com")] == [True, True]
    assert "Outside:" not in notes(QUICKSTART)


# what is off, and what is missing


def test_what_is_off_is_said_with_the_key_that_turns_it_on() -> None:
    off = part(notes(QUICKSTART), "OFF")
    assert len(off) == 7
    needed = {
        "server.ingress.enabled": "server.ingress.hosts[0]=a.example.com",
        "server.httpRoute.enabled": "server.httpRoute.parentRefs[0].name=a",
    }
    for line in off:
        keys = re.findall(r"([\w.]+)=true", line)
        assert keys, line
        for key in keys:
            given = [f"{key}=true", *([needed[key]] if key in needed else [])]
            assert line not in notes(QUICKSTART, set=given), key
            assert len(render(QUICKSTART, set=given)) > len(render(QUICKSTART)), key


def test_nothing_is_off_where_everything_is_on() -> None:
    assert part(notes(EVERYTHING), "OFF") == ["nothing"]


@pytest.mark.parametrize(
    ("mode", "said"), [("skipIfMissing", "it is left out"), ("alwaysRender", "it was rendered all the same")]
)
@pytest.mark.parametrize("kind", ["ServiceMonitor", "PrometheusRule"])
def test_kinds_that_the_cluster_does_not_know_are_said_to_be_missing(kind: str, mode: str, said: str) -> None:
    key = f"monitoring.{kind[0].lower()}{kind[1:]}.enabled=true"
    given: dict[str, Any] = {"set": [key, f"monitoring.renderMode={mode}"], "api_versions": WITHOUT_OPERATOR}
    assert part(notes(QUICKSTART, **given), "MISSING") == [
        f"the cluster has no monitoring.coreos.com/v1/{kind}: {said}"
    ]
    assert len(by_kind(render(QUICKSTART, **given), kind)) == (mode == "alwaysRender")


@each_profile
def test_nothing_is_missing_where_the_cluster_knows_all(profile: Path) -> None:
    assert "MISSING" not in notes(profile)


# looking inside, cleaning up


def test_the_inspectors_commands_are_there_while_it_is() -> None:
    text = notes(QUICKSTART, set=["inspector.enabled=true", "inspector.seconds=90"])
    shown = part(text, "INSPECTOR  for 90 seconds")
    assert [re.sub(r"^.*kubectl -n atelier (\w+).*$", r"\1", line) for line in shown] == ["get", "exec", "cp"]
    assert "INSPECTOR" not in notes(QUICKSTART)


def test_what_outlives_the_release_can_be_taken_away_and_a_claim_of_others_is_not_named() -> None:
    def deletions(**arguments: Any) -> list[str]:
        return [
            line.partition(" delete ")[2]
            for line in commands(notes(QUICKSTART, **arguments), "kubectl")
            if " delete " in line
        ]

    kept = "experiments,configmaps -l atelier/release=digits"
    hooks = "jobs,pods -l app.kubernetes.io/instance=digits"
    assert deletions() == [kept, hooks, "pvc digits-atelier-store"]
    assert deletions(set=["storage.existingClaim=shared"]) == [kept, hooks]
    annotated = [
        one
        for one in render(QUICKSTART)
        if (one["metadata"].get("annotations") or {}).get("helm.sh/resource-policy") == "keep"
    ]
    assert {one["kind"] for one in annotated} == {"Experiment", "ConfigMap", "PersistentVolumeClaim"}


def test_the_label_that_katib_asks_for_is_told() -> None:
    line = "kubectl label namespace team katib.kubeflow.org/metrics-collector-injection=enabled"
    assert line in commands(notes(QUICKSTART, namespace="team"), "kubectl")
