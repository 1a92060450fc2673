"""Private and public keys in PEM files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from atelier_store.errors import InvalidInput

HASHES = {"secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}
CURVES = "ECDSA with P-256, P-384 or P-521"
MAKE_ONE = "openssl ecparam -name prime256v1 -genkey -noout -out key.pem"
MAKE_PUBLIC = "openssl ec -in key.pem -pubout -out key.pub"
_PUBLIC = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)

PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey
PublicKey = EllipticCurvePublicKey


def read(path: Path) -> PrivateKey:
    """The private key in a PEM file without a password. InvalidInput; OSError."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except TypeError as error:
        raise InvalidInput([f"{path}: is encrypted; allowed: a private key without a password"]) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput([f"{path}: is no private key in PEM; make one with: {MAKE_ONE}"]) from error
    if isinstance(key, Ed25519PrivateKey) or (isinstance(key, EllipticCurvePrivateKey) and key.curve.name in HASHES):
        return key
    raise InvalidInput([f"{path}: is a key for {_kind(key)}; allowed: {CURVES}, or Ed25519"])


def read_ecdsa(path: Path) -> EllipticCurvePrivateKey:
    """The same where only ECDSA will do. InvalidInput; OSError."""
    key = read(path)
    if isinstance(key, Ed25519PrivateKey):
        raise InvalidInput([f"{path}: is an Ed25519 key; allowed for models: {CURVES}"])
    return key


def read_public(path: Path) -> list[PublicKey]:
    """The public keys in a PEM file, or in all files of a folder, one at least in each. InvalidInput; OSError."""
    files = sorted(path.glob("[!.]*")) if path.is_dir() else [path]
    found = [key for file in files for key in _public_keys(file)]
    if not found:
        raise InvalidInput([f"{path}: holds no file with a public key"])
    return found


def _public_keys(path: Path) -> Iterator[PublicKey]:
    blocks = _PUBLIC.findall(path.read_bytes())
    if not blocks:
        raise InvalidInput([f"{path}: holds no public key in PEM; write that of a private key with: {MAKE_PUBLIC}"])
    yield from (_public(path, block) for block in blocks)


def _public(path: Path, block: bytes) -> PublicKey:
    try:
        key = serialization.load_pem_public_key(block)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput([f"{path}: holds a public key that cannot be read; write it with: {MAKE_PUBLIC}"]) from error
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in HASHES:
        return key
    raise InvalidInput([f"{path}: holds a key for {_kind(key)}; allowed: {CURVES}"])


def _kind(key: object) -> str:
    curve = f" {key.curve.name}" if isinstance(key, EllipticCurvePrivateKey | EllipticCurvePublicKey) else ""
    return re.sub("^_|(Private|Public)Key$", "", type(key).__name__) + curve


def sign(key: PrivateKey, message: bytes) -> bytes:
    """The signature; with ECDSA of the hash that has the curve's size."""
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(message)
    return key.sign(message, ECDSA(HASHES[key.curve.name]))


def has_signed(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether the signature of this message was made with the key's private half."""
    try:
        key.verify(signature, message, ECDSA(HASHES[key.curve.name]))
    except InvalidSignature:
        return False
    return True


def fingerprint(key: PublicKey | Ed25519PublicKey) -> str:
    """sha256, in hex, of the public key in PEM."""
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(encoding, form)).hexdigest()
