"""The server as a process: how it starts, ends, and what it says when it cannot."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from atelier_store import addresses
from atelier_store.layout import Store

from tests.support.called import called
from tests.support.onnx_bundles import image_bundle, publish
from tests.support.server_process import Server, eventually, free_port, in_flight, problem, run, serving

pytestmark = pytest.mark.process

BODY = json.dumps({"instances": image_bundle().inputs.tolist()}).encode()


def begin_request(server: Server) -> socket.socket:
    """A prediction of which only the first half is sent."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    client.sendall(head.encode() + BODY[: len(BODY) // 2])
    return client


def refuses_connections(server: Server) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_requests_under_way_are_answered_before_the_server_ends(store: Store) -> None:
    version = publish(store, image_bundle())
    with serving(store) as server:
        clients = [begin_request(server) for _ in range(5)]
        eventually(lambda: in_flight(server) >= len(clients))
        server.process.terminate()
        eventually(lambda: refuses_connections(server))
        assert server.process.poll() is None
        for client in clients:
            client.sendall(BODY[len(BODY) // 2 :])
        for client in clients:
            with client, client.makefile("rb") as answer:
                status, _, body = answer.read().partition(b"\r\n\r\n")
            assert status.startswith(b"HTTP/1.1 200 ")
            assert json.loads(body)["version"] == version
        assert server.process.wait(timeout=30) == 0
        assert "Traceback" not in server.log


def test_a_request_on_a_connection_that_was_kept_is_answered_while_the_server_ends(store: Store) -> None:
    publish(store, image_bundle())
    with serving(store, "digits") as server, httpx.Client(base_url=server.url) as client:
        assert "connection" not in client.get("/model").headers
        server.process.terminate()
        eventually(lambda: refuses_connections(server))
        answer = client.get("/model")
        assert answer.status_code == 200 and answer.headers["connection"] == "close"
        assert server.process.wait(timeout=30) == 0


def test_a_connection_without_a_request_does_not_keep_the_server(store: Store) -> None:
    publish(store, image_bundle())
    with (
        serving(store, "digits") as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as client,
    ):
        httpx.get(f"{server.url}/model").raise_for_status()  # the connection before this one is accepted
        assert server.process.poll() is None
        server.process.terminate()
        assert server.process.wait(timeout=15) == 0  # well within its grace
        assert client.recv(1) == b""


def test_a_request_that_never_ends_does_not_outlive_the_grace(store: Store) -> None:
    with serving(store, "digits", "--grace", "1") as server:
        publish(store, image_bundle())
        eventually(server.version)
        with begin_request(server):
            eventually(lambda: in_flight(server) >= 1)
            server.process.terminate()
            assert server.process.wait(timeout=20) == 0


def test_a_port_that_is_taken_is_one_message_and_exit_code_2(store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--store", str(store.root), "--model", "digits", "--port", str(port))
    assert done.returncode == 2 and done.stdout == ""
    [line] = done.stderr.splitlines()
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in line


def test_metrics_have_a_port_of_their_own_where_one_is_given(store: Store) -> None:
    publish(store, image_bundle())
    port = free_port()
    with serving(store, "digits", "--metrics-port", str(port)) as server:
        server.client.post("/predict", content=BODY).raise_for_status()
        counted = re.compile(
            r'atelier_requests_total{endpoint="/predict",model="digits",status="200",version="[0-9a-f]{12}"} 1.0'
        )
        shown = eventually(
            lambda: counted.search((answer := httpx.get(f"http://127.0.0.1:{port}/metrics")).text) and answer
        )
        assert shown.headers["content-type"].startswith("text/plain; version=")
        assert "atelier_model_loaded 1.0" in shown.text
        assert problem(server.client.get("/metrics"), 404)
        assert "/metrics" not in server.client.get("/openapi.json").json()["paths"]
        assert 'href="model"' in server.client.get("/").text and 'href="metrics"' not in server.client.get("/").text
        assert server.stop() == 0


def test_a_metrics_port_that_is_taken_is_one_message_and_exit_code_2(store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--store", str(store.root), "--model", "digits", "--port", "0", "--metrics-port", str(port))
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in line


def test_one_port_cannot_be_both(store: Store) -> None:
    port = str(free_port())
    done = run("serve", "--store", str(store.root), "--model", "digits", "--port", port, "--metrics-port", port)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in done.stderr


def test_an_address_that_is_not_this_machines_is_one_message_and_exit_code_2(store: Store) -> None:
    done = run("serve", "--store", str(store.root), "--model", "digits", "--host", "192.0.2.1")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and "cannot listen on 192.0.2.1" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "digits"], "--store"),
        (["--store", "s"], "--model"),
        (
            ["--store", "s", "--model", "../digits"],
            "'../digits' is not allowed; allowed: at most 63",
        ),
        (["--store", "s", "--model", "digits", "--port", "65536"], "'65536': must be a whole number, 0 to 65535"),
        (["--store", "s", "--model", "digits", "--poll-interval", "nan"], "'nan': must be a number of seconds"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], said: str) -> None:
    done = called("serve", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_store_that_does_not_exist_is_waited_for(tmp_path: Path) -> None:
    store = Store(tmp_path / "volume" / "store")
    with serving(store, "digits", "--poll-interval", "0.05") as server:
        waited_for = f"waiting for {store.model('digits').current}"
        assert waited_for in problem(server.client.post("/predict", json={}), 503)["detail"]
        assert waited_for in server.log
        assert not store.root.exists()
        version = publish(store, image_bundle())
        eventually(lambda: server.version() == version)


def test_a_store_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a folder")
    with serving(Store(tmp_path / "store")) as server:
        assert "Not a directory" in problem(server.client.get("/model"), 503)["detail"]


IMPORT_EVERYTHING = """
import pkgutil, sys

def forbid_network(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise RuntimeError(f"{event} {arguments}")

sys.addaudithook(forbid_network)
import atelier_server
for module in pkgutil.walk_packages(atelier_server.__path__, "atelier_server."):
    __import__(module.name)
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""


def test_the_server_needs_none_of_what_trains_and_no_network_to_start() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_EVERYTHING], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert {"atelier_server", "atelier_store", "onnxruntime", "uvicorn"} <= loaded
    assert not loaded & {"torch", "optuna", "sklearn", "scipy", "onnx", "atelier_trainer", "atelier_cli"}


def test_what_workers_need_is_imported_once_before_they_are_forked(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, image_bundle())
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    with serving(store) as server:
        server.client.post("/predict", content=BODY).raise_for_status()
        before, after = (
            set(re.findall(r"^import time:.*\| +([\w.]+)$", part, re.MULTILINE))
            for part in server.log.split("(documentation at")
        )
    assert {"onnxruntime", "fastapi", "PIL.Image", "pydantic.v1", "uvloop"} <= before
    assert len(after) < 20


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(("host", "answers"), [("::1", ["::1"]), ("::", ["::1", "127.0.0.1"])])
def test_an_ipv6_address_is_served_as_127_0_0_1_is(store: Store, host: str, answers: list[str], workers: str) -> None:
    publish(store, image_bundle())
    with serving(store, "digits", "--host", host, "--workers", workers, "--access-log") as server:
        assert server.url == addresses.url(host, server.port)
        for answer in answers:
            url = addresses.url(answer, server.port)
            assert httpx.post(f"{url}/predict", content=BODY, headers={"Content-Type": "application/json"}).is_success
            checked = called("check", "--store", str(store.root), "--model", "digits", "--url", url)
            assert checked.returncode == 0, checked.stderr
            assert f'"client":"{answer}"' in server.log


@pytest.mark.parametrize("proxy", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
def test_a_check_asks_the_server_and_no_proxy(
    images: Server, monkeypatch: pytest.MonkeyPatch, proxy: str, address: str
) -> None:
    monkeypatch.setenv(proxy, address)
    checked = called("check", "--store", str(images.store.root), "--model", "digits", "--url", images.url)
    assert checked.returncode == 0, checked.stderr
