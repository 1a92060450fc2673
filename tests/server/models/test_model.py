"""How a version is loaded: from one read of its manifest, and in one session."""

from pathlib import Path

import pytest
from atelier_server.models import runtime
from atelier_server.models.errors import BadBundle
from atelier_server.models.model import load
from atelier_store.layout import Store

from tests.support.onnx_bundles import image_bundle, publish


def test_the_manifest_whose_digest_was_checked_is_the_one_that_is_used(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = publish(store, image_bundle())
    path = store.model("digits").versions / version / "manifest.json"
    real = Path.read_bytes

    def replaced_after_the_read(file: Path) -> bytes:
        content = real(file)
        if file == path:
            path.write_bytes(content.replace(b'"three"', b'"other"').replace(b'"two"', b'"other"'))
        return content

    labels = load(store.model("digits"), version).manifest.labels
    monkeypatch.setattr(Path, "read_bytes", replaced_after_the_read)
    assert load(store.model("digits"), version).manifest.labels == labels
    assert b'"other"' in real(path)


def test_a_network_is_opened_once_for_verification_and_service(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    version = publish(store, image_bundle())
    opened: list[int | None] = []
    real = runtime.open_session

    def counted(path: Path, threads: int | None = None) -> object:
        opened.append(threads)
        return real(path, threads)

    monkeypatch.setattr(runtime, "open_session", counted)
    load(store.model("digits"), version, threads=2)
    assert opened == [2]


@pytest.mark.parametrize(("given", "words"), [("0" * 64, "current.json names"), (None, "names this version")])
def test_a_manifest_with_another_digest_is_refused(store: Store, given: str | None, words: str) -> None:
    paths = store.model("digits")
    version = publish(store, image_bundle())
    path = paths.versions / version / "manifest.json"
    if given is None:
        path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(BadBundle, match=words) as refused:
        load(paths, version, given)
    assert str(path) in str(refused.value) and len(refused.value.problems) == 1
