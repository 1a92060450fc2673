"""Private keys in files, as people have them."""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes


def write_key(path: Path, key: PrivateKeyTypes, password: bytes | None = None) -> Path:
    """Write a private key, and its public key beside it as .pub."""
    encrypted = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, encrypted))
    path.with_suffix(".pub").write_bytes(key.public_key().public_bytes(pem, form))
    return path
