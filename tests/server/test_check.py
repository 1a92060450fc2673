"""check, as `helm test` runs it: whether a running server answers over HTTP as its model did when it was trained."""

import shutil
import subprocess

import httpx
import pytest
from atelier_store.layout import Store

from tests.support.called import called
from tests.support.onnx_bundles import image_bundle, place, publish
from tests.support.server_process import Server, free_port, serving

pytestmark = pytest.mark.process


def check(store: Store, url: str, model: str = "digits", *arguments: str) -> subprocess.CompletedProcess[str]:
    return called("check", "--store", str(store.root), "--model", model, "--url", url, *arguments)


@pytest.mark.parametrize("kind", ["images", "rows", "passengers"])
def test_a_server_that_answers_its_reference_inputs_is_right(request: pytest.FixtureRequest, kind: str) -> None:
    server: Server = request.getfixturevalue(kind)
    found = check(server.store, server.url, server.model)
    assert found.returncode == 0, found.stderr
    assert "reference inputs give their reference outputs" in found.stderr


def test_a_server_without_a_model_is_right_too(store: Store) -> None:
    with serving(store) as server:
        found = check(store, server.url)
    assert found.returncode == 0, found.stderr
    assert "no model is promoted yet" in found.stderr


def test_a_server_that_asks_for_a_token_is_asked_with_the_one_in_the_file(store: Store) -> None:
    publish(store, image_bundle())
    right, wrong = (store.root.parent / name for name in ("right", "wrong"))
    right.write_text("a-token\n")
    wrong.write_text("another\n")
    with serving(store, "digits", "--token-file", str(right)) as server:
        assert check(store, server.url, "digits", "--token-file", str(right)).returncode == 0
        for refused in (check(store, server.url), check(store, server.url, "digits", "--token-file", str(wrong))):
            assert refused.returncode == 1
            assert "401 Unauthorized" in refused.stderr and "a-token" not in refused.stderr
        missing = check(store, server.url, "digits", "--token-file", str(store.root / "none"))
    assert missing.returncode == 1
    assert str(store.root / "none") in missing.stderr


def test_answers_of_another_model_are_found_out(images: Server, store: Store) -> None:
    """The store that the check reads is not the one that is served."""
    version = images.version()
    assert version is not None
    place(store, image_bundle(seed=2))
    folder = store.model("digits").versions
    next(folder.iterdir()).rename(folder / version)
    found = check(store, images.url)
    assert found.returncode == 1
    assert f"digits version {version}: recomputed outputs differ by up to" in found.stderr


def test_a_version_that_is_not_in_the_store_is_named(images: Server, store: Store) -> None:
    found = check(store, images.url)
    assert found.returncode == 1
    assert str(images.version()) in found.stderr


def test_a_server_that_is_not_there_is_said(store: Store) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    found = check(store, url)
    assert found.returncode == 1
    assert url in found.stderr


def test_the_server_is_asked_and_not_the_file(store: Store) -> None:
    """Whoever breaks the served network's file later is not noticed: the loaded one answers."""
    publish(store, image_bundle())
    with serving(store) as server:
        assert httpx.get(f"{server.url}/model").status_code == 200
        for onnx in store.root.rglob("model.onnx"):
            shutil.copy(onnx, onnx.with_suffix(".kept"))
            onnx.write_bytes(b"broken")
        assert check(store, server.url).returncode == 0
