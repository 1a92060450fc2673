"""`provenance.json`: where a version comes from: an in-toto statement (in-toto.io/Statement/v1), SLSA provenance 1.

The file is the statement alone; whoever has a key signs it, as `signing` does. Its last member is the digest that every
record of a store has: in-toto tells readers to ignore members that they do not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field

from atelier_store.curve import read_curve
from atelier_store.files import sha256_file
from atelier_store.layout import Store, VersionPaths
from atelier_store.records import Manifest, Promotion, Record
from atelier_store.spec import Spec

STATEMENT: Literal["https://in-toto.io/Statement/v1"] = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
PROJECT = "https://github.com/katib-nas-atelier/katib-nas-atelier"

Json = dict[str, Any]


class Subject(Record):
    """A file that something is said of, and its digest by algorithm."""

    name: str
    digest: dict[str, str]


class Statement(Record):
    """What is said of files: predicate, whose meaning predicateType names."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    type: Literal["https://in-toto.io/Statement/v1"] = Field(default=STATEMENT, alias="_type")
    subject: tuple[Subject, ...]
    predicate_type: str = Field(alias="predicateType")
    predicate: Json


def subjects(digests: Mapping[str, str]) -> tuple[Subject, ...]:
    """Files whose names are mapped to their sha256."""
    return tuple(Subject(name=name, digest={"sha256": digest}) for name, digest in digests.items())


def provenance(store: Store, files: VersionPaths) -> Statement:
    """The statement of a version: as it was written at the promotion, or what the store still knows of an older one."""
    return Statement.read_if_there(files.provenance) or make(store, files)


def make(store: Store, files: VersionPaths) -> Statement:
    """A statement of where the bundle comes from: spec, data, code, environment, trial. OSError, TornRecord."""
    manifest, promotion = Manifest.read(files.manifest), Promotion.read(files.promotion)
    predicate = {
        "buildDefinition": {
            "buildType": f"{PROJECT}/search/v1",
            "externalParameters": _spec(store, promotion),
            "internalParameters": {
                "config": manifest.config.model_dump(mode="json", exclude_none=True),
                "environment": manifest.provenance.environment.model_dump(mode="json"),
            },
            "resolvedDependencies": list(_dependencies(manifest)),
        },
        "runDetails": _run(store, files, manifest, promotion),
    }
    digests = {path.name: sha256_file(path) for path in (files.manifest, *files.contents)}
    return Statement(subject=subjects(digests), predicate_type=PREDICATE, predicate=predicate)


def _spec(store: Store, promotion: Promotion) -> Json:
    """The spec of the search that promoted it, as far as the store still has it."""
    try:
        spec: Any = Spec.read(store.experiment(promotion.experiment).spec).model_dump(mode="json", by_alias=True)
    except (OSError, ValueError):
        spec = None
    return {"experiment": promotion.experiment, "spec": spec}


def _dependencies(manifest: Manifest) -> list[Json]:
    named = [
        ("data", manifest.provenance.data_digest, "dtypes, shapes and bytes of the prepared arrays, and the labels"),
        ("network code", manifest.provenance.network_digest, "the files that build the network"),
    ]
    return [{"name": name, "digest": {"sha256": digest}, "annotations": {"over": over}} for name, digest, over in named]


def _run(store: Store, files: VersionPaths, manifest: Manifest, promotion: Promotion) -> Json:
    release = manifest.provenance.environment.code_version
    curve = read_curve(store.trial(promotion.key).metrics)
    times = {"finishedOn": curve[-1].finished_at} if curve else {}
    others = (files.promotion, files.report)
    byproducts = [{"name": path.name, "digest": {"sha256": sha256_file(path)}} for path in others if path.exists()]
    return {
        "builder": {"id": f"{PROJECT}/trainer", "version": {"katib-nas-atelier": release}},
        "metadata": {"invocationId": f"{promotion.experiment}/{promotion.trial}/{promotion.key}", **times},
        "byproducts": byproducts,
    }
