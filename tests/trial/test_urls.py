"""Secrets of a url stay out of the store and out of messages; what cannot be downloaded is refused before."""

from __future__ import annotations

from pathlib import Path

import pytest
from atelier_store.spec import Spec, public_url

from tests.trial.place import Place

SECRET = "https://me:hunter2@host.example/a/set.npz?X-Amz-Signature=c0ffee&id=1#part"


@pytest.mark.parametrize(
    ("url", "public"),
    [
        (SECRET, "https://host.example/a/set.npz"),
        ("ftp://user@host:2121/set.npz", "ftp://host:2121/set.npz"),
        ("http://[::1]:80/set.npz?a", "http://[::1]:80/set.npz"),
        ("https://host/a@b/set.npz", "https://host/a@b/set.npz"),
        ("https:/me:hunter2@host/set.npz?a", "https:/host/set.npz"),
        ("me:hunter2@host/set.npz?a", "host/set.npz"),
    ],
)
def test_a_public_url_has_no_user_password_query_or_fragment(url: str, public: str) -> None:
    assert public_url(url) == public


def test_a_spec_is_stored_without_the_secrets_of_its_urls(tmp_path: Path) -> None:
    files = {"train": {"url": SECRET, "sha256": "0" * 64}, "test": {"path": "b.npz"}}
    spec = Spec.model_validate(
        {
            "experiment": {"name": "a", "parameters": [], "maxTrialCount": 1, "maxFailedTrialCount": 1},
            "trainer": {"maxEpochs": 1, "data": {"source": "npz", "files": files}},
        }
    )
    spec.write(tmp_path / "spec.json")
    text = (tmp_path / "spec.json").read_text()
    assert "hunter2" not in text and "c0ffee" not in text
    stored = Spec.read(tmp_path / "spec.json")
    assert stored.search_digest == spec.search_digest
    assert stored.experiment_name == spec.experiment_name
    assert stored.trainer.data.words == spec.trainer.data.words == "npz set.npz b.npz"
    assert spec.trainer.data.files["train"].url == SECRET


def test_a_failed_download_is_told_without_secrets(place: Place) -> None:
    url = "http://me:hunter2@127.0.0.1:9/a/set.npz?token=c0ffee"
    (violation,) = place.refused("npz", files={"train": {"url": url, "sha256": "0" * 64}})
    assert "http://127.0.0.1:9/a/set.npz could not be fetched" in violation
    assert "hunter2" not in violation and "c0ffee" not in violation
    assert not place.store.root.exists()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("gs://bucket/set.npz", "scheme 'gs' is not supported; allowed: https, http, s3; else download it by other"),
        ("s3:///set.npz", "names no bucket; allowed: such as s3://bucket/folder/file"),
        ("ftp://host.example/set.npz", "scheme 'ftp' is not supported"),
        ("file:///tmp/set.npz", "scheme 'file' is not supported"),
        ("host.example/set.npz", "scheme '' is not supported"),
        ("https://me:hunter2@host.example/", "url https://host.example/ does not end in a file name"),
        ("https://host.example/a/..", "url https://host.example/a/.. does not end in a file name"),
        (f"https://host.example/{'a' * 300}.npz", "ends in a file name of 304 bytes; allowed: at most 200"),
        ("http://[::1/set.npz", "is not one: Invalid IPv6 URL"),
    ],
)
def test_a_url_that_cannot_be_downloaded_is_refused_with_what_can(place: Place, url: str, reason: str) -> None:
    (violation,) = place.refused("npz", files={"train": {"url": url, "sha256": "0" * 64}})
    assert violation.startswith("trainer.data.files.train: url ")
    assert reason in violation
