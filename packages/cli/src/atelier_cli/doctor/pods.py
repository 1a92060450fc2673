"""The pods that a release makes, with the resources of their containers and the keys of the values that set them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

from atelier_cli.doctor.cluster import Quantities, amounts
from atelier_cli.doctor.katib import Configuration, Entry
from atelier_cli.profile.facts import ON_A_CLUSTER, PARALLEL_ON_A_CLUSTER
from atelier_cli.profile.merging import Values, find
from atelier_cli.profile.pods import FINISHES, holds

KATIB_REQUESTS = {"cpu": "50m", "memory": "10Mi", "ephemeral-storage": "500Mi"}
KATIB_LIMITS = {"cpu": "500m", "memory": "100Mi", "ephemeral-storage": "5Gi"}
"""What Katib gives its containers where katib-config says nothing; a negative amount there means none."""


@dataclass(frozen=True)
class Container:
    """A container; requests_at and limits_at are the places where its resources are set, empty if they are fixed."""

    name: str
    requests: Quantities
    limits: Quantities
    requests_at: str = ""
    limits_at: str = ""

    @classmethod
    def of(cls, name: str, resources: Values | None, at: str = "") -> Container:
        """With the resources of a pod's spec."""
        resources = resources or {}
        requests, limits = (amounts(resources.get(part)) for part in ("requests", "limits"))
        return cls(name, requests, limits, at and f"{at}.requests", at and f"{at}.limits").completed()

    def completed(self) -> Container:
        """As Kubernetes completes it: a limit is the request where there is none."""
        return replace(self, requests=self.limits | self.requests)


@dataclass(frozen=True)
class Pod:
    """A kind of pods of a release."""

    component: str
    containers: tuple[Container, ...]
    first: tuple[Container, ...] = ()
    """Init containers, which run one after the other before."""
    count: int = 1
    priority: str = ""

    @property
    def every(self) -> tuple[Container, ...]:
        return (*self.first, *self.containers)

    def requests(self) -> Quantities:
        """What the scheduler and quotas count."""
        return _together([one.requests for one in self.containers], [one.requests for one in self.first])

    def limits(self) -> Quantities:
        """What quotas count of limits."""
        return _together([one.limits for one in self.containers], [one.limits for one in self.first])


def pods(values: Values, known: Configuration | None) -> Iterator[Pod]:
    """The pods of these values; those of Katib as its configuration says, if it is known."""
    scales = find(values, "server.autoscaling.enabled")
    count = find(values, "server.autoscaling.minReplicas" if scales else "server.replicas")
    yield replace(_of_one(values, "server"), count=int(count or 1))
    if find(values, "board.enabled"):
        yield _of_one(values, "board")
    if find(values, "inspector.enabled"):
        yield _of_one(values, "inspector")
    if find(values, "experiment.enabled") is False:
        return
    yield _trial(values, known)
    if known is not None:
        yield from _suggestion(values, known)
    if find(values, "extractor.mode") != "none":
        yield _extractor(values)


def _of_one(values: Values, part: str) -> Pod:
    """A pod with one container, whose resources are a key of the values."""
    at = f"{part}.resources"
    return Pod(part, (Container.of(part, find(values, at), at),), priority=_priority(values, part))


def _trial(values: Values, known: Configuration | None) -> Pod:
    containers = [Container.of("trial", find(values, "trainer.resources"), "trainer.resources")]
    collector = known and next((one for one in known.runtime.metrics_collectors if one.kind == "StdOut"), None)
    if collector:
        containers.append(_of_katib("metrics-logger-and-collector", collector, "runtime.metricsCollectors, StdOut"))
    parallel = find(values, "experiment.parallelTrialCount")
    at_once = min(PARALLEL_ON_A_CLUSTER, int(find(values, "experiment.maxTrialCount") or PARALLEL_ON_A_CLUSTER))
    count = at_once if parallel in ("auto", None) else int(parallel)
    return Pod("trial", tuple(containers), count=count, priority=_priority(values, "trainer"))


def _suggestion(values: Values, known: Configuration) -> Iterator[Pod]:
    name = find(values, "experiment.algorithm.algorithmName") or ""
    name = ON_A_CLUSTER if name == "auto" else name
    entry = known.suggestion(name)
    if entry is None:
        return
    containers = [_of_katib("suggestion", entry, f"runtime.suggestions, {name}")]
    stopping = find(values, "experiment.earlyStopping.algorithmName")
    for entry in known.runtime.early_stoppings:
        if entry.algorithm_name == stopping:
            containers.append(_of_katib("early-stopping", entry, f"runtime.earlyStoppings, {stopping}"))
    yield Pod("suggestion", tuple(containers))


def _extractor(values: Values) -> Pod:
    resources = find(values, "extractor.resources") or {}
    wait, promote = (Container.of(name, resources, "extractor.resources") for name in ("wait", "promote"))
    first = [wait]
    finishes = holds(FINISHES, partial(find, values))
    if finishes:
        # it trains, so it may use what a trial may, and it reserves no more than the others
        of_trial = {"requests": resources.get("requests"), "limits": find(values, "trainer.resources.limits")}
        finish = Container.of("finish", of_trial, "extractor.resources")
        first.append(replace(finish, limits_at="trainer.resources.limits"))
    priority = _priority(values, "extractor") or (_priority(values, "trainer") if finishes else "")
    return Pod("extractor", (promote,), tuple(first), priority=priority)


def _of_katib(name: str, entry: Entry, at: str) -> Container:
    """A container that Katib makes."""
    given = entry.resources or {}
    requests = amounts(KATIB_REQUESTS) | _said(given.get("requests"))
    limits = amounts(KATIB_LIMITS) | _said(given.get("limits"))
    place = f"katib-config ({at}: resources"
    return Container(
        name,
        {resource: much for resource, much in requests.items() if much >= 0},
        {resource: much for resource, much in limits.items() if much >= 0},
        f"{place}.requests)",
        f"{place}.limits)",
    ).completed()


def _said(quantities: dict[str, Any] | None) -> Quantities:
    """Zero says nothing to Katib."""
    return {resource: much for resource, much in amounts(quantities).items() if much}


def _priority(values: Values, part: str) -> str:
    return find(values, f"{part}.pod.priorityClassName") or ""


def _together(at_once: list[Quantities], in_turn: list[Quantities]) -> Quantities:
    """The sum of what runs at once, or the largest of what runs before it, whichever is more."""
    total: Quantities = {}
    for one in at_once:
        for resource, much in one.items():
            total[resource] = total.get(resource, Decimal(0)) + much
    for one in in_turn:
        for resource, much in one.items():
            total[resource] = max(total.get(resource, Decimal(0)), much)
    return total
