"""This project's suggestion service in katib-config: the algorithm atelier, which an administrator registers once.

Katib reads its configuration at each use, so that nothing has to be restarted.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import httpx2
import yaml
from atelier_store.errors import InvalidInput
from lightkube.resources.core_v1 import ConfigMap

from atelier_cli.doctor.cluster import Cluster
from atelier_cli.doctor.rights import Right, lacking
from atelier_cli.profile.merging import Values, find

ALGORITHM = "atelier"
CONFIG, FILE = "katib-config", "katib-config.yaml"
PROBED = {"port": 6789, "service": "manager.v1beta1.Suggestion"}
Entry = dict[str, Any]


class CannotRegister(InvalidInput):
    """Katib's configuration cannot be read, or not be changed."""


@dataclass(frozen=True)
class Change:
    """katib-config.yaml as it is, and as it will be; config_map is what the API server has."""

    before: str
    after: str
    config_map: ConfigMap

    @property
    def diff(self) -> str:
        """The lines that change, with three around them; empty if none does."""
        before, after = self.before.splitlines(keepends=True), self.after.splitlines(keepends=True)
        return "".join(difflib.unified_diff(before, after, fromfile=f"{CONFIG}, now", tofile=f"{CONFIG}, then"))


def image_of(values: Values) -> str:
    """The image of the profile's trials, which is also that of the service; the chart's atelier.image."""
    registry, image = find(values, "global.imageRegistry"), values["trainer"]["image"]
    repository: str = image["repository"]
    first, slash, _ = repository.partition("/")
    if registry and not (slash and ("." in first or ":" in first or first == "localhost")):
        repository = f"{registry}/{repository}"
    if image["digest"]:
        return f"{repository}@{image['digest']}"
    return f"{repository}:{image['tag'] or metadata.version('atelier-cli')}"


def entry(image: str, pull_policy: str = "IfNotPresent") -> Entry:
    """The entry under runtime.suggestions: a container that is not root, writes nothing, and keeps nothing."""
    return {
        "algorithmName": ALGORITHM,
        "image": image,
        "imagePullPolicy": pull_policy,
        "command": ["python", "-m", "atelier_suggestion"],
        "resources": {
            "requests": {"cpu": "50m", "memory": "256Mi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "readinessProbe": {"grpc": PROBED, "periodSeconds": 2},
    }


def plan(cluster: Cluster, namespace: str, wanted: Entry | None) -> Change:
    """What is to change, so that this entry is registered, or none if it is None. CannotRegister."""
    where = f"ConfigMap {CONFIG} in namespace {namespace}"
    config_map = cluster.find(ConfigMap, CONFIG, namespace)
    if config_map is None:
        raise CannotRegister([f"no {where}; --namespace says where Katib is"])
    before = (config_map.data or {}).get(FILE, "")
    try:
        return Change(before, with_entry(before, wanted), config_map)
    except (yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise CannotRegister([f"{where}: {FILE} is not Katib's: {type(error).__name__}: {error}"]) from error


def check_right(cluster: Cluster, namespace: str) -> None:
    """CannotRegister if the user may not change the ConfigMap."""
    if lacking(cluster, {Right("configmaps", "update")}, namespace):
        who = "an administrator of the cluster, or who has the verb update on ConfigMaps there, may"
        raise CannotRegister([f"you may not change ConfigMap {CONFIG} in namespace {namespace}; {who}"])


def make(cluster: Cluster, change: Change) -> None:
    """Write a change. CannotRegister if somebody has changed the ConfigMap meanwhile, or the user may not."""
    change.config_map.data = {**(change.config_map.data or {}), FILE: change.after}
    try:
        cluster.client.replace(change.config_map)
    except httpx2.HTTPStatusError as error:
        if error.response.status_code == 409:
            raise CannotRegister([f"{CONFIG} was changed meanwhile; run the command again"]) from error
        raise


# the text


def with_entry(text: str, wanted: Entry | None) -> str:
    """katib-config.yaml with this entry in place of the one of its algorithm, or without one if it is None.

    Comments and all other lines stay as they are, unless the list of suggestions is not written an item a line.
    """
    config = yaml.safe_load(text)
    others = list(config["runtime"].get("suggestions") or [])
    at = next((place for place, one in enumerate(others) if one["algorithmName"] == ALGORITHM), len(others))
    suggestions = [*others[:at], *([] if wanted is None else [wanted]), *others[at + 1 :]]
    if suggestions == others:
        return text
    then = {**config, "runtime": {**config["runtime"], "suggestions": suggestions}}
    spliced = "".join(_spliced(text.splitlines(keepends=True), at, wanted))
    try:
        is_it = yaml.safe_load(spliced) == then
    except yaml.YAMLError:
        is_it = False
    return spliced if is_it else yaml.safe_dump(then, sort_keys=False)


def _spliced(lines: list[str], at: int, wanted: Entry | None) -> Iterator[str]:
    """The lines with the item at this place of the list replaced, or added after the last."""
    suggestions = _child(_child(yaml.compose("".join(lines)), "runtime"), "suggestions")
    if not isinstance(suggestions, yaml.SequenceNode) or not suggestions.value:
        return
    items: list[yaml.Node] = suggestions.value
    is_there = at < len(items)
    last = _last_line(items[at] if is_there else items[-1]) + 1
    first = items[at].start_mark.line if is_there else last
    yield from lines[:first]
    if wanted is not None:
        indent = " " * suggestions.start_mark.column
        for line in yaml.safe_dump([wanted], sort_keys=False).splitlines():
            yield f"{indent}{line}\n"
    yield from lines[last:]


def _child(node: yaml.Node | None, name: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for key, value in pairs if key.value == name), None)


def _last_line(node: yaml.Node) -> int:
    """The line on which the last scalar of a node ends; a block ends only where the next one begins."""
    if isinstance(node, yaml.MappingNode) and node.value and not node.flow_style:
        return _last_line(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and node.value and not node.flow_style:
        return _last_line(node.value[-1])
    return int(node.end_mark.line) - (node.end_mark.column == 0)
