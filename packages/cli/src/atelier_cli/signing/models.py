"""What is signed of a version of a model: its files (OpenSSF Model Signing 1.0), and where it comes from (SLSA 1)."""

from __future__ import annotations

import hashlib
from typing import Any

from atelier_store import bundle, pointer
from atelier_store.curve import read_curve
from atelier_store.errors import InvalidInput
from atelier_store.files import sha256_file
from atelier_store.layout import ModelPaths, VersionPaths
from atelier_store.records import Manifest, Promotion, TornRecord
from atelier_store.spec import Spec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from atelier_cli.signing.envelopes import Json, envelope, statement
from atelier_cli.signing.keys import fingerprint

MODEL_SIGNATURE = "https://model_signing/signature/v1.0"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PROVENANCE = "https://slsa.dev/provenance/v1"
PROJECT = "https://github.com/katib-nas-atelier/katib-nas-atelier"


def version(paths: ModelPaths, name: str | None) -> VersionPaths:
    """The version of this name, or the one that is served, whole. InvalidInput with everything that is wrong."""
    served = pointer.served(paths)
    if name is None and served is None:
        raise InvalidInput([f"{paths.name} serves no version; say which with --version"])
    files = paths.version(name) if name is not None else served.files if served else None
    assert files is not None
    if not files.folder.is_dir():
        known = ", ".join(sorted(path.name for path in paths.versions.glob("[!.]*"))) or "none"
        raise InvalidInput([f"version: {paths.name} has no version {name!r}; it has: {known}"])
    problems = bundle.check_digests(files)
    if not problems and not sha256_file(files.manifest).startswith(files.version):
        problems = [f"{files.manifest.name} is not the one that the version is named after"]
    try:
        Promotion.read(files.promotion)
    except (FileNotFoundError, TornRecord) as error:
        problems.append(str(error))
    if problems:
        raise InvalidInput([f"version {files.version} is damaged: {problem}" for problem in problems])
    return files


def model_signature(files: VersionPaths, key: EllipticCurvePrivateKey) -> Json:
    """A detached signature of every file in the version's folder, as `model_signing verify key` reads it."""
    digests = {path.name: sha256_file(path) for path in sorted(files.folder.iterdir()) if path.is_file()}
    together = hashlib.sha256(b"".join(map(bytes.fromhex, digests.values()))).hexdigest()
    resources = [{"name": name, "algorithm": "sha256", "digest": digest} for name, digest in digests.items()]
    how = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []}
    said = statement({files.version: together}, MODEL_SIGNATURE, {"serialization": how, "resources": resources})
    return {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": fingerprint(key)}, "tlogEntries": []},
        "dsseEnvelope": envelope(said, key),
    }


def provenance(paths: ModelPaths, files: VersionPaths, key: EllipticCurvePrivateKey) -> Json:
    """A signed statement of where the bundle comes from: spec, data, code, environment, trial."""
    manifest, promotion = Manifest.read(files.manifest), Promotion.read(files.promotion)
    subjects = {path.name: sha256_file(path) for path in (files.manifest, *files.contents)}
    predicate = {
        "buildDefinition": {
            "buildType": f"{PROJECT}/search/v1",
            "externalParameters": _spec(paths, promotion),
            "internalParameters": {
                "config": manifest.config.model_dump(mode="json", exclude_none=True),
                "environment": manifest.provenance.environment.model_dump(mode="json"),
            },
            "resolvedDependencies": list(_dependencies(manifest)),
        },
        "runDetails": _run(paths, files, manifest, promotion),
    }
    return envelope(statement(subjects, PROVENANCE, predicate), key)


def _spec(paths: ModelPaths, promotion: Promotion) -> Json:
    """The spec of the search that promoted it, as far as the store still has it."""
    try:
        spec: Any = Spec.read(paths.store.experiment(promotion.experiment).spec).model_dump(mode="json", by_alias=True)
    except (OSError, ValueError):
        spec = None
    return {"experiment": promotion.experiment, "spec": spec}


def _dependencies(manifest: Manifest) -> list[Json]:
    named = [
        ("data", manifest.provenance.data_digest, "dtypes, shapes and bytes of the prepared arrays, and the labels"),
        ("network code", manifest.provenance.network_digest, "the files that build the network"),
    ]
    return [{"name": name, "digest": {"sha256": digest}, "annotations": {"over": over}} for name, digest, over in named]


def _run(paths: ModelPaths, files: VersionPaths, manifest: Manifest, promotion: Promotion) -> Json:
    release = manifest.provenance.environment.code_version
    curve = read_curve(paths.store.trial(promotion.key).metrics)
    times = {"finishedOn": curve[-1].finished_at} if curve else {}
    others = (files.promotion, files.report)
    byproducts = [{"name": path.name, "digest": {"sha256": sha256_file(path)}} for path in others if path.exists()]
    return {
        "builder": {"id": f"{PROJECT}/trainer", "version": {"katib-nas-atelier": release}},
        "metadata": {"invocationId": f"{promotion.experiment}/{promotion.trial}/{promotion.key}", **times},
        "byproducts": byproducts,
    }
