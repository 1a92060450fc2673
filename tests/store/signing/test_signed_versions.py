"""A version is accepted with a signature of a key that is trusted, over exactly the files that it has."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from atelier_store.audit import audit
from atelier_store.layout import ModelPaths, VersionPaths
from atelier_store.provenance import Statement
from atelier_store.signing import keys
from atelier_store.signing.envelopes import envelope
from atelier_store.signing.models import NotSigned, Signer, signed_by

Json = dict[str, Any]


def sign(model: ModelPaths, version: VersionPaths, key: Path) -> Json:
    """Sign it; the signature."""
    Signer(model, keys.read_ecdsa(key)).sign(version, version.version)
    signature: Json = json.loads(model.signature(version.version).read_bytes())
    return signature


def problems(model: ModelPaths, version: VersionPaths, *trusted: Path) -> list[str]:
    """Why the version is not accepted by whoever trusts the public halves of these keys, without the file's name."""
    public = [one for key in trusted for one in keys.read_public(key.with_suffix(".pub"))]
    with pytest.raises(NotSigned) as refused:
        signed_by(version, model.signature(version.version), public)
    return [line.removeprefix(f"signatures/{version.version}.sig: ") for line in refused.value.problems]


def test_the_key_that_has_signed_a_version_is_found_among_those_that_are_trusted(
    model: ModelPaths, version: VersionPaths, key: Path, other_key: Path, tmp_path: Path
) -> None:
    assert problems(model, version, key) == ["there is no signature"]
    both = tmp_path / "both.pub"
    both.write_bytes(other_key.with_suffix(".pub").read_bytes() + key.with_suffix(".pub").read_bytes())
    for signing in (key, other_key):  # the second replaces the first
        sign(model, version, signing)
        found = signed_by(version, model.signature(version.version), keys.read_public(both))
        assert keys.fingerprint(found) == keys.fingerprint(keys.read(signing).public_key())
    assert problems(model, version, key) == ["is of no key that is trusted"]


def added(folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more" / "file").touch()


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed byte": (
        lambda folder: (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes() + b" "),
        "model.onnx has changed since it was signed",
    ),
    "a missing file": (lambda folder: (folder / "report.json").unlink(), "report.json is signed, and missing"),
    "a file more": (added, "more/file is not signed"),
}


@pytest.mark.parametrize(("change", "says"), CHANGES.values(), ids=list(CHANGES))
def test_a_version_with_other_files_than_those_that_were_signed_is_not_accepted(
    model: ModelPaths, version: VersionPaths, key: Path, change: Callable[[Path], object], says: str
) -> None:
    sign(model, version, key)
    change(version.folder)
    assert problems(model, version, key) == [says]


def forged(signature: Json, key: Path, **changes: object) -> bytes:
    """The signature with other members in what it says, signed by the key all the same."""
    said = json.loads(base64.b64decode(signature["dsseEnvelope"]["payload"])) | changes
    return json.dumps(signature | {"dsseEnvelope": envelope(Statement.model_validate(said), keys.read(key))}).encode()


def test_what_is_no_signature_of_a_model_is_not_accepted(model: ModelPaths, version: VersionPaths, key: Path) -> None:
    signature, file = sign(model, version, key), model.signature(version.version)
    for content in (b"", b"{}", b"\xff", file.read_bytes()[:-9], json.dumps({"dsseEnvelope": {}}).encode()):
        file.write_bytes(content)
        assert problems(model, version, key) == ["is no signature of a model"]
    file.write_bytes(forged(signature, key, predicateType="https://slsa.dev/provenance/v1"))
    assert problems(model, version, key) == ["signs something else than a model"]
    other = [{"name": version.version, "digest": {"sha256": "0" * 64}}]
    file.write_bytes(forged(signature, key, subject=other))
    assert problems(model, version, key) == ["its digest is not that of the files that it names"]


def test_a_changed_bit_of_what_is_signed_is_noticed(model: ModelPaths, version: VersionPaths, key: Path) -> None:
    signature, file = sign(model, version, key), model.signature(version.version)
    payload = base64.b64decode(signature["dsseEnvelope"]["payload"])
    for at in range(0, len(payload), 97):
        changed = payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1 :]
        sealed = signature["dsseEnvelope"] | {"payload": base64.b64encode(changed).decode()}
        file.write_text(json.dumps(signature | {"dsseEnvelope": sealed}))
        assert problems(model, version, key) == ["is of no key that is trusted"]


def test_a_statement_about_other_files_is_named_by_an_audit(model: ModelPaths, version: VersionPaths) -> None:
    said = Statement.read(version.provenance)
    subject = [one.model_copy(update={"digest": {"sha256": "0" * 64}}) for one in said.subject]
    said.model_copy(update={"subject": tuple(subject)}).write(version.provenance)
    (mismatch,) = [found for found in audit(model.store).mismatches if found.path.is_relative_to(version.folder)]
    assert (mismatch.path, mismatch.problem) == (version.provenance, "is not about the files of this version")
