"""What users and other programs see of the project, taken from the outside and made comparable.

`before/` holds it as it was at commit 16af5d3, and what was added on purpose since: how a promotion is decided and
undone (flags of `promote`, the command `versions`, decision.json, three fields of a line of history, two metrics). A
contract that is changed on purpose is taken again, from the root of the repository: `python -m tests.contracts.capture
openapi metrics flags keys store-listing`, or some of them. The store in `before/` was made by the old code, on the
processor that processor.json names; both stay as they are.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib
import io
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from atelier_store import clock
from atelier_store.layout import Store
from atelier_store.records import Card, DataDescription, Search, TrialRecord
from atelier_store.spec import Spec
from atelier_trial import identity
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from tests.support.onnx_bundles import (
    Bundle,
    image_bundle,
    publish,
    rows_bundle,
    signal_bundle,
    trained_on_its_inputs,
)
from tests.support.server_process import Server, serving

BEFORE = Path(__file__).parent / "before"
PROGRAMS = ("atelier_server", "atelier_trainer", "atelier_cli")
NETWORK = "contract_network"
"""Module of the own network in keys.json; its text is there, because its digest is in keys."""


def recorded(name: str) -> Any:
    """What before/ says under this name."""
    return json.loads((BEFORE / f"{name}.json").read_text())


def differences(before: Any, now: Any, *at: str) -> Iterator[str]:
    """A line for everything that is not as before. The last digits of a number may be another CPU's."""
    here = " > ".join(at)
    if isinstance(before, dict) and isinstance(now, dict):
        yield from (f"{' > '.join([*at, name])}: gone" for name in before.keys() - now.keys())
        yield from (f"{' > '.join([*at, name])}: new, {_short(now[name])}" for name in now.keys() - before.keys())
        for name in (name for name in before if name in now):
            yield from differences(before[name], now[name], *at, name)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for number, (old, new) in enumerate(zip(before, now, strict=True)):
            yield from differences(old, new, *at, str(number))
    elif isinstance(before, float) and isinstance(now, (int, float)):
        if not math.isclose(before, now, rel_tol=1e-4, abs_tol=1e-6):
            yield f"{here}: was {before}, is {now}"
    elif type(before) is not type(now) or before != now:
        yield f"{here}: was {_short(before)}, is {_short(now)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 300 else f"{text[:300]}…"


# the OpenAPI document

SERVED: dict[str, tuple[str, Callable[[], Bundle] | None]] = {
    "without-model": ("digits", None),
    "images": ("digits", image_bundle),
    "rows": ("house", rows_bundle),
    "signals": ("waves", signal_bundle),
}
"""Name of a document to the model's name, and what makes the bundle that is served under it."""


def openapi(served: str) -> Any:
    """The document of a real server of this bundle, comparable."""
    model, bundle = SERVED[served]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        version = publish(store, bundle(), model) if bundle else None
        with serving(store, model) as server:
            return comparable(server.client.get("/openapi.json").raise_for_status().json(), version)


def comparable(document: Any, version: str | None) -> Any:
    """The document without what another CPU or another release of Pillow would make different.

    The version is a digest of a bundle with computed answers in it; a picture is told by its pixels. Numbers in answers
    are for differences() to compare. Nothing else varies from run to run.
    """
    text = json.dumps(document)
    if version:
        text = text.replace(version, "<version>")
    return json.loads(re.sub(r"(?<=data:image/png;base64,)[A-Za-z0-9+/=]+", lambda found: _pixels(found[0]), text))


def _pixels(encoded: str) -> str:
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
        return f"<{picture.mode} {picture.size} {hashlib.sha256(picture.tobytes()).hexdigest()}>"


# the metrics

SPEC = {
    "experiment": {"name": "tests", "parameters": [], "maxTrialCount": 9, "maxFailedTrialCount": 0},
    "trainer": {"data": {"source": "sklearn", "name": "digits"}, "maxEpochs": 3},
}


def metrics(with_a_search: bool) -> Any:
    """Every family of /metrics, by name, after a prediction that was compared with the training set."""
    bundle = trained_on_its_inputs(image_bundle())
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        publish(store, bundle)
        if with_a_search:
            _search_for(store, "digits")
        with serving(store, "digits") as server:
            server.client.post("/predict", json={"instances": bundle.inputs[:2].tolist()}).raise_for_status()
            return families(server)


def _search_for(store: Store, model: str) -> None:
    """A search for this model that is under way, with a trial."""
    spec, key = Spec.model_validate(SPEC), "0" * 16
    experiment = store.experiment(spec.experiment_name)
    spec.write(experiment.spec)
    TrialRecord(trial="trial-0000", params={}, key=key).write(experiment.trial("trial-0000"))
    Card(
        key=key,
        status="running",
        objective_metric_name="val_accuracy",
        metric=0.5,
        updated_at=clock.now(),
    ).write(store.trial(key).card)
    Search(model=model, experiment=spec.experiment_name, state="running", updated_at=clock.now()).write(
        store.model(model).search
    )


def families(server: Server) -> Any:
    """Name to type, help, names of labels, and the bounds of a histogram's buckets."""
    found: dict[str, Any] = {}
    told = text_string_to_metric_families(server.client.get("/metrics").raise_for_status().text)
    for family in sorted(told, key=lambda family: family.name):
        labels = {label for sample in family.samples for label in sample.labels}
        bounds = {float(sample.labels["le"]) for sample in family.samples if "le" in sample.labels}
        found[family.name] = {
            "type": family.type,
            "help": family.documentation,
            "labels": sorted(labels),
            **({"buckets": [str(bound) for bound in sorted(bounds)]} if bounds else {}),
        }
    return found


# the flags

UNTOLD = {"--log-level": "info"}
"""Defaults that --help did not tell; it may now."""


def flags() -> Any:
    """What --help says of every program and its commands: flags with default and choices, arguments, commands.

    Works with the help of argparse, of click and of typer, so that a program can go from one to another.
    """
    found: dict[str, Any] = {}
    for program in PROGRAMS:
        found[program] = told(_help(program, "")[0])
        commands = found[program]["commands"]
        pages = _help(program, *commands) if commands else []
        found |= {f"{program} {name}": told(page) for name, page in zip(commands, pages, strict=True)}
    return found


EACH = """
import contextlib, runpy, sys
program, *commands = sys.argv[1:]
for command in commands:
    sys.argv = [program, *command.split(), "--help"]
    with contextlib.suppress(SystemExit):
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    print("\\f", end="")
"""
"""`python -m program command --help` for several commands in one process: the imports take seconds."""


def _help(program: str, *commands: str) -> list[str]:
    plain = os.environ | {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}
    words = [sys.executable, "-c", EACH, program, *commands]
    return subprocess.run(words, capture_output=True, text=True, check=True, env=plain).stdout.split("\f")[:-1]


def told(text: str) -> Any:
    """What a page of help says."""
    usage, sections = _sections(text)
    rows = [row for title, row in sections if title == "options"]
    entries = {name: _flag(name, row, usage) for row in rows for name in _names(row)}
    words = [(title, row, row.strip().lstrip("* ").split()[0]) for title, row in sections]
    arguments = [word for title, _, word in words if title.endswith("arguments") and word != "COMMAND"]
    nested = [word for title, row, word in words if title == "positional arguments" and row.startswith("    ")]
    commands = [word for title, _, word in words if title == "commands"] + nested
    return {
        "flags": dict(sorted(entries.items())),
        "arguments": sorted(word for word in arguments if word not in nested),
        "commands": sorted(commands),
    }


def _sections(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The usage, and every row of every section with the section's title; a row goes on where the next is indented."""
    lines = [re.sub(r"^│(.*)│$", r"\1", line).rstrip() for line in text.splitlines()]
    usage = re.search(r"usage: (.*?)\n\s*\n", "\n".join(lines) + "\n\n", re.DOTALL | re.IGNORECASE)
    title, rows = "", list[tuple[str, str]]()
    for line in lines:
        heading = re.match(r"╭─ (\w+) ─|([\w ]+):$", line)
        if heading:
            title = (heading[1] or heading[2]).lower()
        elif not line or line[0] in "╰╭" or not title:
            continue
        elif re.match(r" {1,4}\S|    *-", line):
            rows.append((title, line))
        elif rows:
            rows[-1] = (title, f"{rows[-1][1]}  {line.strip()}")
    return (usage[1] if usage else ""), rows


def _columns(row: str) -> list[str]:
    """The cells of a row: names in the first ones, then what it takes and means."""
    return [cell for cell in re.split(r" {2,}", row.strip()) if cell != "*"]


def _names(row: str) -> list[str]:
    """The flags that a row is about."""
    leading = [cell for cell in _columns(row) if cell.startswith("-")]
    return [name for cell in leading for name in re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", cell)]


def _flag(name: str, row: str, usage: str) -> Any:
    default = re.search(r"default: \(?([^,;)\]]+)", row)
    choices = re.search(r"\{([\w,-]+)\}", row) or re.search(r"[\[<]([\w-]+(?:\|[\w-]+)+)[\]>]", row)
    bounds = re.search(r"\[?(\S+<=?x<=?[^\s\],;]+)", row)
    last = [cell for cell in _columns(row) if not cell.startswith("-")][-1:]
    return {
        "default": default[1].strip() if default else UNTOLD.get(name),
        "choices": re.split(r"[,|]", choices[1]) if choices else None,
        "required": "[required]" in row or bool(re.search(rf"(?<![\[\w-]){name}(?![\w-])", usage)),
        **({"range": bounds[1].strip("[")} if bounds else {}),
        "help": re.sub(r" *[\[(](default: [^\])]*|required)[\])]+", "", last[0]) if last else "",
    }


# the keys of trials


def keys(text: str, cases: list[Any]) -> Any:
    """The own network's text and the cases, each with what its input comes to."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"{NETWORK}.py").write_text(text)
        importlib.invalidate_caches()
        sys.path.insert(0, folder)
        try:
            return {NETWORK: text, "cases": [{**case, "gives": _gives(case)} for case in cases]}
        finally:
            sys.path.remove(folder)
            sys.modules.pop(NETWORK, None)


def _gives(case: Any) -> Any:
    """The canonical configuration of a case, or of its tail; and what tells its search from others."""
    spec = Spec.model_validate(case["spec"])
    config = identity.trial_config(spec, DataDescription.model_validate(case["data"]), case["params"])
    if case["tail"]:
        config = identity.tail_config(config, case["tail"]["parentEpochs"], case["tail"]["tailEpochs"])
    return {
        "key": config.key,
        "config": config.model_dump(mode="json"),
        "searchDigest": spec.search_digest,
        "experimentName": spec.experiment_name,
    }


# the files of a store


def listing(store: Path) -> Any:
    """Every file's path, with digests and trials' numbers left out, to the fields of its JSON if it is that."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(path for path in store.rglob("*") if path.is_file()):
        name = re.sub(r"[0-9a-f]{12,}", "<digest>", str(path.relative_to(store)))
        found[re.sub(r"trial-\d{4}", "<trial>", name)] |= set(_fields_of(path))
    return {name: dict.fromkeys(sorted(fields)) for name, fields in found.items()}


def _fields_of(path: Path) -> Iterator[str]:
    """Paths of the values in a JSON or JSON lines file, without places in lists; names of the arrays in an .npz."""
    if path.suffix in (".json", ".jsonl"):
        lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
        for line in lines:
            yield from _paths(json.loads(line))
    elif path.suffix == ".npz":
        with np.load(path) as arrays:
            yield from arrays.files


def _paths(value: Any, at: str = "") -> Iterator[str]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _paths(inner, f"{at}.{name}" if at else name)
    elif isinstance(value, list):
        for inner in value or [None]:
            yield from _paths(inner, f"{at}[]")
    else:
        yield at


def processor() -> Any:
    """What the system says of the first core: equal ones give equal bits."""
    lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
    said = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return {name: said.get(name) for name in ("model name", "model", "stepping", "flags")}


def contents(store: Path) -> dict[str, str]:
    """sha256 of every file of a store, by its path there."""
    files = (path for path in sorted(store.rglob("*")) if path.is_file())
    return {str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def main() -> None:
    """Take the named contracts again."""
    taken: dict[str, Callable[[], dict[str, Any]]] = {
        "openapi": lambda: {f"openapi-{served}": openapi(served) for served in SERVED},
        "metrics": lambda: {"metrics": {"without a search": metrics(False), "with a search": metrics(True)}},
        "flags": lambda: {"flags": flags()},
        "keys": lambda: {"keys": keys(recorded("keys")[NETWORK], recorded("keys")["cases"])},
        "processor": lambda: {"processor": processor()},
        "store-listing": lambda: {"store-listing": listing(BEFORE / "store")},
    }
    parser = argparse.ArgumentParser("tests.contracts.capture", description="Takes contracts again, into before/.")
    parser.add_argument("contracts", nargs="+", choices=taken)
    for contract in parser.parse_args().contracts:
        for name, value in taken[contract]().items():
            (BEFORE / f"{name}.json").write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
