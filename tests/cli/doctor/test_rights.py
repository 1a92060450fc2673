"""The rights that the doctor asks for are those that Helm needs for what the profile turns on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from atelier_cli.doctor.rights import AT_ONCE, GRANTED, rendered
from atelier_cli.profile import load

from tests.chart.rendering import PROFILES, by_kind, render
from tests.support.clusters import PROMETHEUS, ApiServer, examined, wrong

MODES = ["job", "hook", "cronjob", "none"]
OPTIONAL = {
    "inspector.enabled": "jobs",
    "monitoring.serviceMonitor.enabled": "servicemonitors",
    "monitoring.prometheusRule.enabled": "prometheusrules",
    "monitoring.dashboard.enabled": "configmaps",
    "quota.enabled": "limitranges",
    "server.ingress.enabled": "ingresses",
    "server.httpRoute.enabled": "httproutes",
    "server.autoscaling.enabled": "horizontalpodautoscalers",
    "server.podDisruptionBudget.enabled": "poddisruptionbudgets",
    "networkPolicy.enabled": "networkpolicies",
}
NEEDED = {"server.ingress.enabled": ["server.ingress.hosts=[a.example]"]}
NEEDED |= {"server.httpRoute.enabled": ["server.httpRoute.parentRefs=[{name: gateway}]"]}
NEEDED |= {"quota.enabled": ["quota.hard={pods: 10}"], "inspector.enabled": ["extractor.mode=none"]}
NEEDED |= {"monitoring.dashboard.enabled": ["experiment.enabled=false"]}


def resource(one: dict[str, Any]) -> str:
    """As kubectl names it: jobs.batch."""
    kind, (group, slash, _) = one["kind"].lower(), one["apiVersion"].partition("/")
    plural = kind[:-1] + "ies" if kind.endswith("y") else kind + ("es" if kind.endswith("s") else "s")
    return f"{plural}.{group}" if slash else plural


@pytest.mark.process
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_the_doctor_knows_every_resource_that_the_chart_creates(path: Path, mode: str) -> None:
    sets = [f"extractor.mode={mode}", f"inspector.enabled={str(mode == 'none').lower()}"]
    objects = [one for one in render(path, set=sets) if one["kind"] != "Pod"]  # that of helm test
    assert rendered(load(path, sets, laptop=False).values) == {resource(one) for one in objects}


@pytest.mark.process
def test_the_doctor_knows_every_right_that_the_extractor_is_given(profile: Path) -> None:
    (role,) = by_kind(render(profile), "Role")
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for plural in rule["resources"]:
                assert set(rule["verbs"]) <= set(GRANTED[f"{plural}.{group}" if group else plural])


@pytest.mark.parametrize("key", OPTIONAL)
def test_what_the_profile_turns_on_needs_its_rights_and_nothing_else_does(
    api: ApiServer, kubeconfig: Path, profile: Path, key: str
) -> None:
    needed = NEEDED.get(key, [])
    api.denied = {OPTIONAL[key]}
    assert wrong(examined(kubeconfig, profile, *needed)) == []
    (lacking,) = wrong(examined(kubeconfig, profile, *needed, f"{key}=true"))
    assert (lacking.check, lacking.result) == ("rights", "missing")
    assert f"you may not create, delete, get, patch {OPTIONAL[key]}" in lacking.message


def test_every_verb_that_lacks_is_named_with_the_role_that_grants_it(
    api: ApiServer, kubeconfig: Path, profile: Path
) -> None:
    api.denied = {"experiments", "roles", "patch services", "list secrets"}
    (lacking,) = wrong(examined(kubeconfig, profile))
    for named in (
        "create, delete, get, patch experiments.kubeflow.org, roles.rbac.authorization.k8s.io",
        "; list secrets",
        "; patch services",
        " in team",
    ):
        assert named in lacking.message
    verbs = "create,get,list,watch,update,patch,delete"
    assert re.search(f"-n team create role atelier --verb={verbs} --resource=.*experiments.kubeflow.org,", lacking.fix)
    assert lacking.fix.endswith("create rolebinding atelier --role=atelier --user=ada")


@pytest.mark.parametrize("denied", ["list events", "watch trials", "watch experiments"])
def test_nobody_may_give_the_extractor_what_they_do_not_have(
    api: ApiServer, kubeconfig: Path, profile: Path, denied: str
) -> None:
    api.denied = {denied, "escalate roles"}
    (lacking,) = wrong(examined(kubeconfig, profile))
    assert denied in lacking.message and "nobody may give what they have not" in lacking.message
    assert denied.split()[1] in lacking.fix
    assert wrong(examined(kubeconfig, profile, "extractor.mode=none")) == []
    api.denied = {denied}  # who may escalate and bind may give it all the same
    assert wrong(examined(kubeconfig, profile)) == []


def test_a_hook_has_to_be_watched(api: ApiServer, kubeconfig: Path, profile: Path) -> None:
    api.denied = {"watch jobs"}
    assert wrong(examined(kubeconfig, profile)) == []
    (lacking,) = wrong(examined(kubeconfig, profile, "extractor.mode=hook"))
    assert "you may not watch jobs.batch in team" in lacking.message


def test_what_is_left_out_needs_no_right(api: ApiServer, kubeconfig: Path, profile: Path) -> None:
    del api.objects[PROMETHEUS]
    api.denied = {"servicemonitors"}
    on = ("monitoring.serviceMonitor.enabled=true", "monitoring.renderMode=skipIfMissing")
    assert {diagnosis.check for diagnosis in wrong(examined(kubeconfig, profile, *on))} == {"monitoring"}


def test_an_existing_claim_needs_no_right_to_create_one(api: ApiServer, kubeconfig: Path, profile: Path) -> None:
    api.denied = {"persistentvolumeclaims"}
    assert wrong(examined(kubeconfig, profile, "storage.existingClaim=store")) == []
    assert [diagnosis.check for diagnosis in wrong(examined(kubeconfig, profile))] == ["rights"]


def test_without_a_profile_the_rights_are_those_of_the_charts_defaults(api: ApiServer, kubeconfig: Path) -> None:
    api.denied = {"jobs"}
    (lacking,) = wrong(examined(kubeconfig))
    assert "jobs.batch" in lacking.message
    api.denied = {"ingresses", "prometheusrules"}
    assert wrong(examined(kubeconfig)) == []


ASKS = """
import sys
from pathlib import Path
from atelier_cli.doctor.cluster import connect
from atelier_cli.doctor.rights import Right, lacking

sys.setswitchinterval(1e-6)
lacked = lacking(connect(Path(sys.argv[1]), None, None), {Right(f"kind{number}", "get") for number in range(40)})
print(len(lacked))
"""


@pytest.mark.process
def test_many_rights_are_asked_for_at_once_in_a_new_process(api: ApiServer, kubeconfig: Path) -> None:
    api.denied = {f"kind{number}" for number in range(40)}
    api.together = Barrier(AT_ONCE)
    done = subprocess.run([sys.executable, "-c", ASKS, str(kubeconfig)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "40\n"), done.stderr
