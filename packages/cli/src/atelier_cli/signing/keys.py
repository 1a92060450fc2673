"""Private keys in PEM files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from atelier_store.errors import InvalidInput
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HASHES = {"secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}
CURVES = "ECDSA with P-256, P-384 or P-521"
MAKE_ONE = "openssl ecparam -name prime256v1 -genkey -noout -out key.pem"

Key = EllipticCurvePrivateKey | Ed25519PrivateKey


def read(path: Path) -> Key:
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


def _kind(key: object) -> str:
    curve = f" {key.curve.name}" if isinstance(key, EllipticCurvePrivateKey) else ""
    return type(key).__name__.removesuffix("PrivateKey").removeprefix("_") + curve


def sign(key: Key, message: bytes) -> bytes:
    """The signature; with ECDSA of the hash that has the curve's size."""
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(message)
    return key.sign(message, ECDSA(HASHES[key.curve.name]))


def fingerprint(key: Key) -> str:
    """sha256, in hex, of the public key in PEM."""
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_key().public_bytes(encoding, form)).hexdigest()
