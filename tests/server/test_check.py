"""check, as `helm test` runs it: whether a running server answers over HTTP as its model did when it was trained."""

import shutil
import subprocess
import sys

import httpx
import pytest
from atelier_store.layout import Store

from tests.support.onnx_bundles import Bundle, image_bundle, place, publish, rows_bundle
from tests.support.server_process import serving
from tests.support.table_bundles import table_bundle

pytestmark = pytest.mark.process


def check(store: Store, url: str, model: str = "digits", *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "atelier_server",
        "check",
        "--store",
        str(store.root),
        "--model",
        model,
        "--url",
        url,
    ]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("bundle", "model"), [(image_bundle(), "digits"), (rows_bundle(), "house"), (table_bundle(), "passenger")]
)
def test_a_server_that_answers_its_reference_inputs_is_right(store: Store, bundle: Bundle, model: str) -> None:
    publish(store, bundle, model)
    with serving(store, model) as server:
        found = check(store, server.url, model)
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


def test_answers_of_another_model_are_found_out(store: Store) -> None:
    """The store that the check reads is not the one that is served."""
    version = publish(store, image_bundle(seed=1))
    other = Store(store.root.parent / "other")
    place(other, image_bundle(seed=2))
    with serving(store) as server:
        folder = other.model("digits").versions
        next(folder.iterdir()).rename(folder / version)
        found = check(other, server.url)
    assert found.returncode == 1
    assert f"digits version {version}: recomputed outputs differ by up to" in found.stderr


def test_a_version_that_is_not_in_the_store_is_named(store: Store) -> None:
    version = publish(store, image_bundle())
    with serving(store) as server:
        empty = Store(store.root.parent / "empty")
        found = check(empty, server.url)
    assert found.returncode == 1
    assert version in found.stderr


def test_a_server_that_is_not_there_is_said(store: Store) -> None:
    with serving(store) as server:
        url = server.url
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
