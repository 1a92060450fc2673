"""An administrator registers the suggestion service once; katib-config is changed there and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from atelier_cli.doctor.cluster import connect
from atelier_cli.doctor.registration import CannotRegister, entry, image_of, make, plan, with_entry
from atelier_cli.profile import load

from tests.chart.rendering import by_kind, render
from tests.support import ROOT
from tests.support.clusters import CONFIG, ApiServer, examined, katib_config, named, wrong
from tests.support.searches import atelier

OURS = entry("registry.example.com/katib-nas-atelier/trainer:1")
UPSTREAM = """\
# Katib's own
init:
  controller:
    webhookPort: 8443
runtime:
  metricsCollectors:
    - kind: StdOut
      image: collector:v1
  suggestions:
    - algorithmName: random # by hyperopt
      image: hyperopt:v1
    - algorithmName: darts
      image: darts:v1
      args:
        - "--a"

  # stop early
  earlyStoppings:
    - algorithmName: medianstop
      image: medianstop:v1
"""
ATELIER = "experiment.algorithm.algorithmName=atelier"


def config(text: str, version: str = "7") -> dict[str, Any]:
    there = named("katib-config", data={"katib-config.yaml": text})
    there["metadata"] |= {"namespace": "kubeflow", "resourceVersion": version}
    return there


def suggestions(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(text)["runtime"]["suggestions"]
    return found


@pytest.mark.parametrize("text", [UPSTREAM, UPSTREAM.replace("    - ", "  - ").replace("      ", "    ")])
def test_only_the_lines_of_the_entry_change_and_it_can_be_taken_out_again(text: str) -> None:
    added = with_entry(text, OURS)
    assert suggestions(added) == [*suggestions(text), OURS]
    assert [line for line in text.splitlines() if line not in added.splitlines()] == []
    assert with_entry(added, OURS) == added
    newer = with_entry(added, OURS | {"image": "trainer:2"})
    assert len([line for line in newer.splitlines() if line not in added.splitlines()]) == 1
    assert with_entry(newer, None) == text == with_entry(text, None)


@pytest.mark.parametrize(
    "text",
    [
        "runtime: {suggestions: []}",
        "runtime:\n  suggestions:\n",
        "runtime: {}",
        "runtime:\n  suggestions: [{algorithmName: tpe}]",
    ],
)
def test_a_list_that_is_empty_or_in_one_line_takes_the_entry_too(text: str) -> None:
    assert suggestions(with_entry(text, OURS))[-1] == OURS


def test_the_entry_runs_where_pod_security_is_restricted() -> None:
    security = OURS["securityContext"]
    assert (security["runAsNonRoot"], security["readOnlyRootFilesystem"]) == (True, True)
    assert (security["allowPrivilegeEscalation"], security["capabilities"]) == (False, {"drop": ["ALL"]})
    assert "ports" not in OURS, "Katib adds its port itself and rejects another"


@pytest.mark.process
def test_the_image_is_that_of_the_profiles_trials(profile: Path) -> None:
    for sets in ((), ("global.imageRegistry=r.example.com",), ("trainer.image.digest=sha256:" + "0" * 64,)):
        (experiment,) = by_kind(render(profile, set=list(sets)), "Experiment")
        pod = experiment["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]
        assert image_of(load(profile, sets, laptop=False).values) == pod["containers"][0]["image"]


def register(kubeconfig: Path, *arguments: str) -> tuple[int, str]:
    done = atelier("katib", "register", "--kubeconfig", str(kubeconfig), *arguments)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.process
def test_the_command_shows_the_difference_registers_once_and_removes(api: ApiServer, kubeconfig: Path) -> None:
    api.objects[CONFIG] = config(UPSTREAM)
    code, said = register(kubeconfig, "--dry-run", "--image", "r.example.com/trainer:1")
    assert code == 0 and re.search(r"^\+    - algorithmName: atelier$", said, re.MULTILINE), said
    assert "Nothing was changed" in said and api.objects[CONFIG] == config(UPSTREAM)
    code, said = register(kubeconfig, "--image", "r.example.com/trainer:1")
    assert (
        code == 0 and "Registered: atelier, by r.example.com/trainer:1, in katib-config of namespace kubeflow" in said
    )
    assert suggestions(api.objects[CONFIG]["data"]["katib-config.yaml"])[-1]["image"] == "r.example.com/trainer:1"
    code, said = register(kubeconfig, "--image", "r.example.com/trainer:1")
    assert code == 0 and said.startswith("Nothing to change: "), said
    code, said = register(kubeconfig, "--remove")
    assert code == 0 and "Removed: atelier" in said
    assert api.objects[CONFIG]["data"]["katib-config.yaml"] == UPSTREAM


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        ([], UPSTREAM, "you may not change ConfigMap katib-config in namespace kubeflow; an administrator"),
        (["--namespace", "katib"], UPSTREAM, "no ConfigMap katib-config in namespace katib; --namespace says"),
        ([], "a: 1", "katib-config.yaml is not Katib's: KeyError: 'runtime'"),
        (["--remove", "--image", "a:1"], UPSTREAM, "--image a:1: is not needed with --remove"),
        (["--set", "a=1"], UPSTREAM, "--set a=1: there is no profile"),
    ],
)
def test_what_cannot_be_registered_is_refused_with_one_message(
    api: ApiServer, kubeconfig: Path, arguments: list[str], text: str, said: str
) -> None:
    api.objects[CONFIG] = config(text)
    api.denied = {"update configmaps"}
    code, printed = register(kubeconfig, *arguments)
    assert code == 2 and said in " ".join(printed.split()), printed
    assert api.objects[CONFIG] == config(text)


def test_a_change_by_somebody_else_in_between_is_not_undone(api: ApiServer, kubeconfig: Path) -> None:
    api.objects[CONFIG] = config(UPSTREAM)
    cluster = connect(kubeconfig, None, "kubeflow")
    change = plan(cluster, "kubeflow", OURS)
    api.objects[CONFIG] = config(UPSTREAM, version="8")
    with pytest.raises(CannotRegister, match="was changed meanwhile; run the command again"):
        make(cluster, change)


def test_the_doctor_asks_for_the_registration_where_the_profile_needs_it(
    api: ApiServer, kubeconfig: Path, profile: Path
) -> None:
    image = image_of(load(profile, (ATELIER,), laptop=False).values)
    command = f"atelier katib register --namespace kubeflow --image {image} --kubeconfig {kubeconfig}"
    (lacking,) = wrong(examined(kubeconfig, profile, ATELIER))
    assert (lacking.check, lacking.result, lacking.fix) == ("katib-config", "missing", command)
    assert "runtime.suggestions has no atelier" in lacking.message and "an administrator" in lacking.message
    api.objects[CONFIG] = katib_config(suggestions=[entry(f"docker.io/{image}")])
    assert wrong(examined(kubeconfig, profile, ATELIER)) == []
    api.objects[CONFIG] = katib_config(suggestions=[entry("trainer:0.0.1")])
    (other,) = wrong(examined(kubeconfig, profile, ATELIER))
    assert (other.check, other.result, other.fix) == ("katib-config", "warning", command)
    assert "atelier is trainer:0.0.1, and trials are " in other.message


def test_the_chart_and_the_command_have_one_default_image() -> None:
    assert image_of(load(ROOT / "values" / "quickstart.yaml", laptop=False).values).startswith(
        "katib-nas-atelier/trainer:"
    )
