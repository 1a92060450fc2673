"""helm and kubectl lines of pages and notes: whether the programs understand them and what they name exists."""

from __future__ import annotations

import argparse
import functools
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from tests.chart.programs import program
from tests.chart.rendering import OFFLINE, by_kind

LINE = re.compile(r"^ *(?:\w+: +|\w+=\$\()?((?:microk8s )?(?:helm|kubectl) .*?)\)?$", re.MULTILINE)
"""A line of its own, after a word of what it is for or as the value of a shell's variable."""


def lines(text: str) -> list[str]:
    """Every helm and kubectl line of a text, each once; `microk8s` before it is left out."""
    return list(dict.fromkeys(found.removeprefix("microk8s ") for found in LINE.findall(text)))


# helm


@dataclass
class Helm:
    """A helm line, taken apart. Options stand under their long names."""

    command: str
    arguments: list[str] = field(default_factory=list)
    options: dict[str, list[str]] = field(default_factory=dict)
    written_to: str | None = None


def helm(line: str, binary: str = "helm") -> Helm:
    """The line as this Helm reads it. AssertionError names a flag that it has not."""
    words = shlex.split(line)[1:]
    commands = words[:2] if words[0] == "get" else words[:1]
    known, found, rest = flags(binary, *commands), Helm(" ".join(commands)), iter(words[len(commands) :])
    for word in rest:
        name, is_said, value = word.partition("=")
        if word == ">":
            found.written_to = next(rest)
        elif not word.startswith("-"):
            found.arguments.append(word)
        else:
            assert name in known, f"{binary} {found.command} has no {name}: {line}"
            long, takes_value = known[name]
            found.options.setdefault(long, []).append(value if is_said or not takes_value else next(rest))
    return found


@functools.cache
def flags(binary: str, *command: str) -> dict[str, tuple[str, bool]]:
    """Long name of each flag of a command, and whether it takes a value."""
    asked = [str(program(binary)), *command, "--help"]
    said = subprocess.run(asked, capture_output=True, text=True, env=OFFLINE, check=True, timeout=60).stdout
    found: dict[str, tuple[str, bool]] = {}
    for short, long, kind in re.findall(r"^ +(?:(-\w), )?(--[\w-]+)(?: (\S+))? {2,}", said, re.MULTILINE):
        found |= {name: (long, bool(kind) and "[=" not in kind) for name in (short, long) if name}
    return found


def seconds(duration: str) -> int:
    """Helm's 1h2m3s as a number."""
    return sum(
        int(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in re.findall(r"(\d+)([hms])", duration)
    )


# kubectl


class Parser(argparse.ArgumentParser):
    """Says what it does not understand as an AssertionError."""

    def error(self, message: str) -> NoReturn:
        raise AssertionError(message)


def _kubectl() -> Parser:
    """As much of kubectl as is shown."""
    parser = Parser("kubectl", allow_abbrev=False)
    parser.add_argument("-n", dest="namespace")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, options, arguments in (
        ("get", ("-l", "-o", "--sort-by"), "what"),
        ("describe", ("-l",), "what"),
        ("delete", ("-l",), "what"),
        ("top", ("-l",), "what"),
        ("create", ("--from-literal", "--from-file"), "what"),
        ("label", (), "what"),
        ("wait", ("--for", "--timeout", "-l"), "what"),
        ("rollout", (), "other"),
        ("set", ("--requests",), "other"),
        ("port-forward", (), "what"),
        ("logs", ("-l", "-c", "--tail"), "what"),
        ("exec", (), "other"),
        ("cp", (), "other"),
        ("apply", ("-k", "-f"), "other"),
    ):
        one = verbs.add_parser(verb, allow_abbrev=False)
        for option in options:
            one.add_argument(option)
        switches = {
            "get": ["-w", "--show-labels"],
            "logs": ["-f", "--all-containers", "--prefix", "--previous"],
            "exec": ["-it", "-i"],
            "label": ["--overwrite"],
            "set": ["--all"],
        }
        for switch in switches.get(verb, []):
            one.add_argument(switch, action="store_true")
        one.add_argument(arguments, nargs=argparse.REMAINDER if verb == "exec" else "*")
    return parser


KUBECTL = _kubectl()
KINDS = {
    "configmap": "ConfigMap",
    "cronjob": "CronJob",
    "deployment": "Deployment",
    "endpointslice": "EndpointSlice",
    "event": "Event",
    "experiment": "Experiment",
    "job": "Job",
    "namespace": "Namespace",
    "pod": "Pod",
    "pv": "PersistentVolume",
    "pvc": "PersistentVolumeClaim",
    "secret": "Secret",
    "service": "Service",
    "trial": "Trial",
    "volumesnapshot": "VolumeSnapshot",
}
NOT_OURS = {"EndpointSlice", "Event", "Namespace", "PersistentVolume", "Pod", "Secret", "Trial"}
"""What others make."""
NAMED_BY_LABEL = {"katib.kubeflow.org/experiment": "Experiment", "kubernetes.io/service-name": "Service"}
"""Labels of others that hold the name of an object of ours."""


def lacking(line: str, objects: list[dict[str, Any]]) -> list[str]:
    """What a kubectl line names that is not among the objects. AssertionError if it is no line for kubectl."""
    asked = KUBECTL.parse_args(shlex.split(line)[1:])
    found = [f"{kind}/{name}" for kind, name in _named(asked) if name and not _is_there(kind, name, objects)]
    kinds = {kind for kind, _ in _named(asked)} or {"Pod"}
    found += [kind for kind in kinds - NOT_OURS if not by_kind(objects, kind)]
    selector = dict(one.split("=", 1) for one in (getattr(asked, "l", None) or "").split(",") if one)
    for label, kind in NAMED_BY_LABEL.items():
        if label in selector:
            name = selector.pop(label)
            found += [] if _is_there(kind, name, objects) else [f"{kind}/{name}"]
    if selector and not any(selector.items() <= labels.items() for kind, labels in _labels(objects) if kind in kinds):
        found.append(f"{', '.join(sorted(kinds))} with {selector}")
    return found


def _named(asked: argparse.Namespace) -> Iterator[tuple[str, str | None]]:
    """The kinds that a line names, each with the name of an object or None."""
    what = getattr(asked, "what", [])
    if asked.verb == "port-forward":
        what = what[:1]
    if what and "/" in what[0]:
        kind, _, name = what[0].partition("/")
        yield KINDS[kind], name
    elif what:
        for kind in what[0].split(","):
            yield KINDS[kind.removesuffix("s")], what[1] if len(what) > 1 else None


def _is_there(kind: str, name: str, objects: list[dict[str, Any]]) -> bool:
    return kind in NOT_OURS or name in [one["metadata"]["name"] for one in by_kind(objects, kind)]


def _labels(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, str]]]:
    """Kind and labels of every object, of the pods that it makes, and of trials, which have their Experiment's."""
    for one in objects:
        for kind in {one["kind"], "Trial" if one["kind"] == "Experiment" else one["kind"]}:
            yield kind, one["metadata"]["labels"]
        for labels in _inner_labels(one.get("spec", {})):
            yield "Pod", labels


def _inner_labels(part: Any) -> Iterator[dict[str, str]]:
    if isinstance(part, dict):
        yield from [part["metadata"]["labels"]] if "labels" in (part.get("metadata") or {}) else []
        for inner in part.values():
            yield from _inner_labels(inner)
