"""Schemas of objects: Kubernetes' kinds in three of its releases, oldest to newest, and the chart's custom kinds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from kubernetes_validate import utils as kubernetes
from referencing import Registry, Resource

HERE = Path(__file__).parent
RELEASES = ("1.31", "1.34", kubernetes.major_minor(kubernetes.latest_version()))
CUSTOM = {
    (schema["properties"]["apiVersion"]["const"], schema["properties"]["kind"]["const"]): schema
    for schema in (json.loads(path.read_text()) for path in sorted(HERE.glob("*.json")))
}
METADATA = {
    # Kubernetes checks these in Go, its schemas do not say them
    "properties": {
        "name": {"pattern": r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 63},
        "labels": {
            "propertyNames": {
                "pattern": r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$"
            },
            "additionalProperties": {
                "type": "string",
                "pattern": r"^([A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?)?$",
            },
        },
        "annotations": {"additionalProperties": {"type": "string"}},
    },
}


def violations(one: dict[str, Any]) -> list[str]:
    """Everything that is wrong with an object, each with the place; an unknown kind is wrong."""
    kind = one.get("apiVersion", ""), one.get("kind", "")
    name = f"{kind[1]}/{one.get('metadata', {}).get('name')}"
    if kind in CUSTOM:
        found = list(_errors(_validator(CUSTOM[kind]), one))
    else:
        found = [f"{error} (Kubernetes {release})" for release in RELEASES for error in _builtin_errors(one, release)]
    found += _everywhere(one)
    trial = one.get("spec", {}).get("trialTemplate", {}).get("trialSpec") if kind[1] == "Experiment" else None
    if isinstance(trial, dict):
        found += [f"/spec/trialTemplate/trialSpec: {error}" for error in violations(trial)]
    return [f"{name}: {error}" for error in found]


def _builtin_errors(one: dict[str, Any], release: str) -> Iterator[str]:
    validator = _builtin(one.get("apiVersion", ""), one.get("kind", ""), release)
    if validator is None:
        yield f"no schema for {one.get('apiVersion')} {one.get('kind')}"
    else:
        yield from _errors(validator, one)


def _errors(validator: Validator, value: Any, place: str = "") -> Iterator[str]:
    for error in validator.iter_errors(value):
        yield f"{'/'.join([place, *map(str, error.absolute_path)]) or '/'}: {error.message}"


def _everywhere(value: Any, place: str = "") -> list[str]:
    """Rules for every level: no null, which each Helm reads otherwise; metadata as Kubernetes checks it."""
    if value is None:
        return [f"{place}: null"]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [error for key, part in inner for error in _everywhere(part, f"{place}/{key}")]
    if isinstance(value, dict) and isinstance(value.get("metadata"), dict):
        found += _errors(_validator(METADATA), value["metadata"], f"{place}/metadata")
    return found


# validators


def _map_keys(validator: Validator, keys: list[str], items: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
    """x-kubernetes-list-map-keys: these tell the items of a list apart."""
    names = (
        [tuple(item.get(key) for key in keys) for item in items if isinstance(item, dict)]
        if isinstance(items, list)
        else []
    )
    for name in sorted({name for name in names if names.count(name) > 1}, key=str):
        yield ValidationError(f"{dict(zip(keys, name, strict=True))} is there {names.count(name)} times")


KubernetesValidator: Callable[..., Validator] = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"x-kubernetes-list-map-keys": _map_keys}
)


def _validator(schema: dict[str, Any]) -> Validator:
    return KubernetesValidator(schema)


@cache
def _builtin(api_version: str, kind: str, release: str) -> Validator | None:
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)  # rbac.authorization.k8s.io/v1 is rbac-v1
    try:
        schema = _bundled(f"{kind.lower()}-{group}.json", release)
    except FileNotFoundError:
        return None
    return KubernetesValidator(schema, registry=Resource.from_contents(schema) @ _definitions(release))


@cache
def _definitions(release: str) -> Registry[Any]:
    return Resource.from_contents(_bundled("_definitions.json", release)) @ Registry()


def _bundled(name: str, release: str) -> Any:
    return kubernetes.schema_contents(f"kubernetes-json-schema/v{release}.0-local-strict/{name}", release)
