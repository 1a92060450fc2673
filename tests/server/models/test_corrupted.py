"""A promoted version with any file damaged in any way is refused and named, and the one before keeps serving."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from atelier_store.layout import Store

from tests.support.load import Load
from tests.support.onnx_bundles import image_bundle, place, point, publish, rows_bundle
from tests.support.server_process import Server, eventually, problem, serving
from tests.support.sizes import sizes
from tests.support.versions import REQUEST, Versions

pytestmark = pytest.mark.process

Damage = Callable[[bytes], bytes | None]
"""What a file's content becomes; None deletes it."""

DIGESTED = ("manifest.json", "model.onnx", "reference.npz")
"""The files on which an answer depends. The digest of the first is the version's name; it holds those of the rest."""


def truncated(share: float) -> Damage:
    return lambda content: content[: int(len(content) * share)]


def flipped(share: float) -> Damage:
    def flip(content: bytes) -> bytes:
        at = int((len(content) - 1) * share)
        return content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :]

    return flip


def damages(places: int) -> dict[str, Damage]:
    """Ways to damage a file, at so many places from its beginning to its end."""
    shares = [place / (places - 1) for place in range(places)]
    return {
        **{f"truncated at {share:.2%}": truncated(share) for share in shares[:-1]},
        **{f"flipped at {share:.2%}": flipped(share) for share in shares},
        "without its last byte": lambda content: content[:-1],
        "with a byte more": lambda content: content + b"\0",
        "deleted": lambda content: None,
    }


def apply(damage: Damage, file: Path) -> None:
    content = damage(file.read_bytes())
    file.unlink()
    if content is not None:
        file.write_bytes(content)


@contextmanager
def asked_without_a_pause(server: Server, versions: Versions) -> Iterator[Load]:
    """Clients that ask from the block's beginning to its end."""
    load, over = Load(REQUEST, versions.verdict, [server.port], connections=2), threading.Event()

    async def ask() -> None:
        while not over.is_set():
            await load.run(20)

    thread = threading.Thread(target=lambda: asyncio.run(ask()))
    thread.start()
    try:
        yield load
    finally:
        over.set()
        thread.join()


def refusal(server: Server, reason: str) -> bool:
    """Whether every worker says so in the answer to its readiness, as the one that is asked does."""
    return reason in server.client.get("/v2/health/ready").raise_for_status().json().get("refused", "")


@pytest.mark.parametrize("places", sizes(4, 100))
def test_a_damaged_version_is_refused_while_no_request_fails(
    store: Store, places: int, record_property: Callable[[str, object], None]
) -> None:
    versions = Versions(store, 1)
    served = versions.placed[0][0]
    house = publish(store, rows_bundle(), "house")
    others = {file.name: file.read_bytes() for file in (store.model("house").versions / house).iterdir()}
    with (
        serving(store, "digits", "--poll-interval", "0.02") as server,
        asked_without_a_pause(server, versions) as load,
    ):

        def is_refused(version: str, name: str) -> bool:
            return refusal(server, f"{version}/{name}") or refusal(server, f"{version}: {name}")

        def of_another_model(name: str, content: bytes) -> bytes:
            return others[name]

        tried = 0
        for name in DIGESTED:
            ways: dict[str, Damage] = {**damages(places), "of another model": partial(of_another_model, name)}
            for what, damage in ways.items():
                bad, digest = place(store, image_bundle(1000 + tried))
                apply(damage, store.model("digits").versions / bad / name)
                failures, logged = server.metric("atelier_pointer_refresh_failures_total"), len(server.log)
                point(store, "digits", bad, digest)
                eventually(partial(is_refused, bad, name))
                assert server.metric("atelier_pointer_refresh_failures_total") > failures, (name, what)
                assert f"version {served} stays" in server.log[logged:] and bad in server.log[logged:], (name, what)
                assert server.version() == served, (name, what)
                tried += 1
        versions.point(0)
        eventually(lambda: server.client.get("/v2/health/ready").json() == {"ready": True})
    assert not load.failures and set(load.answers) == {served}
    assert "Traceback" not in server.log
    record_property("measured", f"{tried} damaged versions refused, 0 of {load.done:,} requests beside them failed")


def test_a_damaged_record_of_the_promotion_changes_no_answer(store: Store) -> None:
    versions = Versions(store, len(damages(4)))
    with (
        serving(store, "digits", "--poll-interval", "0.02") as server,
        asked_without_a_pause(server, versions) as load,
    ):

        def serves(version: str) -> bool:
            return load.answers[version] > 0 and server.version() == version

        for number, damage in enumerate(damages(4).values()):
            version, _ = versions.placed[number]
            apply(damage, store.model("digits").versions / version / "promotion.json")
            versions.point(number)
            eventually(partial(serves, version))
    assert not load.failures
    assert "Traceback" not in server.log


SHORT = {("manifest.json", "flipped at 50.00%"), ("model.onnx", "truncated at 50.00%"), ("reference.npz", "deleted")}
STARTS = [(name, what) for name in DIGESTED for what in damages(3)]


@pytest.mark.parametrize(
    ("name", "what"), [pytest.param(*one, marks=[] if one in SHORT else pytest.mark.soak) for one in STARTS]
)
def test_a_server_with_nothing_but_a_damaged_version_starts_and_says_why_it_cannot_predict(
    store: Store, name: str, what: str
) -> None:
    version = publish(store, image_bundle())
    file = store.model("digits").versions / version / name
    whole = file.read_bytes()
    apply(damages(3)[what], file)
    with serving(store, "digits", "--poll-interval", "0.02") as server:
        answer = server.client.get("/v2/health/ready").raise_for_status().json()
        assert answer["ready"] is True and name in answer["refused"] and version in answer["refused"]
        for refused in (
            server.client.post("/predict", json={}),
            server.client.post("/v2/models/digits/infer", json={}),
            server.client.get("/v2/models/digits/ready"),
            server.client.get("/model"),
        ):
            assert answer["refused"] in problem(refused, 503)["detail"] and refused.headers["retry-after"]
        assert (
            server.metric("atelier_model_loaded") == 0 and server.metric("atelier_pointer_refresh_failures_total") > 0
        )
        file.write_bytes(whole)
        eventually(lambda: server.version() == version)
        assert "Traceback" not in server.log
