"""Whether the quotas and the LimitRanges of the namespace let every pod of the profile start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from lightkube.models.core_v1 import LimitRangeItem, LimitRangeSpec, ResourceQuotaSpec, ResourceQuotaStatus
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import LimitRange, ResourceQuota

from atelier_cli.doctor.cluster import Cluster, Quantities, amount, amounts, name_of, quantity
from atelier_cli.doctor.diagnosis import Diagnosis, missing, ok, warning
from atelier_cli.doctor.installed import releases
from atelier_cli.doctor.katib import Configuration
from atelier_cli.doctor.pods import Container, Pod, pods
from atelier_cli.profile.merging import Values, find

CHECK = "quotas"
ENFORCED = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
"""What a quota requires every container to say."""
OURS = {"app.kubernetes.io/part-of": "katib-nas-atelier", "app.kubernetes.io/component": "quota"}


def check_quotas(cluster: Cluster, values: Values, known: Configuration | None) -> Iterator[Diagnosis]:
    """Whether a pod is refused for what it does not say, or for what it asks for."""
    ranges, quotas = _ranges(cluster, values), _quotas(cluster, values)
    names = [f"LimitRange {name_of(one)}" for one in ranges] + [f"ResourceQuota {name_of(one)}" for one in quotas]
    if not names:
        yield ok(CHECK, f"{cluster.namespace} has no ResourceQuota and no LimitRange")
        return
    is_installed = bool(releases(cluster))  # then its own pods are among what is used
    made = [_with_defaults(pod, ranges) for pod in pods(values, known)]
    found: list[Diagnosis] = []
    for range_ in ranges:
        found += _outside(range_, made, find(values, "storage"))
    found += _contradictions(made)
    for quota in quotas:
        counted = [pod for pod in made if _counts(quota, pod)]
        found += _unsaid(quota, counted, cluster.namespace)
        found += _beyond(quota, counted, find(values, "storage"), is_installed)
    yield from dict.fromkeys(found)
    if not found:
        yield ok(CHECK, f"{', '.join(names)}: every pod may start")


def _ranges(cluster: Cluster, values: Values) -> list[LimitRange]:
    """Those of the namespace; the profile's own instead of that of a release before."""
    there = cluster.select(LimitRange, {})
    if not find(values, "quota.enabled"):
        return there
    defaults = find(values, "quota.containerDefaults") or {}
    item = LimitRangeItem("Container", default=defaults.get("limits"), defaultRequest=defaults.get("requests"))
    own = LimitRange(metadata=ObjectMeta(name="of the profile"), spec=LimitRangeSpec([item]))
    return [*(one for one in there if not _is_ours(one)), own]


def _quotas(cluster: Cluster, values: Values) -> list[ResourceQuota]:
    there = cluster.select(ResourceQuota, {})
    if not find(values, "quota.enabled"):
        return there
    spec = ResourceQuotaSpec(hard=find(values, "quota.hard") or {})
    own = ResourceQuota(metadata=ObjectMeta(name="of the profile (quota.hard)"), spec=spec)
    return [*(one for one in there if not _is_ours(one)), own]


def _is_ours(one: LimitRange | ResourceQuota) -> bool:
    labels = (one.metadata and one.metadata.labels) or {}
    return OURS.items() <= labels.items()


# LimitRanges


def _with_defaults(pod: Pod, ranges: Sequence[LimitRange]) -> Pod:
    """The pod as the API server completes it."""
    containers, first = pod.containers, pod.first
    for item in _items(ranges, "Container"):
        requests, limits = amounts(item.defaultRequest), amounts(item.default)

        def completed(one: Container, requests: Quantities = requests, limits: Quantities = limits) -> Container:
            return replace(one, requests=requests | one.requests, limits=limits | one.limits).completed()

        containers, first = tuple(map(completed, containers)), tuple(map(completed, first))
    return replace(pod, containers=containers, first=first)


def _items(ranges: Sequence[LimitRange], type_: str) -> Iterator[LimitRangeItem]:
    for one in ranges:
        yield from (item for item in (one.spec.limits if one.spec else []) if item.type == type_)


def _outside(range_: LimitRange, made: Sequence[Pod], storage: Values | None) -> Iterator[Diagnosis]:
    """What asks for more or less than a LimitRange allows."""
    name = f"LimitRange {name_of(range_)}"
    for item in _items([range_], "Container"):
        for pod in made:
            for one in pod.every:
                at = {part: _place(pod, one, part) for part in ("requests", "limits")}
                yield from _outside_of(name, item, one.requests, one.limits, at.__getitem__, "a container")
    for item in _items([range_], "Pod"):
        for pod in made:
            at = {part: _places(pod, part) for part in ("requests", "limits")}
            yield from _outside_of(name, item, pod.requests(), pod.limits(), at.__getitem__, "a pod")
    for item in _items([range_], "PersistentVolumeClaim"):
        if storage and not storage.get("existingClaim"):
            size = {"storage": amount(storage.get("size", "10Gi"))}
            yield from _outside_of(name, item, size, {}, lambda _: "storage", "a claim")


def _outside_of(
    name: str,
    item: LimitRangeItem,
    requests: Quantities,
    limits: Quantities,
    at: Callable[[str], str],
    what: str,
) -> Iterator[Diagnosis]:
    given = {"requests": requests, "limits": limits}
    for resource, most in amounts(item.max).items():
        for part, of_part in given.items():
            if of_part.get(resource, Decimal(0)) > most:
                yield _refused(name, at(part), resource, of_part[resource], f"at most {quantity(most)}", what)
    for resource, least in amounts(item.min).items():
        for part, of_part in given.items():
            if resource in of_part and of_part[resource] < least:
                yield _refused(name, at(part), resource, of_part[resource], f"at least {quantity(least)}", what)
        if resource not in requests:
            message = f"{name}: {at('requests')}.{resource} is not set, and {what} needs at least {quantity(least)}"
            yield missing(CHECK, message, f"# set {at('requests')}.{resource} to at least {quantity(least)}")
    for resource, ratio in amounts(item.maxLimitRequestRatio).items():
        request, limit = requests.get(resource, Decimal(0)), limits.get(resource, Decimal(0))
        if not request or not limit or limit / request > ratio:
            asked = (
                f"{at('limits')}.{resource} is {_or_none(limit)} and {at('requests')}.{resource} {_or_none(request)}"
            )
            message = f"{name}: {asked}, and a limit may be at most {quantity(ratio)} times its request"
            yield missing(CHECK, message, f"# set {at('requests')}.{resource} closer to the limit")


def _refused(name: str, at: str, resource: str, much: Decimal, allowed: str, what: str) -> Diagnosis:
    key = "storage.size" if at == "storage" else f"{at}.{resource}"
    message = f"{name}: {key} is {quantity(much)}, and {what} may have {allowed}"
    return missing(CHECK, message, f"# set {key} to {allowed}, or change the {name}")


def _contradictions(made: Sequence[Pod]) -> Iterator[Diagnosis]:
    """A request above the limit that a LimitRange gives where the profile has none."""
    for pod in made:
        for one in pod.every:
            for resource, limit in one.limits.items():
                if one.requests.get(resource, Decimal(0)) > limit:
                    request, at = quantity(one.requests[resource]), _place(pod, one, "limits")
                    asked = f"{_place(pod, one, 'requests')}.{resource} is {request}"
                    message = (
                        f"{asked}, and the default limit of a LimitRange is {quantity(limit)}: no request may be more"
                    )
                    yield missing(CHECK, message, f"# set {at}.{resource} to {request} or more")


# ResourceQuotas


def _counts(quota: ResourceQuota, pod: Pod) -> bool:
    """Whether a quota is about such a pod, by its scopes."""
    spec = quota.spec or ResourceQuotaSpec()
    chosen: list[tuple[str, str, list[str]]] = [(scope, "Exists", []) for scope in spec.scopes or []]
    for one in (spec.scopeSelector and spec.scopeSelector.matchExpressions) or []:
        chosen.append((one.scopeName, one.operator, one.values or []))
    return all(_is_in_scope(pod, *one) for one in chosen)


def _is_in_scope(pod: Pod, scope: str, operator: str, names: list[str]) -> bool:
    if scope != "PriorityClass":
        # our pods have requests, and no deadline of their own
        return scope in ("NotTerminating", "NotBestEffort")
    is_named = {
        "In": pod.priority in names,
        "NotIn": pod.priority not in names,
        "Exists": bool(pod.priority),
        "DoesNotExist": not pod.priority,
    }
    return is_named[operator]


def _unsaid(quota: ResourceQuota, counted: Sequence[Pod], namespace: str) -> Iterator[Diagnosis]:
    """Containers without a request or a limit that a quota requires."""
    for enforced in (key for key in _hard(quota) if key in ENFORCED):
        part, resource = _part_of(enforced)
        lacking: dict[str, list[str]] = {}
        keys: list[str] = []
        for pod in counted:
            for one in pod.every:
                if resource not in (one.limits if part == "limits" else one.requests):
                    lacking.setdefault(pod.component, []).append(one.name)
                    keys.append(f"{_place(pod, one, part)}.{resource}")
        if lacking:
            pods_ = ", ".join(f"{component} ({', '.join(names)})" for component, names in lacking.items())
            message = f"ResourceQuota {name_of(quota)}: must specify {enforced} for: {pods_}; such pods are refused"
            default = f"have a LimitRange in {namespace} that gives {resource} a default"
            settable = [key for key in dict.fromkeys(keys) if not key.startswith("the ")]
            change = f"set {', '.join(settable)}, or {default}" if len(settable) == len(set(keys)) else default
            yield missing(CHECK, message, f"# {change}")


def _beyond(
    quota: ResourceQuota, counted: Sequence[Pod], storage: Values | None, is_installed: bool
) -> Iterator[Diagnosis]:
    """What needs more than a quota has, or has left."""
    hard = _hard(quota)
    used = amounts((quota.status or ResourceQuotaStatus()).used)
    claim = {} if not storage or storage.get("existingClaim") else _claimed(storage)
    scopes = quota.spec and (quota.spec.scopes or quota.spec.scopeSelector)
    for key, most in hard.items():
        each = {pod.component: _usage(pod).get(key, Decimal(0)) for pod in counted}
        keys = {pod.component: _key_of(pod, key) for pod in counted}
        alone = {component: much for component, much in each.items() if much > most}
        for component, much in alone.items():
            message = f"{_quota(quota)}: one {component} pod needs {key} {quantity(much)}, and {quantity(most)} is all"
            yield missing(CHECK, message, f"# {_lower([component], keys, key)}raise the quota")
        once = Decimal(0) if scopes else claim.get(key, Decimal(0))
        least = once + sum(each[pod.component] * (1 if pod.component == "trial" else pod.count) for pod in counted)
        whole = once + sum(each[pod.component] * pod.count for pod in counted)
        left = most - used.get(key, Decimal(0))
        if alone or is_installed or whole <= left:
            continue
        remains = f"{quantity(left)} of {quantity(most)} is left"
        if least > left:
            message = f"{_quota(quota)}: this needs {key} {quantity(least)} with one trial at a time, and {remains}"
            ours = [component for component, much in each.items() if much and component != "suggestion"]
            yield missing(CHECK, message, f"# {_lower(ours, keys, key)}raise the quota")
        else:
            message = f"{_quota(quota)}: all trials at once need {key} {quantity(whole)}, and {remains}: fewer will run"
            yield warning(CHECK, message, "# lower experiment.parallelTrialCount, or raise the quota")


def _usage(pod: Pod) -> Quantities:
    """What a quota counts of a pod, under the quota's names."""
    requests, limits = pod.requests(), pod.limits()
    plain = {
        resource: much for resource, much in requests.items() if resource in ("cpu", "memory", "ephemeral-storage")
    }
    counted = {f"requests.{resource}": much for resource, much in requests.items()}
    counted |= {f"limits.{resource}": much for resource, much in limits.items()}
    return counted | plain | {"pods": Decimal(1), "count/pods": Decimal(1)}


def _claimed(storage: Values) -> Quantities:
    """What a quota counts of the store's claim."""
    size, one = amount(storage.get("size", "10Gi")), Decimal(1)
    claimed = {"requests.storage": size, "persistentvolumeclaims": one, "count/persistentvolumeclaims": one}
    of_class = f"{storage.get('storageClassName')}.storageclass.storage.k8s.io"
    return claimed | {f"{of_class}/requests.storage": size, f"{of_class}/persistentvolumeclaims": one}


def _hard(quota: ResourceQuota) -> Quantities:
    return amounts(quota.spec.hard if quota.spec else None)


def _quota(quota: ResourceQuota) -> str:
    return f"ResourceQuota {name_of(quota)}"


# places


def _part_of(counted: str) -> tuple[str, str]:
    """requests.cpu and cpu are requests of cpu."""
    part, dot, resource = counted.partition(".")
    return (part, resource) if dot and part in ("requests", "limits") else ("requests", counted)


def _place(pod: Pod, one: Container, part: str) -> str:
    """Where the requests or the limits of a container are set."""
    place = one.limits_at if part == "limits" else one.requests_at
    return place or f"the {part} of the {pod.component} pod"


def _places(pod: Pod, part: str) -> str:
    """Those of all containers of a pod, of which the first counts most."""
    return _place(pod, pod.containers[0], part)


def _key_of(pod: Pod, counted: str) -> str:
    """The key of the container that takes most of what a quota counts of a pod."""
    part, resource = _part_of(counted)
    most = max(pod.every, key=lambda one: (one.limits if part == "limits" else one.requests).get(resource, Decimal(0)))
    return f"{_place(pod, most, part)}.{resource}"


def _lower(components: Sequence[str], keys: Mapping[str, str], counted: str) -> str:
    """What may be lowered of these components instead of raising a quota."""
    if counted.endswith("requests.storage"):
        return "lower storage.size, or "
    if not counted.startswith(("requests.", "limits.")) and counted not in ("cpu", "memory", "ephemeral-storage"):
        return ""
    return f"lower {', '.join(keys[component] for component in components)}, or "


def _or_none(much: Decimal) -> str:
    return quantity(much) if much else "not set"
