"""Data from S3, by the usual variables and files, over a wire that breaks: only what was declared is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from atelier_trial.data import DataError
from atelier_trial.data.downloads import download

from tests.support.s3_server import REGION, S3Server, Wire, write_own_ca
from tests.trial.place import Place

pytestmark = pytest.mark.process

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
URL = "s3://data/a%20folder/set.npz"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        server.put("data", "a folder/set.npz", CONTENT)
        server.put("data", "empty.npz", b"")
        yield server
    finally:
        server.stop()


@pytest.fixture
def wire(server: S3Server) -> Iterator[Wire]:
    wire = Wire(server.url)
    yield wire
    wire.close()


@pytest.fixture(autouse=True)
def environment(wire: Wire, server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual variables: the server by the wire, and the key of a user."""
    variables = {"ENDPOINT_URL": wire.url, "ACCESS_KEY_ID": server.key, "SECRET_ACCESS_KEY": server.secret}
    files = {"CONFIG_FILE": str(tmp_path / "config"), "SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    for name, value in {**variables, **files, "DEFAULT_REGION": REGION, "EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "downloads").mkdir()
    return tmp_path / "downloads"


def fetched(folder: Path, url: str = URL, sha256: str = SHA256) -> bytes:
    download("trainer.data.files.train", url, sha256, folder / "set.npz", {}, lambda _: None)
    return (folder / "set.npz").read_bytes()


def refused(folder: Path, url: str = URL, sha256: str = SHA256) -> str:
    with pytest.raises(DataError) as error:
        fetched(folder, url, sha256)
    (violation,) = error.value.violations
    return violation


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_data_are_prepared_from_the_endpoint_with_the_key_of_the_environment(
    place: Place, server: S3Server, wire: Wire
) -> None:
    rows = b"a,y\n" + b"1,no\n2,yes\n" * 20
    server.put("data", "more/rows.csv", rows)
    files = {"train": {"url": "s3://data/more/rows.csv", "sha256": hashlib.sha256(rows).hexdigest()}}

    description = place.prepare("csv", files=files, target="y")

    assert (description.labels, description.train_rows + description.test_rows) == (("no", "yes"), 40)
    assert [head.partition("\r")[0] for head in wire.heads] == ["GET /data/more/rows.csv HTTP/1.1"]


def test_a_profile_says_endpoint_and_key(
    folder: Path, tmp_path: Path, server: S3Server, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ENDPOINT_URL", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "DEFAULT_REGION"):
        monkeypatch.delenv(f"AWS_{name}")
    monkeypatch.setenv("AWS_PROFILE", "lab")
    (tmp_path / "config").write_text(f"[profile lab]\nregion = {REGION}\nendpoint_url = {wire.url}\n")
    keys = f"aws_access_key_id = {server.key}\naws_secret_access_key = {server.secret}\n"
    (tmp_path / "credentials").write_text(f"[lab]\n{keys}")

    assert fetched(folder) == CONTENT

    (authorization,) = wire.asked("Authorization")
    assert authorization is not None and f"Credential={server.key}/" in authorization


def test_a_connection_that_breaks_off_is_made_again_from_where_it_was(folder: Path, wire: Wire) -> None:
    wire.most = 500_000

    assert fetched(folder) == CONTENT

    assert wire.asked("Range") == [None, "bytes=500000-", "bytes=1000000-"]
    assert left(folder) == ["set.npz"]


def test_a_wire_that_brings_nothing_is_given_up_and_the_next_command_goes_on(folder: Path, wire: Wire) -> None:
    (folder / f".set.npz.{SHA256[:16]}.part").write_bytes(CONTENT[:1000])
    wire.most = 0

    said = refused(folder)

    assert said.startswith(f"trainer.data.files.train: {URL} could not be fetched: ")
    assert "; try again, which goes on after 1,000 bytes, or put set.npz into" in said
    assert wire.asked("Range") == ["bytes=1000-"]
    wire.most = None
    assert fetched(folder) == CONTENT


@pytest.mark.parametrize("content", [b"x" * 1000, CONTENT, CONTENT + b"x"], ids=["other bytes", "whole", "too much"])
def test_what_was_left_behind_is_kept_if_it_is_right_else_fetched_again(
    folder: Path, wire: Wire, content: bytes
) -> None:
    (folder / f".set.npz.{SHA256[:16]}.part").write_bytes(content)

    assert fetched(folder) == CONTENT

    ranges = wire.asked("Range")
    assert ranges[0] == f"bytes={len(content)}-"
    assert (ranges[-1] is None) == (content != CONTENT)


def test_another_content_than_declared_is_refused_and_not_kept(folder: Path) -> None:
    said = refused(folder, sha256="0" * 64)

    assert said == f"trainer.data.files.train: set.npz: wrong sha256: expected {'0' * 64}, found {SHA256}"
    assert left(folder) == []


def test_a_file_without_content_is_not_taken_for_whole(folder: Path) -> None:
    said = refused(folder, "s3://data/empty.npz")

    assert "wrong sha256" in said and left(folder) == []


@pytest.mark.parametrize(
    ("url", "why"), [("s3://data/gone.npz", "NoSuchKey"), ("s3://gone/set.npz", "NoSuchBucket")], ids=["key", "bucket"]
)
def test_what_is_not_there_is_refused_with_the_servers_reason(folder: Path, url: str, why: str) -> None:
    said = refused(folder, url)

    assert f"{url} could not be fetched: " in said and why in said
    assert left(folder) == []


def test_a_wrong_secret_is_refused_and_told_nobody(folder: Path, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")

    said = refused(folder)

    assert "SignatureDoesNotMatch" in said and "hunter2" not in said + "".join(wire.heads)


def test_without_credentials_nothing_is_signed_which_a_public_object_allows(
    folder: Path, server: S3Server, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    server.put("data", "public/set.npz", CONTENT, acl="public-read")
    server.ask_for_signatures(False)  # else the server lets nobody by, whatever the object is
    try:
        assert "403" in refused(folder)
        assert fetched(folder, "s3://data/public/set.npz") == CONTENT
    finally:
        server.ask_for_signatures(True)
    assert set(wire.asked("Authorization")) == {None}


def test_an_authority_of_ones_own_is_trusted_by_its_variable_alone(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca, certificate = write_own_ca(tmp_path)
    server = S3Server(tmp_path, ca, certificate)
    try:
        server.put("data", "a folder/set.npz", CONTENT)
        variables = {"ENDPOINT_URL": server.url, "ACCESS_KEY_ID": server.key, "SECRET_ACCESS_KEY": server.secret}
        for name, value in variables.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        assert "CERTIFICATE_VERIFY_FAILED" in refused(folder)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(ca))
        assert fetched(folder) == CONTENT
    finally:
        server.stop()
