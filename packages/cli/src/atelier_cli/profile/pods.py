"""What Kubernetes would refuse of a profile's pods, hours later: of trials nothing is checked when they are installed.

templates/_pods.tpl has the same rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from atelier_cli.profile.findings import Finding, Where, at
from atelier_cli.profile.merging import Values, lookup

UNITS = {
    **{unit: Decimal(1000) ** power for power, unit in enumerate(("", "k", "M", "G", "T", "P", "E"))},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
    **{unit: Decimal(1000) ** -power for power, unit in enumerate("mun", 1)},
}


@dataclass(frozen=True)
class Pod:
    """A pod of ours: its block of values, and the names and paths that the chart itself gives to volumes."""

    at: str
    volumes: tuple[str, ...]
    mounts: tuple[str, ...]


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

    has_token = bool(sound("server.token.existingSecret"))
    more = any(sound(f"trainer.finish.{what}") is not None for what in ("average", "retrain", "int8"))
    is_halving = sound("experiment.earlyStopping.algorithmName") == "halving"
    finishes = is_halving or bool(sound("trainer.tailEpochs")) or more
    own = (("store", "tmp"), ("/store", "/tmp"))  # noqa: S108 (a path in a pod)
    file = "/etc/atelier"
    training = {"modules": sound("trainer.modules"), "trusted-ca": sound("trustedCA.configMap")}
    names = tuple(name for name, is_used in training.items() if is_used)
    folders = tuple({"modules": "/etc/atelier-modules", "trusted-ca": "/etc/atelier-ca"}[name] for name in names)
    finish = (("spec", *names), (file, *folders)) if finishes else ((), ())
    token = (("token",), (file,)) if has_token else ((), ())
    seen = (("token",), (file,)) if sound("board.token.existingSecret") else ((), ())
    sources = ("publicKey", "existingConfigMap", "existingSecret")
    has_keys = any(sound(f"server.signedBy.{source}") for source in sources)
    keys = (("signed-by",), ("/etc/atelier-signed-by",)) if has_keys else ((), ())
    sign = (("sign",), ("/etc/atelier-sign",)) if sound("promotion.sign.existingSecret") else ((), ())
    pods = [
        Pod("trainer.pod", (*own[0], "spec", "metrics-volume", *names), (*own[1], file, "/var/log/katib", *folders)),
        Pod(
            "extractor.pod",
            (*own[0], "search", *finish[0], *sign[0]),
            (*own[1], "/etc/atelier-search", *sign[1], *finish[1]),
        ),
        Pod("server.pod", (*own[0], *token[0], *keys[0]), (*own[1], *token[1], *keys[1])),
        Pod("board.pod", (*own[0], *seen[0]), (*own[1], *seen[1])),
        Pod("inspector.pod", *own),
    ]
    for pod in pods:
        volumes, mounts = sound(f"{pod.at}.volumes"), sound(f"{pod.at}.volumeMounts")
        yield from check_volumes(pod, volumes or [], mounts or [], is_known=volumes is not None)
        yield from check_env(at(f"{pod.at}.env"), sound(f"{pod.at}.env") or [])
    yield from check_env(at("env"), sound("env") or [])
    if finishes:
        for key, name in (("volumes", "name"), ("volumeMounts", "mountPath")):
            ours, theirs = sound(f"extractor.pod.{key}") or [], sound(f"trainer.pod.{key}") or []
            yield from check_shared(at(f"extractor.pod.{key}"), ours, theirs, name)
    for path in ("trainer", "extractor", "server", "board", "inspector", "test"):
        yield from check_resources(at(f"{path}.resources"), sound(f"{path}.resources") or {})
    yield from check_resources(at("quota.containerDefaults"), sound("quota.containerDefaults") or {})
    requests, limits = sound("extractor.resources.requests") or {}, sound("trainer.resources.limits") or {}
    if finishes:
        yield from check_bounds(at("extractor.resources.requests"), requests, limits, "trainer.resources.limits")


def check_volumes(
    pod: Pod, volumes: Sequence[Values], mounts: Sequence[Values], is_known: bool = True
) -> Iterator[Finding]:
    """Names and paths that are there twice or are the chart's, and mounts of no volume."""
    names = [volume["name"] for volume in volumes]
    yield from _taken(at(f"{pod.at}.volumes"), "name", names, pod.volumes)
    yield from _taken(
        at(f"{pod.at}.volumeMounts"), "mountPath", [_path(one["mountPath"]) for one in mounts], pod.mounts
    )
    for index, mount in enumerate(mounts):
        if is_known and mount["name"] not in (*names, *pod.volumes):
            reason = f"{mount['name']} is no volume of this pod; allowed: {', '.join([*names, *pod.volumes])}"
            yield Finding((*at(f"{pod.at}.volumeMounts"), index, "name"), reason)


def _path(path: str) -> str:
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def _taken(where: Where, key: str, names: Sequence[str], own: Sequence[str]) -> Iterator[Finding]:
    for index, name in enumerate(names):
        if name in own:
            yield Finding((*where, index, key), f"{name} is the chart's own; choose another")
        elif name in names[:index]:
            yield Finding((*where, index, key), f"{name} is there twice")


def check_env(where: Where, env: Sequence[Values]) -> Iterator[Finding]:
    """Variables that are there twice."""
    yield from _taken(where, "name", [variable["name"] for variable in env], ())


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
