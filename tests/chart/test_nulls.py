"""null is the default of its key, at any depth, on both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from atelier_cli.profile import load
from atelier_cli.profile.findings import at
from atelier_cli.profile.merging import lookup, with_value

from tests.chart.rendering import HELMS, only, render
from tests.chart.test_schema import DEFAULTS

pytestmark = pytest.mark.process

SAID: dict[str, Any] = {
    "experiment": {"parameters": [{"name": "se", "parameterType": "categorical", "feasibleSpace": {"list": [True]}}]},
    "trainer": {"data": {"source": "sklearn", "name": "digits"}},
    "board": {"enabled": True},
    "inspector": {"enabled": True},
    "networkPolicy": {"enabled": True},
    "quota": {"enabled": True, "hard": {"pods": 50}},
    "monitoring": {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}},
    "server": {
        "podDisruptionBudget": {"enabled": True},
        "ingress": {"enabled": True, "hosts": ["a.example"]},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}]},
    },
}
"""Values that turn on what can be turned on, so that a default that is not there shows."""
OWN_NULLS = {"runAsUser", "runAsGroup", "fsGroup", "requests", "limits", "labels", "global"}
"""Their null says: none."""


def nulls(defaults: Any, said: Any) -> Any:
    """null for every key that is not said, and for the keys within those that are."""
    if not (isinstance(defaults, dict) and defaults):
        return said
    said = said or {}
    return {key: nulls(value, said.get(key)) for key, value in defaults.items() if key not in OWN_NULLS}


@pytest.mark.parametrize("helm", HELMS)
def test_null_of_every_key_renders_what_its_default_does(helm: str) -> None:
    leaves = nulls(DEFAULTS, SAID)
    assert render(values=leaves, helm=helm) == render(values=SAID, helm=helm)


def test_null_of_every_block_renders_what_its_default_does() -> None:
    blocks = {block: None for block in DEFAULTS if block not in SAID and block != "global"}
    inner = {
        f"{block}.{key}": None
        for block in SAID
        for key in DEFAULTS[block]
        if key not in SAID[block] and isinstance(DEFAULTS[block][key], dict)
    }
    values = SAID | blocks
    for where in inner:
        values = with_value(values, at(where), None)
    assert inner
    assert render(values=values) == render(values=SAID)


def test_null_of_what_may_be_none_is_none() -> None:
    values = {
        "security": {"runAsUser": None, "fsGroup": None},
        "server": {"resources": {"limits": None, "requests": {"memory": None}}},
    }
    pod = only(render(values=SAID | values), "Deployment", "-server")["spec"]["template"]["spec"]
    assert "runAsUser" not in pod["securityContext"] and "fsGroup" not in pod["securityContext"]
    assert pod["securityContext"]["runAsGroup"] == 10001
    assert pod["containers"][0]["resources"] == {"requests": {"cpu": "250m"}}


def test_the_command_completes_what_null_takes_away(tmp_path: Path) -> None:
    file = tmp_path / "nulls.yaml"
    file.write_text(yaml.safe_dump(nulls(DEFAULTS, SAID)))
    values = load(file, laptop=False).values
    for where in ("server.port", "experiment.maxTrialCount", "trainer.resources", "extractor.pod.env"):
        assert lookup(values, at(where)) == lookup(DEFAULTS, at(where))


def test_null_of_a_part_of_a_parameter_is_no_such_part(tmp_path: Path) -> None:
    space = {"min": 1, "max": 2, "step": None, "distribution": None}
    said: dict[str, Any] = {
        "experiment": {"parameters": [{"name": "stage1_depth", "parameterType": "int", "feasibleSpace": space}]}
    }
    said |= {"trainer": {"data": {"source": "sklearn", "name": "digits"}}}
    file = tmp_path / "nulls.yaml"
    file.write_text(yaml.safe_dump(said))
    assert load(file).spec.experiment.parameters[0].feasible_space.step is None
    rendered = only(render(file), "Experiment")["spec"]["parameters"][0]["feasibleSpace"]
    assert rendered == {"min": "1", "max": "2", "distribution": "uniform"}
