"""docs/serving.md: requests are answered as shown; its tables list every endpoint, status, metric and flag."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from atelier_cli.profile import load
from atelier_server import __main__ as server_command
from atelier_server.metrics.search import SearchMetrics
from atelier_store.layout import Store
from atelier_store.records import Card, Column, Search, TrialRecord

from tests.support import ROOT
from tests.support.onnx_bundles import publish
from tests.support.pages import SERVING, fenced, first, table
from tests.support.reader import Reader
from tests.support.server_process import eventually, serving
from tests.support.table_bundles import table_bundle

pytestmark = pytest.mark.process


@dataclass(frozen=True)
class Asked:
    """A shown curl line, and the answer shown below it, if there is one."""

    line: str
    answer: Any


def asked() -> list[Asked]:
    """Every curl line of docs/serving.md with its answer."""
    found = []
    for block in fenced(SERVING, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, rest = "", part.splitlines()
            while not line or line.count("'") % 2:
                line += rest.pop(0) + "\n"
            found.append(Asked(line.strip(), json.loads("\n".join(rest)) if rest else None))
    return found


TOKEN = "a-token"
PENGUIN = (
    Column(name="island", kind="category", levels=("Biscoe", "Dream", "Torgersen")),
    Column(name="bill_mm", kind="number"),
    Column(name="mass_g", kind="number"),
    Column(name="ringed", kind="category", levels=("false", "true")),
    Column(name="seen", kind="date"),
)
"""Columns of the table that the page shows."""


@pytest.fixture(scope="module")
def addresses(trained: Reader, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server for each port that the page speaks of; that of `rent` has nothing but the folder of models."""
    folder = tmp_path_factory.mktemp("serving")
    token, elsewhere, tables = folder / "token", Store(folder / "elsewhere"), Store(folder / "tables")
    publish(tables, table_bundle(columns=PENGUIN, labels=("Adelie", "Chinstrap", "Gentoo")), "penguins")
    token.write_text(TOKEN)
    shutil.copytree(trained.store.root / "models", elsewhere.root / "models")
    small = ("--max-body-mib", "1")
    with ExitStack() as servers:
        started = {
            "8000": serving(trained.store, "digits", *small),
            "8001": serving(elsewhere, "rent", *small),
            "8002": serving(Store(folder / "empty"), "rent", *small),
            "8003": serving(elsewhere, "rent", *small, "--token-file", str(token)),
            "8004": serving(tables, "penguins", *small),
        }
        yield {port: servers.enter_context(server).url for port, server in started.items()}


def curl(line: str, addresses: dict[str, str], folder: Path) -> httpx.Response:
    """What curl would send."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--json")
    parser.add_argument("--data-binary")
    parser.add_argument("-F", action="append", default=[])
    parser.add_argument("-H", action="append", default=[])
    options = parser.parse_args(shlex.split(line.replace("$TOKEN", TOKEN))[1:])
    port = first(r":(\d+)/", options.url)
    headers = dict(header.split(": ", 1) for header in options.H)
    content: Any = None
    if options.json:
        content, headers["Content-Type"] = options.json, "application/json"
    if options.data_binary:
        given = options.data_binary
        content = (folder / given[1:]).read_bytes() if given.startswith("@") else given
    files = [(n, (p, (folder / p).read_bytes())) for n, p in (form.split("=@") for form in options.F)]
    url = options.url.replace(f"http://127.0.0.1:{port}", addresses[port])
    return httpx.request(
        "POST" if content or files else "GET", url, headers=headers, content=content, files=files or None, verify=False
    )


@pytest.mark.parametrize("shown", asked(), ids=lambda shown: shown.line[:70])
def test_a_shown_request_is_answered_as_shown(shown: Asked, addresses: dict[str, str], trained: Reader) -> None:
    response = curl(shown.line, addresses, trained.folder)
    if shown.answer and "status" in shown.answer:
        assert response.status_code == shown.answer["status"]
        assert response.headers["content-type"] == "application/problem+json"
        assert json.loads(re.sub(r"/[^ ]+(?=/models/\w+/current)", "…", response.text)) == shown.answer
        return
    assert response.status_code == 200, response.text
    if shown.answer:
        assert shape(response.json()) == shape(shown.answer)


def shape(value: Any) -> Any:
    """A JSON value with every number and text replaced by its kind."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def test_endpoints_listed_are_those_that_are_there(addresses: dict[str, str]) -> None:
    listed = set()
    for endpoint, answers in table(SERVING, "endpoint", "answers"):
        method, path = endpoint.split()
        listed.add((method, path))
        if "/versions/{version}" in answers:
            listed.add((method, path.replace("{name}", "{name}/versions/{version}")))
    paths = httpx.get(f"{addresses['8001']}/openapi.json").json()["paths"]
    assert listed == {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert httpx.get(f"{addresses['8001']}/").status_code == httpx.get(f"{addresses['8001']}/docs").status_code == 200


def test_statuses_listed_are_answered_in_the_cases_listed(addresses: dict[str, str]) -> None:
    rent, none = addresses["8001"], addresses["8002"]
    picture = {"Content-Type": "image/png"}
    cases = {
        400: httpx.post(f"{rent}/predict", content="{"),
        404: httpx.get(f"{rent}/nothing"),
        405: httpx.get(f"{rent}/predict"),
        413: httpx.post(f"{rent}/predict", content=b"0" * (2**20 + 1)),
        415: httpx.post(f"{rent}/predict", content=b"x", headers=picture),
        422: httpx.post(f"{rent}/predict", json={"instances": []}),
        503: httpx.post(f"{none}/predict", json={"instances": [[1, 2, 3]]}),
    }
    listed = {int(status) for status, _ in table(SERVING, "status", "when")}
    elsewhere = {
        401,
        408,
        429,
        431,
        504,
    }  # tests/server/test_limits.py and test_connections.py: other flags, other clients
    assert listed == cases.keys() | elsewhere | {500}
    for status, response in cases.items():
        assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert "POST" in cases[405].headers["allow"] and cases[503].headers["retry-after"]
    assert httpx.post(f"{rent}/v2/models/rent/infer", json={"inputs": []}).status_code == 400
    assert httpx.get(f"{none}/v2/health/ready").status_code == 200


def test_metrics_listed_are_those_exported(addresses: dict[str, str]) -> None:
    digits = addresses["8000"]
    httpx.post(f"{digits}/predict", json={"instances": [[[0] * 8] * 8]}).raise_for_status()
    text = httpx.get(f"{digits}/metrics").text
    exported = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    rows = {
        name: (kind, set(labels.split(", ")) - {""})
        for name, kind, labels, _ in table(SERVING, "metric", "type", "labels", "is")
    }
    assert {name: kind for name, (kind, _) in rows.items()} == exported
    for name, (_, labels) in rows.items():
        samples = re.findall(rf"^{name}(?:_bucket|_count|_sum)?(?:{{(.*)}})? ", text, re.MULTILINE)
        assert samples, name
        assert {label for sample in samples for label in re.findall(r'(\w+)="', sample)} - {"le"} == labels, name


def test_metrics_of_a_table_listed_are_those_exported(addresses: dict[str, str]) -> None:
    penguins = addresses["8004"]
    httpx.post(f"{penguins}/predict", json={"instances": [[None] * len(PENGUIN)]}).raise_for_status()
    for name, kind, labels, _ in table(SERVING, "metric of a table", "type", "labels", "is"):
        samples = eventually(partial(samples_of, penguins, name))
        assert {label for sample in samples for label in re.findall(r'(\w+)="', sample)} == set(labels.split(", "))
        assert kind == "counter"


def samples_of(address: str, name: str) -> list[str]:
    """The labels of a metric's samples."""
    return re.findall(rf"^{name}{{(.*)}} ", httpx.get(f"{address}/metrics").text, re.MULTILINE)


def test_metrics_of_a_search_listed_are_those_exported(tmp_path: Path) -> None:
    store, spec, key = Store(tmp_path), load(ROOT / "values" / "quickstart.yaml").spec, "0123456789abcdef"
    experiment, objective = store.experiment(spec.experiment_name), spec.experiment.objective.objective_metric_name
    spec.write(experiment.spec)
    TrialRecord(trial="a", params={}, key=key).write(experiment.trial("a"))
    Card(key=key, status="succeeded", metric=0.9, objective_metric_name=objective, updated_at="now").write(
        store.trial(key).card
    )
    Search(
        model="digits", experiment=spec.experiment_name, state="running", reason=None, katib=None, updated_at="now"
    ).write(store.model("digits").search)
    exported = {
        (family.name, family.type, frozenset(label for sample in family.samples for label in sample.labels))
        for family in SearchMetrics(store.model("digits")).collect()
    }
    rows = table(SERVING, "metric of the search", "type", "labels", "is")
    assert {(name, kind, frozenset(labels.split(", "))) for name, kind, labels, _ in rows} == exported


def test_flags_listed_are_those_of_the_server(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        server_command.main(["serve", "--help"])
    described = " ".join(capsys.readouterr().out.partition("options:")[2].split())
    defaults = dict.fromkeys(("--access-log", "--board-url", "--root-path", "--signed-by", "--token-file"), "off")
    flags = {}
    for part in re.split(r" (?=--[a-z])", described):
        if part.startswith("--"):
            flag, shown = part.split()[0], re.search(r"\(default: ([^,)]+)", part)
            flags[flag] = shown[1] if shown else defaults.get(flag, "required")
    listed = {flag: default for flag, default, _, _ in table(SERVING, "flag", "default", "value of the chart", "is")}
    assert listed == {flag: default for flag, default in flags.items() if flag != "--help"}
