"""What Kubernetes would refuse of a profile's pods, hours later: of trials nothing is checked when they are installed.

templates/_pods.tpl has the same rules over the same table; a test compares what both say.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from atelier_store import current_search

from atelier_cli.profile import schema
from atelier_cli.profile.findings import Finding, Where, at
from atelier_cli.profile.merging import Values, lookup

UNITS = {
    **{unit: Decimal(1000) ** power for power, unit in enumerate(("", "k", "M", "G", "T", "P", "E"))},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
    **{unit: Decimal(1000) ** -power for power, unit in enumerate("mun", 1)},
}


FINISHES = (
    "experiment.earlyStopping.algorithmName=halving",
    "trainer.tailEpochs",
    "trainer.finish",
)
"""One of them holds if the extractor may have something left to train, or to put together, after the Experiment."""


@dataclass(frozen=True)
class Own:
    """What the chart itself gives to a pod: a volume, and where it is mounted.

    when has conditions that all hold: one of its values is set, or is what follows its "=". A map is set if
    one of its values is neither null nor false. is_beside: it is of the extractor's pod, which has trainer.pod's
    volumes and mounts too if it may train.
    """

    pod: str
    volume: str
    mount: str | None
    when: tuple[tuple[str, ...], ...] = ()
    is_beside: bool = False


MODULES, AUTHORITIES = ("trainer.modules",), ("trustedCA.configMap",)
SIGN = ("promotion.sign.existingSecret",)
KEYS = ("server.signedBy.publicKey", "server.signedBy.existingConfigMap", "server.signedBy.existingSecret")
OWN = (
    *(Own(pod, "store", "/store") for pod in ("trainer", "extractor", "server", "board", "inspector")),
    *(Own(pod, "tmp", "/tmp") for pod in ("trainer", "extractor", "server", "board", "inspector")),  # noqa: S108
    Own("trainer", "spec", "/etc/atelier"),
    Own("trainer", "metrics-volume", "/var/log/katib"),
    Own("trainer", "modules", "/etc/atelier-modules", (MODULES,)),
    Own("trainer", "trusted-ca", "/etc/atelier-ca", (AUTHORITIES,)),
    Own("trainer", "search", "/etc/atelier-search", (FINISHES,), is_beside=True),
    Own("trainer", "access", None, (FINISHES,), is_beside=True),
    Own("trainer", "sign", None, (FINISHES, SIGN), is_beside=True),
    Own("extractor", "search", "/etc/atelier-search"),
    Own("extractor", "access", "/var/run/secrets/kubernetes.io/serviceaccount"),
    Own("extractor", "spec", "/etc/atelier", (FINISHES,)),
    Own("extractor", "modules", "/etc/atelier-modules", (FINISHES, MODULES)),
    Own("extractor", "trusted-ca", "/etc/atelier-ca", (FINISHES, AUTHORITIES)),
    Own("extractor", "sign", "/etc/atelier-sign", (SIGN,)),
    Own("server", "token", "/etc/atelier", (("server.token.existingSecret",),)),
    Own("server", "signed-by", "/etc/atelier-signed-by", (KEYS,)),
    Own("board", "token", "/etc/atelier", (("board.token.existingSecret",),)),
)
"""Written into files/facts.json for the chart. metrics-volume is Katib's, which puts it into the pods of trials."""


@dataclass(frozen=True)
class OwnVariable:
    """A variable that the chart itself gives to containers that have a pod's env; when has conditions, as of Own."""

    pod: str
    name: str
    when: tuple[tuple[str, ...], ...] = ()


OWN_VARIABLES = (
    OwnVariable("trainer", "RESUMED_AT", (("experiment.algorithm.algorithmName=atelier",),)),
    OwnVariable("trainer", current_search.VARIABLE, (FINISHES,)),
    OwnVariable("trainer", "ATELIER_MODULES", (MODULES,)),
    OwnVariable("extractor", current_search.VARIABLE),
)
"""Written into files/facts.json for the chart. Others, such as HOME, give way to those of the values."""

Given = TypeVar("Given", Own, OwnVariable)


def own(table: Sequence[Given], value_at: Callable[[str], Any]) -> list[Given]:
    """What of a table the chart gives to pods with these values, each by its dotted path."""
    return [one for one in table if all(holds(keys, value_at) for keys in one.when)]


def holds(keys: Sequence[str], value_at: Callable[[str], Any]) -> bool:
    """Whether one of these keys is set, or is what follows its "="."""
    for path, equals, wanted in (key.partition("=") for key in keys):
        value = value_at(path)
        if isinstance(value, dict):
            value = any(inner is not None and inner is not False for inner in value.values())
        if str(value) == wanted if equals else value:
            return True
    return False


def quantity(value: str | float) -> Decimal:
    """A quantity of Kubernetes as a number: 500m is 0.5, 1Ki is 1024, 1E is 10^18, 1e3 is 1000."""
    text = str(value)
    number = text.rstrip("numkMGTPEi")
    unit = text[len(number) :]
    return Decimal(number) * UNITS[unit]


def check(values: Values, broken: Sequence[Where]) -> Iterator[Finding]:
    """Every contradiction in what is said of pods. What the schema rejects is not looked at again."""

    def sound(path: str) -> Any:
        """The value at a path, or None if it is not there or something in it or around it is broken."""
        where = at(path)
        if any(where[: len(other)] == other[: len(where)] for other in broken):
            return None
        try:
            return lookup(values, where)
        except KeyError:
            return None

    given, variables = own(OWN, sound), own(OWN_VARIABLES, sound)
    for pod in dict.fromkeys(one.pod for one in OWN):
        volumes, mounts = sound(f"{pod}.pod.volumes"), sound(f"{pod}.pod.volumeMounts")
        of_pod = [one for one in given if one.pod == pod]
        yield from check_volumes(at(f"{pod}.pod"), of_pod, volumes or [], mounts or [], is_known=volumes is not None)
        names = [one.name for one in variables if one.pod == pod]
        yield from check_env(at(f"{pod}.pod.env"), sound(f"{pod}.pod.env") or [], names)
    yield from check_env(at("env"), sound("env") or [], [one.name for one in variables])
    if holds(FINISHES, sound):
        for key, name in (("volumes", "name"), ("volumeMounts", "mountPath")):
            ours, theirs = sound(f"extractor.pod.{key}") or [], sound(f"trainer.pod.{key}") or []
            yield from check_shared(at(f"extractor.pod.{key}"), ours, theirs, name)
        requests, limits = sound("extractor.resources.requests") or {}, sound("trainer.resources.limits") or {}
        yield from check_bounds(at("extractor.resources.requests"), requests, limits, "trainer.resources.limits")
    for block, part in schema.schema()["properties"].items():
        if "resources" in part.get("properties", {}):
            yield from check_resources(at(f"{block}.resources"), sound(f"{block}.resources") or {})
    yield from check_resources(at("quota.containerDefaults"), sound("quota.containerDefaults") or {})


def check_volumes(
    where: Where, own: Sequence[Own], volumes: Sequence[Values], mounts: Sequence[Values], is_known: bool = True
) -> Iterator[Finding]:
    """Names and paths that are there twice or are the chart's, and mounts of no volume, in the values of a pod."""
    names, paths = [volume["name"] for volume in volumes], [_path(mount["mountPath"]) for mount in mounts]
    yield from _taken((*where, "volumes"), "name", names, [one.volume for one in own])
    yield from _taken((*where, "volumeMounts"), "mountPath", paths, [one.mount for one in own if one.mount])
    there = [*names, *(one.volume for one in own if not one.is_beside)]
    for index, mount in enumerate(mounts):
        if is_known and mount["name"] not in there:
            reason = f"{mount['name']} is no volume of this pod; allowed: {', '.join(there)}"
            yield Finding((*where, "volumeMounts", index, "name"), reason)


def _path(path: str) -> str:
    return posixpath.normpath("/" + path.lstrip("/"))


def _taken(where: Where, key: str, names: Sequence[str], own: Sequence[str]) -> Iterator[Finding]:
    for index, name in enumerate(names):
        if name in own:
            yield Finding((*where, index, key), f"{name} is the chart's own; choose another")
        elif name in names[:index]:
            yield Finding((*where, index, key), f"{name} is there twice")


def check_env(where: Where, env: Sequence[Values], own: Sequence[str]) -> Iterator[Finding]:
    """Variables that are there twice or are the chart's."""
    yield from _taken(where, "name", [variable["name"] for variable in env], own)


def check_shared(where: Where, ours: Sequence[Values], theirs: Sequence[Values], name: str) -> Iterator[Finding]:
    """What the extractor and a trial, which may train in one pod, call alike and mean differently."""
    known = {one[name]: one for one in theirs}
    for index, one in enumerate(ours):
        if one[name] in known and known[one[name]] != one:
            other = f"trainer.{'.'.join(map(str, where[1:]))}"
            yield Finding((*where, index, name), f"{one[name]} is another in {other}; the extractor's pod has both")


def check_resources(where: Where, resources: Mapping[str, Any]) -> Iterator[Finding]:
    """Requests above limits, and devices that are no whole number or are requested without a limit."""
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for part, amounts in (("requests", requests), ("limits", limits)):
        for name, amount in amounts.items():
            if "/" in name and quantity(amount) % 1:
                yield Finding((*where, part, name), f"{amount} is not allowed; allowed of a device: whole numbers")
    yield from check_bounds((*where, "requests"), requests, limits, "limits")
    for name, amount in requests.items():
        is_device = "/" in name or name.startswith("hugepages-")
        if is_device and name not in limits:
            yield Finding((*where, "limits", name), f"is missing; it must be what is requested, {amount}")
        elif is_device and quantity(amount) < quantity(limits[name]):
            yield Finding(
                (*where, "requests", name), f"{amount} is less than limits {limits[name]}; they must be equal"
            )


def check_bounds(where: Where, requests: Values, limits: Values, named: str) -> Iterator[Finding]:
    """Requests above limits, whose name is said."""
    for name, amount in requests.items():
        if name in limits and quantity(amount) > quantity(limits[name]):
            yield Finding((*where, name), f"{amount} is more than {named}.{name} {limits[name]}")
