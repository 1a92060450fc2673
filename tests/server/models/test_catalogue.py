"""Any promoted model or version of the store can be requested; it is verified, and kept while there is room."""

import shutil

import httpx
import numpy as np
import pytest
from atelier_store.layout import Store

from tests.support.onnx_bundles import FEATURES, image_bundle, place, point, publish, rows_bundle
from tests.support.server_process import Server, eventually, problem, serving

pytestmark = pytest.mark.process

PIXELS = image_bundle().inputs[:1]


def infer(server: Server, path: str, pixels: np.ndarray = PIXELS) -> httpx.Response:
    tensor = {"name": "input", "datatype": "UINT8", "shape": [1, 8, 8], "data": pixels.ravel().tolist()}
    return server.client.post(f"/v2/models/{path}/infer", json={"inputs": [tensor]})


def reference(store: Store, model: str, version: str) -> tuple[np.ndarray, np.ndarray]:
    """A picture and the probabilities that belong to it."""
    with np.load(store.model(model).versions / version / "reference.npz") as arrays:
        return arrays["input"][:1], arrays["output"][:1]


def outputs(response: httpx.Response) -> list[float]:
    data: list[float] = response.raise_for_status().json()["outputs"][0]["data"]
    return data


def test_every_version_of_every_model_answers_for_itself(store: Store) -> None:
    old, other = publish(store, image_bundle(1)), publish(store, image_bundle(3), "letters")
    new = publish(store, image_bundle(2))
    houses = publish(store, rows_bundle(), "house")
    with serving(store, "digits") as server:
        for path, model, version in [
            ("digits", "digits", new),
            (f"digits/versions/{old}", "digits", old),
            (f"digits/versions/{new}", "digits", new),
            ("letters", "letters", other),
            (f"letters/versions/{other}", "letters", other),
        ]:
            pixels, expected = reference(store, model, version)
            answer = infer(server, path, pixels)
            np.testing.assert_allclose([outputs(answer)], expected, rtol=1e-5)
            assert (answer.json()["model_name"], answer.json()["model_version"]) == (model, version)
            assert server.client.get(f"/v2/models/{path}/ready").json() == {"name": model, "ready": True}
            assert server.metric("atelier_predictions_total", model=model, version=version) > 0
        assert server.client.get("/v2/models/digits").json()["versions"] == [new, old]
        about = server.client.get("/v2/models/house").json()
        assert about["versions"] == [houses] and about["inputs"] == [
            {"name": "input", "datatype": "FP32", "shape": [-1, len(FEATURES)]}
        ]
        assert server.client.get("/model").json()["version"] == new


def test_the_pointer_of_another_model_is_followed_too(store: Store) -> None:
    publish(store, image_bundle())
    first = publish(store, image_bundle(1), "letters")
    with serving(store, "digits", "--poll-interval", "0.05") as server:
        assert infer(server, "letters").json()["model_version"] == first
        second = publish(store, image_bundle(2), "letters")
        eventually(lambda: infer(server, "letters").json()["model_version"] == second)


def test_a_version_that_was_asked_for_is_not_loaded_again_when_it_is_promoted(store: Store) -> None:
    publish(store, image_bundle(1))
    new, digest = place(store, image_bundle(2))
    with serving(store, "digits", "--poll-interval", "0.05") as server:
        assert infer(server, f"digits/versions/{new}").json()["model_version"] == new
        point(store, "digits", new, digest)
        eventually(lambda: infer(server, "digits").json()["model_version"] == new)
        assert f"serving digits version {new}" in server.log
        assert server.log.count(f"loaded digits version {new}") == 1


def test_what_was_asked_for_longest_ago_goes_when_there_is_no_room(store: Store) -> None:
    publish(store, image_bundle())
    versions = [publish(store, image_bundle(seed), "letters") for seed in (1, 2, 3)]
    with serving(store, "digits", "--cache-mib", "9") as server:  # for two of them

        def loads() -> int:
            return server.log.count("loaded letters version")

        for version, loaded, gone in [(0, 1, 0), (1, 2, 0), (0, 2, 0), (2, 3, 1), (0, 3, 1), (1, 4, 2)]:
            outputs(infer(server, f"letters/versions/{versions[version]}"))
            assert (loads(), server.metric("atelier_model_evictions_total")) == (loaded, gone)
        assert f"evicted letters version {versions[1]}" in server.log
        assert infer(server, "digits").status_code == 200


def test_a_model_larger_than_the_room_is_served_all_the_same(store: Store) -> None:
    publish(store, image_bundle())
    publish(store, image_bundle(1), "letters")
    with serving(store, "digits", "--cache-mib", "0") as server:
        assert infer(server, "letters").status_code == infer(server, "letters").status_code == 200
        assert server.log.count("loaded letters") == 1


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json", "reference.npz"])
def test_a_damaged_version_is_refused_and_the_others_go_on(store: Store, name: str) -> None:
    publish(store, image_bundle())
    version = publish(store, image_bundle(1), "letters")
    path = store.model("letters").versions / version / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with serving(store, "digits") as server:
        for asked in ("letters", f"letters/versions/{version}"):
            refused = infer(server, asked)
            body = problem(refused, 503)
            assert name in body["detail"] and "sha256" in body["detail"] and body["error"] == body["detail"]
            assert refused.headers["retry-after"]
        assert infer(server, "digits").status_code == 200
        path.write_bytes(whole)
        assert infer(server, "letters").status_code == 200


def test_a_folder_that_is_named_as_another_version_is_refused(store: Store) -> None:
    version = publish(store, image_bundle())
    shutil.copytree(store.model("digits").versions / version, store.model("digits").versions / ("0" * 12))
    with serving(store, "digits") as server:
        assert (
            "not the one that names this version"
            in problem(infer(server, f"digits/versions/{'0' * 12}"), 503)["detail"]
        )


@pytest.mark.parametrize(
    "path", ["..", "%2e%2e%2fmodels%2fdigits", "DIGITS", "digits/versions/.tmp", "digits%00", "x" * 300]
)
def test_names_that_no_model_and_no_version_has_are_not_found(images: Server, path: str) -> None:
    assert images.client.get(f"/v2/models/{path}/ready").status_code == 404


def test_a_model_that_is_searched_and_not_promoted_yet_says_so(store: Store) -> None:
    publish(store, image_bundle())
    version, digest = place(store, image_bundle(1), "letters")
    with serving(store, "digits") as server:
        waiting = problem(infer(server, "letters"), 503)
        assert waiting["title"] == "No model promoted yet" and waiting["ready"] is False
        point(store, "letters", version, digest)
        assert infer(server, "letters").status_code == 200
