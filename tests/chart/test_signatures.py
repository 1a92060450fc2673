"""The private key reaches the containers that promote and no other; servers get public keys from all that are named."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart.rendering import only, render
from tests.support import ROOT

pytestmark = pytest.mark.process

EVERYTHING = ROOT / "values" / "everything.yaml"
QUICKSTART = ROOT / "values" / "quickstart.yaml"


def containers(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in [*pod.get("initContainers", []), *pod["containers"]]}


def test_only_what_promotes_has_the_private_key() -> None:
    sign = {"version": "1e23c7bda11f", "sign": {"existingSecret": "signing", "key": "mine.pem"}}
    (job,) = [one for one in render(QUICKSTART, values={"promotion": sign}) if one["kind"] == "Job"]
    pod = job["spec"]["template"]["spec"]
    (volume,) = [one for one in pod["volumes"] if one["name"] == "sign"]
    assert volume["secret"] == {"secretName": "signing", "items": [{"key": "mine.pem", "path": "key.pem"}]}
    found = containers(pod)
    assert found.keys() == {"choose", "wait", "finish", "promote"}  # finish runs networks of the user
    for name, container in found.items():
        has_key = any(mount["name"] == "sign" for mount in container["volumeMounts"])
        assert has_key == ("--sign=/etc/atelier-sign/key.pem" in container["args"]) == (name in ("choose", "promote"))


def test_servers_trust_the_keys_of_every_place_that_is_named() -> None:
    objects = render(EVERYTHING)
    pod = only(objects, "Deployment", "-server")["spec"]["template"]["spec"]
    assert "--signed-by=/etc/atelier-signed-by" in pod["containers"][0]["args"]
    (volume,) = [one for one in pod["volumes"] if one["name"] == "signed-by"]
    own, configmap, secret = volume["projected"]["sources"]
    assert only(objects, "ConfigMap", own["configMap"]["name"])["data"]["value.pub"].startswith("-----BEGIN PUBLIC KEY")
    assert configmap["configMap"]["name"] == "digits-reviewers" and secret["secret"]["name"] == "digits-team"
    assert configmap["configMap"]["items"] == [{"key": "public.pem", "path": "configmap.pub"}]
