"""Signatures of a version's files (OpenSSF Model Signing 1.0), and of the statement of where they come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from pydantic import BaseModel, Field, ValidationError

from atelier_store import bundle, pointer
from atelier_store.errors import InvalidInput
from atelier_store.files import sha256_file, write_text
from atelier_store.layout import ModelPaths, VersionPaths
from atelier_store.provenance import Statement, Subject, provenance, subjects
from atelier_store.records import Promotion, TornRecord
from atelier_store.signing.envelopes import Envelope, Json, envelope, signer
from atelier_store.signing.keys import PublicKey, fingerprint

MODEL_SIGNATURE = "https://model_signing/signature/v1.0"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


class Resource(BaseModel):
    """A file that is signed, by its path in the folder."""

    name: str
    algorithm: Literal["sha256"]
    digest: str = Field(pattern="^[0-9a-f]{64}$")


class Predicate(BaseModel):
    """What a model signature says: the digest of each file."""

    resources: tuple[Resource, ...]


class Signed(BaseModel):
    """The payload of a model signature."""

    predicateType: Literal["https://model_signing/signature/v1.0"]
    subject: tuple[Subject]
    predicate: Predicate


class SignatureFile(BaseModel):
    """A model signature, as far as it has to be read: the key that it names is not believed."""

    dsseEnvelope: Envelope


class NotSigned(ValueError):
    """A version without a valid signature of any of the given keys; problems lists what is wrong with it."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True)
class Signer:
    """Signs the versions of a model with a private key. The signatures lie beside a version, which never changes."""

    paths: ModelPaths
    key: EllipticCurvePrivateKey

    def sign(self, files: VersionPaths, version: str) -> None:
        """Sign the files in a folder, which are or will be this version. OSError, TornRecord."""
        said = provenance(self.paths.store, files)
        _write(self.paths.signed_provenance(version), envelope(said, self.key))
        _write(self.paths.signature(version), model_signature(files, version, self.key))

    def has_signed(self, files: VersionPaths) -> bool:
        """Whether the version has a valid signature of this key. OSError."""
        try:
            signed_by(files, self.paths.signature(files.version), [self.key.public_key()])
        except NotSigned:
            return False
        return self.paths.signed_provenance(files.version).exists()


def whole(paths: ModelPaths, name: str | None) -> VersionPaths:
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
    for read in (lambda: Promotion.read(files.promotion), lambda: Statement.read_if_there(files.provenance)):
        try:
            read()
        except (FileNotFoundError, TornRecord) as error:
            problems.append(str(error))
    if problems:
        raise InvalidInput([f"version {files.version} is damaged: {problem}" for problem in problems])
    return files


def model_signature(files: VersionPaths, version: str, key: EllipticCurvePrivateKey) -> Json:
    """A detached signature of every file in the version's folder, as `model_signing verify key` reads it."""
    digests = _digests(files.folder)
    resources = [{"name": name, "algorithm": "sha256", "digest": digest} for name, digest in digests.items()]
    how = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []}
    predicate = {"serialization": how, "resources": resources}
    together = subjects({version: _together(digests.values())})
    said = Statement(subject=together, predicate_type=MODEL_SIGNATURE, predicate=predicate)
    return {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": fingerprint(key.public_key())}, "tlogEntries": []},
        "dsseEnvelope": envelope(said, key),
    }


def signed_by(files: VersionPaths, signature: Path, keys: Sequence[PublicKey]) -> PublicKey:
    """The one of these keys that has signed the files in the version's folder, all of them as they are.

    NotSigned; OSError.
    """
    try:
        sealed = SignatureFile.model_validate_json(signature.read_bytes()).dsseEnvelope
    except FileNotFoundError:
        raise NotSigned([f"{_below(signature)}: there is no signature"]) from None
    except ValidationError as error:
        raise NotSigned([f"{_below(signature)}: is no signature of a model"]) from error
    key = signer(sealed, keys)
    if key is None:
        raise NotSigned([f"{_below(signature)}: is of no key that is trusted"])
    try:
        said = Signed.model_validate_json(sealed.payload)
    except ValidationError as error:
        raise NotSigned([f"{_below(signature)}: signs something else than a model"]) from error
    if differences := list(_differences(files, said)):
        raise NotSigned([f"{_below(signature)}: {difference}" for difference in differences])
    return key


def _differences(files: VersionPaths, said: Signed) -> Iterator[str]:
    """How the files are not those that were signed."""
    signed, real = {one.name: one.digest for one in said.predicate.resources}, _digests(files.folder)
    if said.subject[0].digest.get("sha256") != _together(signed.values()):
        yield "its digest is not that of the files that it names"
    for name in sorted(signed.keys() | real.keys()):
        if name not in signed:
            yield f"{name} is not signed"
        elif name not in real:
            yield f"{name} is signed, and missing"
        elif signed[name] != real[name]:
            yield f"{name} has changed since it was signed"


def _digests(folder: Path) -> dict[str, str]:
    """The sha256 of every file in a folder, by its path there, in the order in which they are signed."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}


def _together(digests: Iterable[str]) -> str:
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


def _below(signature: Path) -> str:
    """A signature's name with its folder's, which is all that tells it from the files of the version."""
    return f"{signature.parent.name}/{signature.name}"


def _write(path: Path, value: Json) -> None:
    write_text(path, json.dumps(value, ensure_ascii=False) + "\n")
