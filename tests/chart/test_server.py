"""The values under `server`: flags of the server, a token from a Secret, probes and metrics that need no token."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from atelier_server.__main__ import _parser
from atelier_store import machine

from tests.chart.rendering import CHART, by_kind, only, render
from tests.support import ROOT

pytestmark = pytest.mark.process

QUICKSTART = ROOT / "values" / "quickstart.yaml"
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())["server"]
CHANGED: dict[str, Any] = {
    "port": 8080,
    "metricsPort": 9191,
    "pollIntervalSeconds": 2.5,
    "graceSeconds": 60,
    "maxBodyMiB": 32,
    "deadlineSeconds": 0.5,
    "maxRequests": 100_000,
    "cacheMiB": 0,
    "workers": 4,
    "accessLog": True,
}
GUARDED = {"server": {"token": {"existingSecret": "digits-token", "key": "bearer.token"}}}


def container(**arguments: Any) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = only(render(QUICKSTART, **arguments), "Deployment")["spec"]["template"]["spec"]["containers"]
    return found


def understood(args: list[str]) -> dict[str, Any]:
    """The arguments as the server reads them."""
    return vars(_parser().parse_args(["serve", *args]))


def flag_of(key: str) -> str:
    """The name of a value is the name of its flag; times say their unit."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key.removesuffix("Seconds")).lower().replace("mi_b", "mib")


def test_every_value_reaches_the_flag_of_its_name() -> None:
    before, after = (understood(container(values=values)["args"]) for values in (None, {"server": CHANGED}))
    assert {name for name in before if before[name] != after[name]} == {flag_of(key) for key in CHANGED}
    for key, value in CHANGED.items():
        assert (before[flag_of(key)], after[flag_of(key)]) == (DEFAULTS[key], value), key


def test_the_server_takes_whatever_the_schema_lets_through() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["server"]["properties"]
    numbers = [key for key in CHANGED if key != "accessLog"]
    for key in numbers:
        for bound in ("minimum", "maximum"):
            flag = flag_of(key)
            argument = f"--{flag.replace('_', '-')}={schema[key][bound]}"
            assert understood(["--store=/store", "--model=digits", argument])[flag] == schema[key][bound], key


def test_a_pod_does_what_the_command_does_but_for_its_place_and_its_processes() -> None:
    """One process: a pod without a CPU limit would have one for each core of its node."""
    alone = understood(["--store=/store", "--model=digits"])
    in_pod = understood(container()["args"])
    assert {name for name in alone if alone[name] != in_pod[name]} - {"workers"} == {"host", "metrics_port"}
    assert (in_pod["workers"], alone["workers"]) == (1, machine.cores())


def test_the_page_about_serving_names_the_value_of_every_flag() -> None:
    rows = re.findall(
        r"^\| `(--[\w-]+)` \| [^|]+ \| (?:`server\.(\w+)`)? *\| [^|]+\|$",
        (ROOT / "docs" / "serving.md").read_text(),
        re.MULTILINE,
    )
    named = {flag.removeprefix("--").replace("-", "_"): key for flag, key in rows if key}
    assert named == {flag_of(key): key for key in CHANGED} | {
        "model": "model",
        "token_file": "token",
        "signed_by": "signedBy",
    }
    assert set(named.values()) <= DEFAULTS.keys()


# the token


def test_without_a_secret_there_is_no_token() -> None:
    objects = render(QUICKSTART)
    assert "token" not in str(only(objects, "Deployment")["spec"]["template"]["spec"]["volumes"])
    assert understood(container()["args"])["token_file"] is None


@pytest.mark.parametrize(("kind", "name"), [("Deployment", None), ("Pod", "-test")])
def test_server_and_test_read_the_token_from_the_secret_and_see_it_change(kind: str, name: str | None) -> None:
    one = only(render(QUICKSTART, values=GUARDED), kind, name)
    pod = one["spec"]["template"]["spec"] if kind == "Deployment" else one["spec"]
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "token"]
    assert volume["secret"] == {"secretName": "digits-token", "items": [{"key": "bearer.token", "path": "token"}]}
    (mount,) = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "token"]
    assert mount == {"name": "token", "mountPath": "/etc/atelier", "readOnly": True}, (
        "with a subPath it would never change"
    )
    assert f"--token-file={mount['mountPath']}/token" in pod["containers"][0]["args"]


def test_no_other_pod_has_the_token() -> None:
    objects = render(ROOT / "values" / "everything.yaml", values=GUARDED)
    having = {(one["kind"], one["metadata"]["name"]) for one in objects if "digits-token" in str(one)}
    assert having == {("Deployment", "digits-atelier-server"), ("Pod", "digits-atelier-test")}


def test_probes_and_prometheus_carry_no_token() -> None:
    """They need none: tests/server/test_limits.py."""
    objects = render(ROOT / "values" / "everything.yaml", values=GUARDED)
    (found,) = only(objects, "Deployment", "-server")["spec"]["template"]["spec"]["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert (
            found[probe]["httpGet"]["path"].startswith("/v2/health/") and "httpHeaders" not in found[probe]["httpGet"]
        )
    (endpoint,) = only(objects, "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["port"] == "metrics" and not {"authorization", "bearerTokenSecret"} & endpoint.keys()
    policy = next(
        one for one in by_kind(objects, "NetworkPolicy") if one["metadata"]["name"] == "digits-atelier-server"
    )
    (metrics,) = [rule for rule in policy["spec"]["ingress"] if rule["ports"] == [{"port": "metrics"}]]
    assert metrics["from"], "the port without a token is for those who scrape"
