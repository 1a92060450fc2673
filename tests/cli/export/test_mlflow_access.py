"""A server of MLflow that cannot be used is told apart, and credentials are shown nowhere."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from atelier_store.layout import Store
from atelier_store.spec import Spec

from tests.support.searches import Completed, atelier
from tests.support.server_process import free_port

SECRET = "hunter2"


def export(store: Store, address: str) -> Completed:
    return atelier("export", "mlflow", "--store", str(store.root), "--tracking-uri", address)


class Door:
    """A proxy that lets nobody in, and remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[str | None] = []
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                door.shown.append(self.headers["Authorization"])
                self.send_error(401)

            def log_message(self, format: str, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.mark.parametrize(
    ("variables", "header"),
    [
        ({}, None),
        ({"MLFLOW_TRACKING_TOKEN": SECRET}, f"Bearer {SECRET}"),
        (
            {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": SECRET},
            f"Basic {base64.b64encode(f'me:{SECRET}'.encode()).decode()}",
        ),
    ],
    ids=["none", "token", "password"],
)
def test_credentials_of_the_environment_are_shown_to_the_server_and_to_nobody_else(
    store: Store,
    searched: Spec,
    door: Door,
    variables: dict[str, str],
    header: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("TOKEN", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    refused = export(store, door.address)
    assert (refused.returncode, door.shown) == (2, [header])
    assert refused.stderr == (
        f"{door.address}: 401; the environment's MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and "
        "MLFLOW_TRACKING_PASSWORD give no access\n"
    )
    assert SECRET not in refused.stdout + refused.stderr


@pytest.mark.parametrize(
    "address", [f"http://me:{SECRET}@127.0.0.1:5000", "ftp://example", "sqlite:///a.db", "http://"]
)
def test_an_address_that_is_none_is_refused(store: Store, searched: Spec, address: str) -> None:
    refused = export(store, address)
    assert refused.returncode == 2 and refused.stderr.startswith("--tracking-uri: ")
    assert "allowed: http:// or https:// and a host" in refused.stderr and SECRET not in refused.stderr


def test_a_server_that_is_not_there_is_named(store: Store, searched: Spec) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    refused = export(store, address)
    assert refused.returncode == 2 and refused.stderr.startswith(f"{address} cannot be reached: ")


def test_a_proxy_that_cannot_be_used_is_one_message(
    store: Store, searched: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    refused = export(store, "http://mlflow.example")
    assert refused.returncode == 2 and "http://mlflow.example cannot be reached: Using SOCKS proxy" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_address_has_to_be_said(store: Store, searched: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    refused = atelier("export", "mlflow", "--store", str(store.root))
    assert refused.returncode == 2 and "--tracking-uri" in refused.stderr
