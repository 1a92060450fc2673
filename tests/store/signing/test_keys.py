"""A key that cannot sign is refused with what can."""

from pathlib import Path

import pytest
from atelier_store.errors import InvalidInput
from atelier_store.signing import keys
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.support.private_keys import write_key

CURVES = (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())


@pytest.mark.parametrize(
    "key",
    [*map(ec.generate_private_key, CURVES), ed25519.Ed25519PrivateKey.generate()],
    ids=["P-256", "P-384", "P-521", "Ed25519"],
)
def test_keys_of_every_allowed_kind_sign(tmp_path: Path, key: keys.PrivateKey) -> None:
    read = keys.read(write_key(tmp_path / "key.pem", key))
    signature = keys.sign(read, b"message")
    if isinstance(key, ed25519.Ed25519PrivateKey):
        key.public_key().verify(signature, b"message")
        with pytest.raises(InvalidInput, match="is an Ed25519 key; allowed for models: ECDSA with P-256"):
            keys.read_ecdsa(tmp_path / "key.pem")
    else:
        key.public_key().verify(signature, b"message", ec.ECDSA(keys.HASHES[key.curve.name]))
    assert keys.fingerprint(read.public_key()) == keys.fingerprint(key.public_key())


def refusal(path: Path) -> str:
    with pytest.raises(InvalidInput) as refused:
        keys.read(path)
    (line,) = refused.value.violations
    return line.removeprefix(f"{path}: ")


def test_other_keys_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    allowed = "allowed: ECDSA with P-256, P-384 or P-521, or Ed25519"
    assert refusal(write_key(path, rsa.generate_private_key(65537, 2048))) == f"is a key for RSA; {allowed}"
    curve = write_key(path, ec.generate_private_key(ec.SECP256K1()))
    assert refusal(curve) == f"is a key for EC secp256k1; {allowed}"
    encrypted = write_key(path, ec.generate_private_key(ec.SECP256R1()), password=b"secret")
    assert refusal(encrypted) == "is encrypted; allowed: a private key without a password"
    assert refusal(path.with_suffix(".pub")).startswith("is no private key in PEM; make one with: openssl ecparam")


def test_a_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nokey\.pem"):
        keys.read(tmp_path / "nokey.pem")


def test_public_keys_of_any_allowed_curve_are_read_from_one_file(tmp_path: Path) -> None:
    made = [ec.generate_private_key(curve) for curve in CURVES]
    pems = [write_key(tmp_path / "key.pem", key).with_suffix(".pub").read_bytes() for key in made]
    (tmp_path / "all.pub").write_bytes(b"# of the team\n" + b"\n".join(pems))
    expected = [keys.fingerprint(key.public_key()) for key in made]
    assert list(map(keys.fingerprint, keys.read_public(tmp_path / "all.pub"))) == expected
    for number, pem in enumerate(pems):  # as a volume of several ConfigMaps and Secrets is mounted
        (tmp_path / "mounted" / "..data").mkdir(parents=True, exist_ok=True)
        (tmp_path / "mounted" / f"{number}.pub").write_bytes(pem)
    assert list(map(keys.fingerprint, keys.read_public(tmp_path / "mounted"))) == expected


def test_a_file_without_a_public_key_that_will_do_is_refused_with_what_will(tmp_path: Path) -> None:
    def refused(path: Path) -> str:
        with pytest.raises(InvalidInput) as error:
            keys.read_public(path)
        return error.value.violations[0].removeprefix(f"{path}: ")

    path = write_key(tmp_path / "key.pem", ed25519.Ed25519PrivateKey.generate())
    assert refused(path.with_suffix(".pub")) == "holds a key for Ed25519; allowed: ECDSA with P-256, P-384 or P-521"
    assert refused(path).startswith("holds no public key in PEM; write that of a private key with: openssl ec -in")
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "empty") == "holds no file with a public key"
    path.write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    assert refused(path).startswith("holds a public key that cannot be read; write it with: openssl ec -in")
