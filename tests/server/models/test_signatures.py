"""A server that asks for signatures serves what is signed, refuses the rest, and keeps what it has."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from atelier_store.layout import Store
from atelier_store.signing import keys
from atelier_store.signing.models import Signer
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.onnx_bundles import image_bundle, place, point
from tests.support.private_keys import write_key
from tests.support.server_process import Server, eventually, problem, run, serving

pytestmark = pytest.mark.process


def signed(store: Store, seed: int, key: Path | None) -> tuple[str, str]:
    """A version of digits, signed if there is a key, and the digest of its manifest; the pointer is not on it yet."""
    version, digest = place(store, image_bundle(seed))
    model = store.model("digits")
    if key is not None:
        Signer(model, keys.read_ecdsa(key)).sign(model.version(version), version)
    return version, digest


def refuses(server: Server, says: str) -> bool:
    return says in (server.client.get("/model").json()["refused"] or "")


def test_only_signed_versions_are_served_and_a_changed_byte_is_refused(store: Store, tmp_path: Path) -> None:
    key = write_key(tmp_path / "key.pem", ec.generate_private_key(ec.SECP256R1()))
    stranger = write_key(tmp_path / "stranger.pem", ec.generate_private_key(ec.SECP256R1()))
    model, trusted = store.model("digits"), key.with_suffix(".pub")
    unsigned, first, second = (signed(store, seed, one) for seed, one in ((1, None), (2, key), (3, key)))
    changed = model.version(second[0]).reference
    by_stranger = signed(store, 4, stranger)
    point(store, "digits", *unsigned)
    with serving(store, "digits", "--poll-interval", "0.02", "--signed-by", str(trusted)) as server:
        not_ready = problem(server.client.get("/v2/health/ready"), 503)  # an upgrade keeps the pods that serve
        assert f"signatures/{unsigned[0]}.sig: there is no signature" in not_ready["detail"]
        assert (
            not_ready["detail"].removeprefix("nothing is served: ")
            in problem(server.client.get("/model"), 503)["detail"]
        )

        point(store, "digits", *first)
        eventually(lambda: server.version() == first[0])
        card = server.client.get("/model").json()
        assert card["signed_by"] == keys.fingerprint(keys.read(key).public_key()) and card["refused"] is None
        assert server.client.get("/v2/health/ready").json() == {"ready": True}

        with changed.open("ab") as file:
            file.write(b" ")
        for (version, digest), says in (
            (by_stranger, "is of no key that is trusted"),
            (second, "reference.npz has changed since it was signed"),
            (unsigned, "there is no signature"),
        ):
            failures = server.metric("atelier_pointer_refresh_failures_total")
            point(store, "digits", version, digest)
            eventually(partial(refuses, server, says))
            assert server.version() == first[0], "what is served stays"
            assert server.metric("atelier_pointer_refresh_failures_total") > failures and says in server.log
            named = problem(server.client.get(f"/v2/models/digits/versions/{version}"), 503)
            assert says in named["detail"]
        assert server.client.get("/v2/health/ready").json()["ready"] is True

        Signer(model, keys.read_ecdsa(key)).sign(model.version(unsigned[0]), unsigned[0])
        eventually(lambda: server.version() == unsigned[0])  # it is tried again
        assert "Traceback" not in server.log


def test_a_server_does_not_start_without_the_key_that_it_is_to_trust(store: Store, tmp_path: Path) -> None:
    where = ("serve", "--store", str(store.root), "--model", "digits", "--port", "0", "--signed-by")
    (tmp_path / "key.pub").write_text("no key")
    for name, says in (("key.pub", "holds no public key in PEM"), ("nokey.pub", "No such file or directory")):
        done = run(*where, str(tmp_path / name))
        assert done.returncode == 2 and "no public key: " in done.stderr and says in done.stderr
