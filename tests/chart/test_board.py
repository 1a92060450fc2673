"""The board reads the store, has no rights, and asks for the token that it is given."""

from __future__ import annotations

import pytest

from tests.chart.rendering import by_kind, only, render
from tests.support import ROOT

pytestmark = pytest.mark.process

QUICKSTART = ROOT / "values" / "quickstart.yaml"


def test_the_board_reads_the_store_with_a_token_from_a_secret_and_no_rights() -> None:
    values = {
        "global": {"imageRegistry": "registry.example"},
        "board": {"enabled": True, "token": {"existingSecret": "looks", "key": "it"}},
    }
    objects = render(QUICKSTART, values=values, set=["networkPolicy.enabled=true"])
    pod = only(objects, "Deployment", "-board")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"].startswith("registry.example/katib-nas-atelier/server:")
    assert {"--store=/store", "--cache=/tmp/index", "--token-file=/etc/atelier/token"} <= set(container["args"])
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["store"]["persistentVolumeClaim"]["readOnly"] is True
    assert volumes["token"]["secret"] == {"secretName": "looks", "items": [{"key": "it", "path": "token"}]}
    assert not [one for one in by_kind(objects, "RoleBinding") if "board" in str(one)]
    assert only(objects, "NetworkPolicy", "-board")["spec"]["egress"] == []


def test_it_is_there_only_if_it_is_wanted_and_the_servers_page_links_to_it() -> None:
    assert not [one for one in render(QUICKSTART) if "board" in one["metadata"]["name"]]
    objects = render(QUICKSTART, set=["board.enabled=true", "board.url=https://board.example/"])
    (container,) = only(objects, "Deployment", "-server")["spec"]["template"]["spec"]["containers"]
    assert "--board-url=https://board.example/" in container["args"]
    assert "--token-file=/etc/atelier/token" not in str(only(objects, "Deployment", "-board"))
