"""What is signed is what a stranger checks with the public key alone; nothing that is damaged is signed."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from atelier_store.files import sha256_file
from atelier_store.layout import Store, VersionPaths
from atelier_store.signing.envelopes import pre_authentication
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.support.experiments import two_trials
from tests.support.searches import Completed, atelier


def sign(store: Store, key: Path, *arguments: str) -> Completed:
    return atelier("sign", "--model", "digits", "--store", str(store.root), "--key", str(key), *arguments)


def verified(envelope: dict[str, Any], key: Path) -> Any:
    """The statement in an envelope. InvalidSignature."""
    public = load_pem_public_key(key.with_suffix(".pub").read_bytes())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    payload = base64.b64decode(envelope["payload"])
    (signature,) = envelope["signatures"]
    signed = pre_authentication(envelope["payloadType"], payload)
    public.verify(base64.b64decode(signature["sig"]), signed, ec.ECDSA(SHA256()))
    return json.loads(payload)


def test_what_is_signed_has_its_type_and_lengths_before_it() -> None:
    """The example of the specification, protocol.md."""
    assert pre_authentication("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_the_statement_of_a_version_says_where_it_comes_from(store: Store, version: VersionPaths, key: Path) -> None:
    done = sign(store, key)
    paths = store.model("digits")
    assert (done.returncode, done.stdout) == (0, "")
    said = verified(json.loads(paths.signed_provenance(version.version).read_text()), key)
    assert said["predicateType"] == "https://slsa.dev/provenance/v1"
    files = (version.manifest, version.network, version.reference)
    assert {one["name"]: one["digest"]["sha256"] for one in said["subject"]} == {
        file.name: sha256_file(file) for file in files
    }
    build, run = said["predicate"]["buildDefinition"], said["predicate"]["runDetails"]
    assert build["externalParameters"]["spec"]["trainer"]["maxEpochs"] == 3
    assert build["internalParameters"]["config"]["seed"] == 2
    assert [one["digest"]["sha256"] for one in build["resolvedDependencies"]] == ["d" * 64, "n" * 64]
    assert {one["name"] for one in run["byproducts"]} == {"promotion.json", "report.json"}


def test_a_version_is_signed_as_often_as_one_likes_and_stays_as_it_is(
    store: Store, version: VersionPaths, key: Path
) -> None:
    before = {path.name: path.read_bytes() for path in version.folder.iterdir()}
    assert sign(store, key).returncode == sign(store, key, "--version", version.version).returncode == 0
    assert {path.name: path.read_bytes() for path in version.folder.iterdir()} == before
    assert atelier("audit", "--store", str(store.root)).returncode in (0, 1)  # the made-up data are not there


def test_a_signature_of_something_else_is_noticed(store: Store, version: VersionPaths, key: Path) -> None:
    sign(store, key)
    envelope = json.loads(store.model("digits").signed_provenance(version.version).read_text())
    payload = base64.b64decode(envelope["payload"]).replace(b"digits", b"digitz", 1)
    with pytest.raises(InvalidSignature):
        verified(envelope | {"payload": base64.b64encode(payload).decode()}, key)


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json", "promotion.json"])
def test_a_damaged_version_is_not_signed(store: Store, version: VersionPaths, key: Path, name: str) -> None:
    file = version.folder / name
    file.write_bytes(file.read_bytes().replace(b"0.9", b"0.8") + b" ")
    refused = sign(store, key, "--version", version.version)
    assert refused.returncode == 2
    assert f"version {version.version} is damaged: " in refused.stderr and name in refused.stderr
    assert not store.model("digits").signature(version.version).exists()


def test_a_version_that_is_not_there_is_answered_with_those_that_are(
    store: Store, version: VersionPaths, key: Path
) -> None:
    refused = sign(store, key, "--version", "0" * 12)
    assert refused.returncode == 2
    assert refused.stderr == f"version: digits has no version '{'0' * 12}'; it has: {version.version}\n"
    store.model("digits").current.unlink()
    refused = sign(store, key)
    assert (refused.returncode, refused.stderr) == (2, "digits serves no version; say which with --version\n")


def test_a_signed_audit_says_all_that_the_file_says(store: Store, key: Path, tmp_path: Path) -> None:
    two_trials(store)
    file = tmp_path / "audit.json"
    done = atelier("audit", "--report", str(file), "--sign", str(key), "--store", str(store.root))
    assert done.returncode in (0, 1), done.stderr
    said = verified(json.loads(file.with_name("audit.json.intoto").read_text()), key)
    assert said["subject"] == [{"name": "audit.json", "digest": {"sha256": sha256_file(file)}}]
    assert said["predicate"] == json.loads(file.read_text())


def test_a_key_without_a_report_is_refused_before_anything_is_hashed(store: Store, key: Path) -> None:
    two_trials(store)
    refused = atelier("audit", "--sign", str(key), "--store", str(store.root))
    assert refused.returncode == 2
    assert refused.stderr == f"--sign {key}: a report is signed; name one with --report FILE\n"
