"""The server follows the model's pointer: it serves verified versions, refuses others, and keeps what it has."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest
from atelier_store.clock import now
from atelier_store.files import sha256_file, write_bytes
from atelier_store.layout import Store
from atelier_store.records import Current, InputStatistics, Parity, Tensor

from tests.support.onnx_bundles import Bundle, image_bundle, place, point, publish
from tests.support.server_process import Server, eventually, problem, serving

pytestmark = pytest.mark.process


def flip_a_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def file(name: str, to: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    """A change of one file of a version's folder."""
    return lambda folder: (folder / name).write_bytes(to((folder / name).read_bytes()))


DAMAGED_VERSIONS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing version": (shutil.rmtree, "No such file or directory"),
    "other manifest": (file("manifest.json", lambda content: content + b" "), "not the one that current.json names"),
    "flipped bit in the network": (file("model.onnx", flip_a_bit), "model.onnx: its sha256 is"),
    "truncated network": (file("model.onnx", half), "model.onnx: its sha256 is"),
    "truncated reference": (file("reference.npz", half), "reference.npz: its sha256 is"),
    "missing network": (lambda folder: (folder / "model.onnx").unlink(), "model.onnx: cannot be read: No such file"),
}


def put_a_folder(pointer: Path, _: Current) -> None:
    pointer.unlink(missing_ok=True)
    pointer.mkdir()


def other(**fields: str) -> Callable[[Path, Current], None]:
    """A whole pointer that says something else."""
    return lambda pointer, current: current.model_copy(update=fields).write(pointer)


def with_another_digest(pointer: Path, current: Current) -> None:
    other(manifest_sha256=current.version + "0" * 52)(pointer, current)


DAMAGED_POINTERS: dict[str, tuple[Callable[[Path, Current], None], str]] = {
    "torn pointer": (
        lambda pointer, current: write_bytes(pointer, half(current.model_dump_json().encode())),
        "not a whole Current",
    ),
    "empty pointer": (lambda pointer, _: write_bytes(pointer, b""), "not a whole Current"),
    "pointer that is a folder": (put_a_folder, "cannot be read: Is a directory"),
    "pointer of another model": (other(model="letters"), "of 'letters', which cannot be here"),
    "pointer out of the store": (other(version="../../../.."), "which cannot be here"),
    "pointer with another digest": (with_another_digest, "not the one that current.json names"),
    "pointer to nothing": (other(version="0" * 12, manifest_sha256="0" * 64), "No such file or directory"),
}

SEED = 7
GOOD = image_bundle(SEED)
LIES: dict[str, tuple[Bundle, str]] = {
    "reference of another network": (
        replace(GOOD, reference=np.full((64, 3), 1 / 3, np.float32)),
        "recomputed outputs differ by up to",
    ),
    "reference of another shape": (
        replace(GOOD, reference=np.zeros((64, 4), np.float32)),
        "outputs have shape [64, 4]",
    ),
    "pickle for a reference": (
        replace(GOOD, reference=np.array([{}])),
        "reference.npz: cannot be run through the network",
    ),
    "no network": (replace(GOOD, network=b"nonsense", reference=np.zeros((64, 3))), "ONNX Runtime cannot load it"),
    "wrong input": (
        replace(GOOD, fields=GOOD.fields | {"inputs": (Tensor(name="input", datatype="UINT8", shape=(-1, 9, 9)),)}),
        "inputs are said to be input UINT8 [-1, 9, 9], the network's are input UINT8 [-1, 8, 8]",
    ),
    "too few labels": (replace(GOOD, fields=GOOD.fields | {"labels": ("a", "b")}), "2 labels for 3 outputs"),
    "statistics of other inputs": (
        replace(
            GOOD, fields=GOOD.fields | {"input_statistics": InputStatistics(mean=(0.0,) * 8, std=(1.0,) * 7, count=64)}
        ),
        "input_statistics: 8 means and 7 deviations for 1 features or channels",
    ),
    "failed parity": (
        replace(GOOD, fields=GOOD.fields | {"parity": Parity(rows=64, argmax_equal=False, max_abs_difference=1.0)}),
        "did not choose the same class",
    ),
}


FAULTS = [*DAMAGED_VERSIONS, *DAMAGED_POINTERS, *LIES]


def spoil(store: Store, fault: str) -> str:
    """Promote a version that has this fault from its first moment; the result is a part of the reason to refuse it."""
    bundle, reason = LIES.get(fault, (GOOD, ""))
    version, digest = place(store, bundle)
    paths = store.model("digits")
    if fault in DAMAGED_POINTERS:
        write, reason = DAMAGED_POINTERS[fault]
        write(paths.current, Current(model="digits", version=version, manifest_sha256=digest, promoted_at=now()))
        return reason
    if fault in DAMAGED_VERSIONS:
        damage, reason = DAMAGED_VERSIONS[fault]
        damage(paths.versions / version)
    point(store, "digits", version, digest)
    return reason


def clear(store: Store, keep: str | None = None) -> None:
    """Take away the pointer and every version but one."""
    paths = store.model("digits")
    if paths.current.is_dir():
        paths.current.rmdir()
    paths.current.unlink(missing_ok=True)
    for folder in paths.versions.iterdir():
        if folder.name != keep:
            shutil.rmtree(folder)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that never gets a version that it can serve."""
    with serving(Store(tmp_path_factory.mktemp("empty")), "digits", "--poll-interval", "0.05") as server:
        yield server


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of one good version, which tests try to replace."""
    store = Store(tmp_path_factory.mktemp("followed"))
    publish(store, image_bundle())
    with serving(store, "digits", "--poll-interval", "0.05") as server:
        yield server


def predict(server: Server, pixels: np.ndarray) -> httpx.Response:
    return server.client.post("/predict", json={"instances": pixels.tolist()})


def test_without_a_model_the_server_is_live_and_ready_and_says_what_it_waits_for(empty: Server) -> None:
    assert empty.client.get("/v2/health/live").json() == {"live": True}
    assert empty.client.get("/v2/health/ready").json() == {"ready": True}
    response = predict(empty, GOOD.inputs)
    refused = problem(response, 503)
    assert refused["title"] == "No model promoted yet"
    assert refused["detail"] == f"no model promoted yet: waiting for {empty.store.model('digits').current}"
    assert int(response.headers["retry-after"]) > 0
    problem(empty.client.get("/model"), 503)
    for path in ("/v2/models/digits", "/v2/models/digits/ready"):
        assert problem(empty.client.get(path), 503)["ready"] is False
    assert "promoted yet" in problem(empty.client.post("/v2/models/digits/infer", json={}), 503)["error"]
    assert empty.metric("atelier_model_loaded") == 0
    assert empty.client.get("/").status_code == 200


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_served_is_refused_and_the_answer_says_why(empty: Server, fault: str) -> None:
    try:
        reason = spoil(empty.store, fault)
        eventually(lambda: reason in problem(predict(empty, GOOD.inputs), 503)["detail"])
    finally:
        clear(empty.store)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_served_does_not_take_the_place_of_what_is(followed: Server, fault: str) -> None:
    served, before = followed.version(), predict(followed, GOOD.inputs).json()
    failures = followed.metric("atelier_pointer_refresh_failures_total")
    seen = len(followed.log)
    try:
        reason = spoil(followed.store, fault)
        eventually(lambda: reason in followed.log[seen:])
        assert predict(followed, GOOD.inputs).raise_for_status().json() == before
        assert f"version {served} stays" in followed.log[seen:]
        assert reason in followed.client.get("/model").json()["refused"]
        assert followed.metric("atelier_pointer_refresh_failures_total") > failures
    finally:
        clear(followed.store, keep=served)
        publish(followed.store, image_bundle())


def test_a_pointer_that_is_gone_does_not_end_the_service(followed: Server) -> None:
    before = predict(followed, GOOD.inputs).json()
    seen = len(followed.log)
    followed.store.model("digits").current.unlink()
    eventually(lambda: "current.json is gone" in followed.log[seen:])
    assert predict(followed, GOOD.inputs).raise_for_status().json() == before


def test_the_first_version_and_the_next_are_picked_up_without_a_restart(store: Store) -> None:
    with serving(store, "digits", "--poll-interval", "0.05") as server:

        def serves(version: str) -> bool:
            return server.version() == version

        for seed in (1, 2):
            bundle = image_bundle(seed)
            version = publish(store, bundle)
            eventually(partial(serves, version))
            answer = predict(server, bundle.inputs).raise_for_status().json()
            assert answer["version"] == version
            with np.load(store.model("digits").versions / version / "reference.npz") as reference:
                given = [list(p["probabilities"].values()) for p in answer["predictions"]]
                np.testing.assert_allclose(given, reference["output"], rtol=1e-5)
            assert server.metric("atelier_model_info", model="digits", version=version, trial=f"trial-{seed}") == 1
        assert server.metric("atelier_model_loaded") == 1


def test_a_version_that_comes_after_its_pointer_is_tried_again(store: Store) -> None:
    version = publish(store, GOOD)
    paths = store.model("digits")
    away = store.root / "not-here-yet"
    (paths.versions / version).rename(away)
    with serving(store, "digits", "--poll-interval", "0.05") as server:
        problem(predict(server, GOOD.inputs), 503)
        away.rename(paths.versions / version)
        eventually(lambda: server.version() == version)


def test_a_new_pointer_is_served_while_requests_run_and_none_fails(store: Store) -> None:
    versions = [publish(store, image_bundle(seed)) for seed in (1, 2)]
    digests = {v: sha256_file(store.model("digits").versions / v / "manifest.json") for v in versions}
    with serving(store, "digits", "--poll-interval", "0.05") as server:
        body, seen, statuses = {"instances": GOOD.inputs[:1].tolist()}, [], set()
        for flip in range(6):
            version = versions[flip % 2]
            point(store, "digits", version, digests[version])

            def answered_by(version: str = version) -> bool:
                response = server.client.post("/predict", json=body)
                statuses.add(response.status_code)
                seen.append(response.json()["version"])
                is_seen: bool = seen[-1] == version
                return is_seen

            eventually(answered_by)
        assert statuses == {200}
        assert set(seen) == set(versions)
