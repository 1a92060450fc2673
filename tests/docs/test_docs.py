"""README and docs/ are held against the code: what they list is what there is, what they show runs."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import typer
import yaml
from atelier_cli.__main__ import app
from atelier_cli.profile.facts import ALGORITHM_SETTINGS, METRICS
from atelier_cli.profile.load import load
from atelier_server import __main__ as server_command
from atelier_server.metrics.search import SearchMetrics
from atelier_server.promotion.search_record import write as write_search
from atelier_store.layout import Store
from atelier_store.records import Card, TrialRecord
from atelier_trial import data, identity, space
from atelier_trial.data.files import OPTIONAL, REQUIRED
from atelier_trial.data.sources import BUNDLED
from PIL import Image
from typer.testing import CliRunner

from tests.support import ROOT

PAGES = sorted(
    page for page in ROOT.rglob("*.md") if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
)
PROFILES, STORE, SERVING = (ROOT / "docs" / f"{name}.md" for name in ("profiles", "store", "serving"))
BENCHMARKS = ROOT / "benchmarks" / "README.md"
SMALL = " --set experiment.maxTrialCount=2 --set experiment.maxFailedTrialCount=0 --set trainer.maxEpochs=2"
DIGITS = """
experiment:
  maxTrialCount: 3
  earlyStopping: {algorithmSettings: [{name: min_epochs, value: 1}]}
  parameters:
    - {name: stage1_width, parameterType: discrete, feasibleSpace: {list: [8, 16]}}
    - {name: lr, parameterType: double, feasibleSpace: {min: 0.003, max: 0.02, distribution: logUniform}}
trainer:
  data: {source: sklearn, name: digits, limit: 300}
  maxEpochs: 3
"""


# reading the pages


def fenced(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def named(page: Path, language: str) -> dict[str, str]:
    """Blocks whose first line is a comment with their file's name."""
    return {re.match(r"# (\S+)\n", block)[1]: block for block in fenced(page, language)}


def table(page: Path, *header: str) -> list[list[str]]:
    """The rows of the table with this header; back ticks are dropped."""
    lines = iter(page.read_text().splitlines())
    wanted = [*header]
    for line in lines:
        if cells(line) == wanted:
            next(lines)
            rows = [cells(row) for row in iter(lambda: next(lines, ""), "")]
            assert rows and all(len(row) == len(wanted) for row in rows)
            return rows
    raise AssertionError(f"{page.name} has no table with the columns {wanted}")


def cells(line: str) -> list[str]:
    return [cell.strip().replace("`", "") for cell in line.strip("|").split("|")] if line.startswith("|") else []


def shown_commands() -> list[str]:
    """Every command line in an indented block, each once."""
    lines = [line.strip() for page in PAGES for line in page.read_text().splitlines() if line.startswith("    ")]
    return list(
        dict.fromkeys(
            line for line in lines if re.match(r"([A-Z]+=\S+ )*(uv run (?!python -m benchmarks)|make |atelier )", line)
        )
    )


def words_of(line: str) -> list[str]:
    """Its arguments, from the program on."""
    return [word for word in shlex.split(line, comments=True) if not re.match(r"[A-Z]+=", word)]


COMMANDS = shown_commands()
ON_A_STORE = [line for line in COMMANDS if re.match(r"uv run atelier (leaderboard|audit|promote|replay)\b", line)]


# links and commands


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    targets = [target for target in re.findall(r"\]\(([^)\s#]+)", page.read_text()) if "://" not in target]
    assert not [target for target in targets if not (page.parent / target).exists()]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_shown_command_line_is_understood(line: str) -> None:
    words = words_of(line)
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif words[:5] == ["uv", "run", "python", "-m", "atelier_server"]:
        server_command._parser().parse_args(words[5:])
    else:
        assert words[:3] == ["uv", "run", "atelier"]
        understand(words[3:])


def understand(arguments: list[str]) -> None:
    """Parse an `atelier` command line as it would be when it runs; click's UsageError if it is not understood."""
    group: Any = typer.main.get_command(app)
    name, command, rest = group.resolve_command(group.make_context("atelier", [], resilient_parsing=True), arguments)
    command.make_context(name, rest)


def test_a_command_with_an_unknown_option_would_be_noticed() -> None:
    with pytest.raises(Exception, match="No such option"):
        understand(["audit", "--stor", "x"])


def test_every_command_named_in_running_text_is_there() -> None:
    group: Any = typer.main.get_command(app)
    mentioned = {name for page in PAGES for name in re.findall(r"`atelier ([a-z]+)[^`]*`", page.read_text())}
    assert mentioned == set(group.commands)


def test_every_benchmark_is_in_its_readme_and_tells_how_it_is_used() -> None:
    programs = {file.stem for file in (ROOT / "benchmarks").glob("*.py") if "__main__" in file.read_text()}
    shown = set(re.findall(r"python -m benchmarks\.([\w.]+)", BENCHMARKS.read_text()))
    assert programs <= shown
    asked = [
        subprocess.Popen([sys.executable, "-m", f"benchmarks.{name}", "--help"], cwd=ROOT, stdout=subprocess.PIPE)
        for name in sorted(shown)
    ]
    assert all(b"usage" in process.communicate(timeout=60)[0] for process in asked)


# what the tables list


def test_the_search_space_listed_is_the_one_that_builders_accept() -> None:
    listed = table(PROFILES, "name", "for", "means", "a builder accepts", "default")
    for kind in ("images", "signals", "rows"):
        for task in ("classification", "regression"):
            expected = {n: (d.allowed, str(d.default).lower()) for n, d in space.domains(kind, task).items()}
            found: dict[str, tuple[str, str]] = {}
            for name, owners, _, accepted, default in listed:
                if {"all", kind, task} & set(owners.split(", ")):
                    found |= {one: (accepted, value) for one, value in each_stage(name, default)}
            assert found == expected, (kind, task)


def each_stage(name: str, default: str) -> Iterator[tuple[str, str]]:
    if "stageN" not in name:
        yield name, default
        return
    first, _, others = default.partition(" for stage 1, else ")
    for stage in range(1, space.STAGES + 1):
        yield name.replace("N", str(stage)), first if stage == 1 or not others else others


def test_the_profiles_listed_are_those_that_are_there() -> None:
    listed = [name for name, _, _ in table(PROFILES, "file in values/", "is for", "a cluster needs")]
    assert sorted(listed) == sorted(file.name for file in (ROOT / "values").iterdir())


def test_the_sources_listed_are_those_that_can_be_read() -> None:
    rows = {source: files for source, files, _ in table(PROFILES, "source", "files", "what they hold")}
    assert rows.keys() == REQUIRED.keys()
    for source, files in rows.items():
        expected = BUNDLED if source == "sklearn" else REQUIRED[source] + OPTIONAL[source]
        assert set(re.findall(r"\w+", files)) - {"none", "name", "is", "or"} == set(expected)


def test_the_metrics_listed_are_those_of_each_task() -> None:
    found: dict[str, dict[str, str]] = {}
    for task, metric, direction, _ in table(PROFILES, "task", "metric", "type", "is"):
        found.setdefault(task, {})[metric] = direction
    assert found == METRICS


def test_the_algorithms_listed_have_the_settings_listed() -> None:
    rows = table(PROFILES, "algorithm", "settings", "one machine", "good for")
    assert {name: set(s.split(", ")) - {"none"} for name, s, _, _ in rows} == {
        n: set(s) for n, s in ALGORITHM_SETTINGS.items()
    }


CHANGES: dict[str, Any] = {
    "experiment.maxTrialCount": 9,
    "experiment.parallelTrialCount": 2,
    "experiment.maxFailedTrialCount": 1,
    "trainer.maxEpochs": 50,
    "trainer.tailEpochs": 4,
    "server.port": 9000,
    "experiment.name": "other",
    "experiment.parameters": [
        {"name": "stage1_width", "parameterType": "discrete", "feasibleSpace": {"list": [16, 48]}}
    ],
    "experiment.algorithm.algorithmName": "random",
    "experiment.objective.goal": 1,
    "experiment.earlyStopping.algorithmName": "none",
    "trainer.budget.params": 10000,
    "trainer.seed": 1,
    "trainer.data.validationFraction": 0.3,
    "trainer.data.limit": 50,
}


def test_what_makes_another_search_and_what_trains_anew_is_as_listed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    rows = {
        key: (search, trained) for key, search, trained in table(PROFILES, "changed", "the search", "trained networks")
    }
    assert rows.keys() == CHANGES.keys()
    before = identities(folder, {})
    for key, (search, trained) in rows.items():
        name, trial = identities(folder, {key: CHANGES[key]})
        assert (name == before[0]) == (search == "goes on"), key
        assert (trial == before[1]) == trained.startswith("reused"), key


def identities(folder: Path, changes: dict[str, Any]) -> tuple[str, str]:
    """The experiment's name and the key of one trial, with some values of flats.yaml changed."""
    values = yaml.safe_load((folder / "flats.yaml").read_text())
    for key, value in changes.items():
        *way, last = key.split(".")
        place = values
        for step in way:
            place = place.setdefault(step, {})
        place[last] = value
    changed = folder / "changed" / "flats.yaml"
    changed.parent.mkdir(exist_ok=True)
    changed.write_text(yaml.safe_dump(values))
    spec = load(changed).spec
    description = data.prepare(spec.trainer.data, Store(folder / "scratch"), folder, None, spec.trainer.seed)
    return spec.experiment_name, identity.trial_config(spec, description, {"stage1_width": "16"}).key


# profiles


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader works: the profiles and the module shown, and the files that they name."""
    place = tmp_path_factory.mktemp("reader")
    for name, text in {**named(PROFILES, "yaml"), **named(PROFILES, "python")}.items():
        (place / name).write_text(text)
    (place / "digits.yaml").write_text(DIGITS)
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (28, 28), dtype=np.uint8)).save(place / "seven.png")
    (place / "data").mkdir()
    (place / "data" / "flats.csv").write_text("".join(f"{line}\n" for line in flats()))
    np.savez(place / "data" / "heartbeats.npz", x=random.normal(size=(40, 16)), y=np.arange(40) % 2)
    for part, count in (("train", 40), ("test", 20)):
        write_idx(place / "data" / f"{part}-images-idx3-ubyte.gz", random.integers(0, 256, (count, 8, 8)))
        write_idx(place / "data" / f"{part}-labels-idx1-ubyte.gz", np.arange(count) % 4)
    leaves = place / "data" / "leaves"
    for tree in ("oak", "elm"):
        (leaves / "train" / tree).mkdir(parents=True)
        for number in range(3):
            Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(
                leaves / "train" / tree / f"{number}.png"
            )
    with zipfile.ZipFile(leaves / "test.zip", "w") as archive:
        for picture in (leaves / "train").rglob("*.png"):
            archive.write(picture, picture.relative_to(leaves / "train"))
    return place


def flats() -> Iterator[str]:
    yield "area,rooms,floor,rent"
    for number in range(120):
        area, floor = 25 + number * 37 % 90, number * 7 % 6
        rooms = 1 + area // 28
        yield f"{area},{rooms},{floor},{200 + 9 * area + 40 * rooms + 12 * floor + number * 53 % 41}"


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


@pytest.mark.parametrize("name", [name for name, text in named(PROFILES, "yaml").items() if "network:" not in text])
def test_a_shown_profile_is_sound_and_its_data_can_be_prepared(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    spec = load(Path(name)).spec
    description = data.prepare(spec.trainer.data, Store(folder / "scratch"), folder, folder / "data", spec.trainer.seed)
    assert description.train_rows > 0 and description.test_rows > 0
    assert spec.trainer.data.kind in ("auto", description.kind)


# a store, used as the pages say


@dataclass(frozen=True)
class Place:
    """A folder with a store that the shown commands filled."""

    folder: Path

    @property
    def store(self) -> Store:
        return Store(self.folder / "store")

    def start(self, line: str) -> subprocess.Popen[str]:
        """A shown command line as a process in this folder."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= dict(word.split("=", 1) for word in shlex.split(line) if re.match(r"[A-Z]+=", word))
        command = [Path(sys.executable).with_name("atelier"), *words_of(line)[3:]]
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, line: str) -> str:
        """What a shown command line says when it is run in this folder, in this process: its imports are done."""
        with chdir(self.folder):
            done = CliRunner().invoke(app, words_of(line)[3:])
        assert done.exit_code == 0, done.output
        return done.output


@pytest.fixture(scope="module")
def place(folder: Path) -> Place:
    """Both CSV profiles searched as shown, at once, for two trials of two epochs; then digits; both promoted; and a backup."""
    there = Place(folder)
    shown = [line + SMALL for line in COMMANDS if " search -f flats" in line and "--set" not in line]
    assert len(shown) == 2
    for lines in (shown, ["uv run atelier search -f digits.yaml --store ./store"]):
        searches = [there.start(line) for line in lines]
        for search in searches:
            said = search.communicate(timeout=240)[0]
            assert search.returncode == 0, said
    (rent,) = (e.folder.name for e in there.store.experiments() if re.fullmatch(r"flats-[0-9a-f]{8}", e.folder.name))
    there.run(f"uv run atelier promote {rent} --model rent --store ./store")
    there.run("uv run atelier promote --model digits --store ./store")
    shutil.copytree(folder / "store", folder / "backup")
    return there


def test_profiles_shown_were_searched(place: Place) -> None:
    cards = {e.folder.name.rsplit("-", 1)[0]: len(list(e.trials.glob("*.json"))) for e in place.store.experiments()}
    assert cards == {"flats": 2, "flats-mlp": 2, "digits": 3}
    networks = [json.loads(trial.config.read_text())["params"] for trial in place.store.trials()]
    assert sum("hidden" in params for params in networks) == 2


@pytest.mark.parametrize("line", ON_A_STORE)
def test_a_shown_command_does_its_work_on_a_store(line: str, place: Place) -> None:
    key = next(trial.key for trial in place.store.trials() if trial.bundle.manifest.exists())
    said = place.run(re.sub(r"\b[0-9a-f]{16}\b", key, line))
    if " audit " in line:
        assert "7 trials, 3 experiments, 2 models hashed: 0 do not match" in said
    if " replay " in line:
        assert " 0 differ" in said


def test_every_subcommand_that_reads_a_store_is_shown() -> None:
    assert {words_of(line)[3] for line in ON_A_STORE} == {"leaderboard", "audit", "promote", "replay"}


STANDS_FOR = {
    "<key>": "[0-9a-f]{16}",
    "<digest>": "[0-9a-f]{16}",
    "<version>": "[0-9a-f]{12}",
    "<source>": "[0-9a-f]{64}",
    "<epoch>": r"\d+",
    "<experiment>": "[a-z0-9-]+-[0-9a-f]{8}",
    "<trial>": "trial-[0-9]{4}",
    "<model>": "[a-z0-9._-]+",
    "<file>": ".+",
}


def tree() -> dict[str, bool]:
    """Pattern of every file in docs/store.md, and whether it is always there."""
    found, above = {}, []
    for line in fenced(STORE, "")[0].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name, _, words = line.strip().partition(" ")
        above = [*above[:depth], (re.escape(name), words.strip().startswith("*"))]
        if not name.endswith("/"):
            pattern = "".join(step for step, _ in above)
            for stand_in, expression in STANDS_FOR.items():
                pattern = pattern.replace(re.escape(stand_in), expression)
            found[pattern] = not any(sometimes for _, sometimes in above)
    return found


def test_every_file_of_a_store_is_described_and_every_described_file_is_there(place: Place) -> None:
    described = tree()
    there = [path.relative_to(place.store.root).as_posix() for path in place.store.root.rglob("*") if path.is_file()]
    assert not [path for path in there if not any(re.fullmatch(pattern, path) for pattern in described)]
    always = [pattern for pattern, is_always in described.items() if is_always]
    assert len(always) > 20
    assert not [pattern for pattern in always if not any(re.fullmatch(pattern, path) for path in there)]
    assert any(re.fullmatch(pattern, path) for pattern in described if "rungs" in pattern for path in there)


# serving


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


@pytest.fixture(scope="module")
def addresses(place: Place) -> Iterator[dict[str, str]]:
    """A server for each port that the page speaks of; that of `rent` has nothing but the folder of models."""
    shutil.copytree(place.store.root / "models", place.folder / "elsewhere" / "models")
    with ExitStack() as servers:
        yield {
            "8000": servers.enter_context(serving(place.folder, "store", "digits")),
            "8001": servers.enter_context(serving(place.folder, "elsewhere", "rent")),
            "8002": servers.enter_context(serving(place.folder, "empty", "rent")),
            "8003": servers.enter_context(
                serving(place.folder, "elsewhere", "rent", "--token-file", str(token_file(place.folder)))
            ),
        }


TOKEN = "a-token"


def token_file(folder: Path) -> Path:
    (folder / "token").write_text(TOKEN)
    return folder / "token"


@contextmanager
def serving(folder: Path, store: str, model: str, *arguments: str) -> Iterator[str]:
    """The address of a real server process; ended afterwards."""
    log = folder / f"server-{store}{'-guarded' if arguments else ''}.log"
    command = [sys.executable, "-m", "atelier_server", "serve", "--store", str(folder / store), "--model", model]
    command += ["--port", "0", "--max-body-mib", "1", *arguments]
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r" on (http://\S+)", log.read_text())) or not lives(found[1]):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield found[1]
    finally:
        process.terminate()
        process.wait(timeout=30)


def lives(address: str) -> bool:
    try:
        return httpx.get(f"{address}/v2/health/live").status_code == 200
    except httpx.TransportError:
        return False


def curl(line: str, addresses: dict[str, str], folder: Path) -> httpx.Response:
    """What curl would send."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--json")
    parser.add_argument("--data-binary")
    parser.add_argument("-F", action="append", default=[])
    parser.add_argument("-H", action="append", default=[])
    options = parser.parse_args(shlex.split(line.replace("$TOKEN", TOKEN))[1:])
    port = re.search(r":(\d+)/", options.url)[1]
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
        "POST" if content or files else "GET", url, headers=headers, content=content, files=files or None
    )


@pytest.mark.parametrize("shown", asked(), ids=lambda shown: shown.line[:70])
def test_a_shown_request_is_answered_as_shown(shown: Asked, addresses: dict[str, str], place: Place) -> None:
    response = curl(shown.line, addresses, place.folder)
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


def test_metrics_of_a_search_listed_are_those_exported(tmp_path: Path) -> None:
    store, spec, key = Store(tmp_path), load(ROOT / "values" / "quickstart.yaml").spec, "0123456789abcdef"
    experiment, objective = store.experiment(spec.experiment_name), spec.experiment.objective.objective_metric_name
    spec.write(experiment.spec)
    TrialRecord(trial="a", params={}, key=key).write(experiment.trial("a"))
    Card(key=key, status="succeeded", metric=0.9, objective_metric_name=objective, updated_at="now").write(
        store.trial(key).card
    )
    write_search(store.model("digits"), spec.experiment_name, "running")
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
    flags = {
        part.split()[0]: re.search(r"\(default: ([^,)]+)", part)
        for part in re.split(r" (?=--[a-z])", described)
        if part[:2] == "--"
    }
    listed = {flag: default for flag, default, _, _ in table(SERVING, "flag", "default", "value of the chart", "is")}
    assert listed.keys() == flags.keys() - {"--help"}
    for flag, default in listed.items():
        assert default == (
            flags[flag][1] if flags[flag] else "off" if flag in ("--access-log", "--token-file") else "required"
        ), flag
