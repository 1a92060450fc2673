"""The chart as Helm renders it: by both versions, offline, and once for equal arguments in a run of pytest."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from atelier_store.files import temporary_beside

from tests.chart.programs import program
from tests.support import ROOT

CHART = ROOT / "charts" / "katib-nas-atelier"
PROFILES = sorted((ROOT / "values").glob("*.yaml"))
HELMS = ("helm", "helm3")
BARE = ("v1/Pod",)
"""What a cluster has of which Helm knows nothing but that it is there."""
API_VERSIONS = (
    *BARE,
    "kubeflow.org/v1beta1/Experiment",
    "monitoring.coreos.com/v1/ServiceMonitor",
    "monitoring.coreos.com/v1/PrometheusRule",
    "gateway.networking.k8s.io/v1/HTTPRoute",
)
KUBERNETES = "1.34.0"


def render(values_files: Path | Iterable[Path] = (), **arguments: Any) -> list[dict[str, Any]]:
    """The objects that `helm template` renders; the arguments are those of rendered()."""
    return documents(rendered(values_files, **arguments))


def rendered(values_files: Path | Iterable[Path] = (), **arguments: Any) -> str:
    """The text that `helm template` writes."""
    run = _run(values_files, **arguments)
    assert run.returncode == 0, run.stderr
    return "".join(part for part in _parts(run.stdout) if NOTES not in part)


def notes(values_files: Path | Iterable[Path] = (), **arguments: Any) -> str:
    """NOTES.txt, which `helm template` leaves out: what is rendered is a copy of the chart that has it as an object."""
    run = _run(values_files, **arguments)
    assert run.returncode == 0, run.stderr
    (part,) = [part for part in _parts(run.stdout) if NOTES in part]
    found: str = yaml.safe_load(part)["notes"]
    return found


def refused(values_files: Path | Iterable[Path] = (), **arguments: Any) -> str:
    """What Helm says when it renders nothing."""
    run = _run(values_files, **arguments)
    assert run.returncode != 0, "nothing was refused"
    return run.stderr


def with_all(mode: str) -> dict[str, Any]:
    """Arguments for most of the objects and the longest notes that a profile can have, with a mode of promotion."""
    return {"set": [f"extractor.mode={mode}", "board.enabled=true", "inspector.enabled=true"], "is_upgrade": True}


def _parts(text: str) -> list[str]:
    return re.split(r"(?m)^(?=---\n)", text)


def _run(
    values_files: Path | Iterable[Path],
    *,
    helm: str = "helm",
    release: str = "digits",
    namespace: str = "atelier",
    set: Iterable[str] = (),
    values: Mapping[str, Any] | None = None,
    api_versions: Iterable[str] = API_VERSIONS,
    kube_version: str = KUBERNETES,
    is_upgrade: bool = False,
    chart: Path = CHART,
    is_cached: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Values lie over the files, set over both."""
    files = [values_files] if isinstance(values_files, Path) else list(values_files)
    options = ["--namespace", namespace, "--kube-version", kube_version]
    options += ["--values=-"] if values is not None else []
    options += [f"--set={one}" for one in set]
    options += [f"--api-versions={one}" for one in api_versions]
    options += ["--is-upgrade"] if is_upgrade else []
    command = [str(program(helm)), "template", release, _with_notes(chart).name]
    command += [f"--values={file}" for file in files] + options
    stdin = json.dumps(values)
    if not is_cached:
        return _helm(command, stdin)
    known = [helm, digest(chart), release, *options, stdin]
    known += [file.read_text() for file in files]
    cached = cache / hashlib.sha256(json.dumps(known).encode()).hexdigest()
    if not cached.exists():
        run = _helm(command, stdin)
        with temporary_beside(cached).open("w") as file:
            json.dump([run.returncode, run.stdout, run.stderr], file)
        Path(file.name).replace(cached)
    return subprocess.CompletedProcess(command, *json.loads(cached.read_text()))


def _helm(command: list[str], stdin: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=stdin, capture_output=True, text=True, env=OFFLINE, check=False, timeout=60)


cache = Path(tempfile.gettempdir())
"""The folder of renderings, each under a digest of all that it depends on; conftest.py sets it."""
NOTES = "/templates/notes.yaml\n"
OFFLINE = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "KUBECONFIG": os.devnull,
    "GOGC": "off",
    "GOMAXPROCS": "1",
}
"""No cluster, plugin or repository of the user. No garbage collection: the processes are short."""


def digest(chart: Path) -> str:
    """sha256 of the names and contents of a chart's files."""
    files = sorted(path for path in chart.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(p.relative_to(chart)).encode() + p.read_bytes() for p in files)).hexdigest()


@functools.cache
def _with_notes(chart: Path) -> tempfile.TemporaryDirectory[str]:
    """A copy of the chart that is kept as long as the process."""
    folder = tempfile.TemporaryDirectory()
    shutil.copytree(chart, folder.name, dirs_exist_ok=True)
    template = '{notes: {{ include (print .Template.BasePath "/NOTES.txt") . | toJson }}}'
    Path(folder.name, "templates", "notes.yaml").write_text(template)
    return folder


# objects


def by_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The objects of a kind."""
    return [one for one in objects if one["kind"] == kind]


def only(objects: list[dict[str, Any]], kind: str, name_suffix: str | None = None) -> dict[str, Any]:
    """The one object of a kind, and with that end of its name where it is given."""
    found = [one for one in by_kind(objects, kind) if one["metadata"]["name"].endswith(name_suffix or "")]
    assert len(found) == 1, (
        f"{kind} …{name_suffix or ''}: {[one['metadata']['name'] for one in by_kind(objects, kind)]}"
    )
    return found[0]


# YAML as Go reads it


class GoLoader(yaml.CSafeLoader):
    """Types of plain text as in Helm and kubectl: y is true, 12345e67 is a number, a date is text. No key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len({*keys}), f"line {node.start_mark.line + 1}: a key is said twice: {keys}"
        return super().construct_mapping(node, deep)

    def construct_yaml_bool(self, node: yaml.ScalarNode) -> bool:
        return node.value.lower() in ("y", "yes", "true", "on")


GoLoader.yaml_implicit_resolvers = {}
for _tag, _pattern in {
    "null": r"^(~|null|Null|NULL|)$",
    "bool": r"^([yYnN]|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$",
    "int": r"^[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)$",
    "float": r"^([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$",
}.items():
    GoLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), None)
GoLoader.add_constructor("tag:yaml.org,2002:bool", GoLoader.construct_yaml_bool)


def documents(text: str) -> list[dict[str, Any]]:
    """The objects in a text; empty documents are left out."""
    return [one for one in yaml.load_all(text, Loader=GoLoader) if one is not None]
