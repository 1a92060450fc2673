"""What the server does with more than it can take, with what takes too long, and with those who may not ask."""

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from atelier_store.layout import Store

from tests.support.onnx_bundles import image_bundle, place, publish
from tests.support.server_process import Server, eventually, free_port, problem, run, serving, workers

pytestmark = pytest.mark.process

BODY = json.dumps({"instances": image_bundle().inputs[:1].tolist()}).encode()
HEADERS = ("Host: a", "Content-Type: application/json", f"Content-Length: {len(BODY)}", "Expect: 100-continue")
HEAD = "\r\n".join(["POST /predict HTTP/1.1", *HEADERS, "", ""]).encode()


@contextmanager
def half_sent(server: Server) -> Iterator[socket.socket]:
    """A connection with the first half of a prediction, which the server has let in."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(HEAD)
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(BODY[: len(BODY) // 2])
        yield client


def test_more_requests_than_may_be_under_way_are_told_to_come_again_and_the_others_are_answered(store: Store) -> None:
    publish(store, image_bundle())
    with serving(store, "digits", "--max-requests", "3") as server, ExitStack() as clients:
        under_way = [clients.enter_context(half_sent(server)) for _ in range(3)]
        for path, body in [("/predict", BODY), ("/v2/models/digits/infer", b"{}")]:
            refused = server.client.post(path, content=body)
            assert "3 requests are under way" in problem(refused, 429)["detail"]
            assert int(refused.headers["retry-after"]) > 0
        assert (
            server.client.get("/v2/health/live").status_code == server.client.get("/v2/health/ready").status_code == 200
        )
        eventually(lambda: server.metric("atelier_requests_in_flight", worker="0") >= 3)
        for client in under_way:
            client.sendall(BODY[len(BODY) // 2 :])
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert server.client.post("/predict", content=BODY).status_code == 200
        assert server.metric("atelier_requests_total", endpoint="/predict", status="429") == 1


@pytest.mark.parametrize("path", ["/predict", "/predict?top_k=1"])
def test_of_requests_that_come_at_once_only_those_are_refused_that_are_too_many(store: Store, path: str) -> None:
    """A busy worker finds them all in one turn of its event loop. What takes the long way is counted as well."""
    publish(store, image_bundle())
    request = HEAD.replace(b"/predict", path.encode())
    with serving(store, "digits", "--max-requests", "3") as server, ExitStack() as clients:
        together = [
            clients.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30)) for _ in range(5)
        ]
        (worker,) = workers(server)
        for _ in range(2):  # the second time shows that all have made room again
            os.kill(worker, signal.SIGSTOP)
            for client in together:
                client.sendall(request)
            os.kill(worker, signal.SIGCONT)
            first = [client.recv(65536).split(b" ", 2)[1] for client in together]
            assert sorted(first) == [b"100"] * 3 + [b"429"] * 2
            for client, said in zip(together, first, strict=True):
                client.sendall(BODY)
                assert said == b"429" or client.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_request_that_does_not_come_in_time_is_given_up(store: Store) -> None:
    publish(store, image_bundle())
    with serving(store, "digits", "--deadline", "0.2") as server, half_sent(server) as client:
        status, _, rest = client.makefile("rb").read().partition(b"\r\n")
        assert status.startswith(b"HTTP/1.1 408 ") and b"not complete within 0.2 s" in rest


def test_a_model_that_does_not_load_in_time_is_given_up_and_the_others_go_on(store: Store) -> None:
    publish(store, image_bundle())
    version, _ = place(store, image_bundle(1), "letters")
    network = store.model("letters").versions / version / "model.onnx"
    network.unlink()
    os.mkfifo(network)  # whoever opens it waits for a writer, who never comes
    with serving(store, "digits", "--deadline", "0.2") as server:
        refused = server.client.post(f"/v2/models/letters/versions/{version}/infer", json={"inputs": []})
        assert "no answer within 0.2 s" in problem(refused, 504)["detail"] and refused.headers["retry-after"]
        assert server.client.post("/predict", content=BODY).status_code == 200
        assert server.stop() == 0


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for a token; the file is beside the store."""
    store = Store(tmp_path_factory.mktemp("guarded") / "store")
    publish(store, image_bundle())
    token_file(store).write_text("first-token\n")
    with serving(store, "digits", "--token-file", str(token_file(store))) as server:
        yield server


def token_file(store: Store) -> Path:
    return store.root.parent / "token"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "path",
    ["/model", "/model/report", "/metrics", "/docs", "/openapi.json", "/v2", "/v2/models/digits", "/nothing", "/page"],
)
def test_where_a_token_is_asked_for_nothing_of_the_model_is_told_without_it(guarded: Server, path: str) -> None:
    refused = guarded.client.get(path)
    assert "a bearer token is needed" in problem(refused, 401)["detail"]
    assert refused.headers["www-authenticate"] == "Bearer"
    there = 404 if path in ("/nothing", "/page") else 200
    assert guarded.client.get(path, headers=bearer("first-token")).status_code == there


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/"])
def test_probes_and_a_browser_that_opens_the_page_need_no_token(guarded: Server, path: str) -> None:
    version = guarded.client.get("/model", headers=bearer("first-token")).json()["version"]
    for headers in ({}, bearer("another-token")):
        answer = guarded.client.get(path, headers=headers)
        assert answer.status_code == 200
        assert ">digits<" not in answer.text and version not in answer.text


@pytest.mark.parametrize("path", ["/v2/health/live/../../../model", "/v2/health/ready/..%2f..%2f..%2fmodel", "//model"])
def test_there_is_no_way_round_the_token_through_what_is_open(guarded: Server, path: str) -> None:
    with socket.create_connection(("127.0.0.1", guarded.port)) as client:  # as it is: httpx would shorten the path
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.split()[1] in (b"401", b"404") and b"manifest" not in answer


def test_the_metrics_own_port_asks_for_no_token(store: Store) -> None:
    """Whoever scrapes has none; the port is for the cluster alone."""
    port = free_port()
    token_file(store).parent.mkdir(exist_ok=True)
    token_file(store).write_text("a-token")
    with serving(store, "digits", "--token-file", str(token_file(store)), "--metrics-port", str(port)):
        eventually(
            lambda: "atelier_requests_total" in httpx.get(f"http://127.0.0.1:{port}/metrics").raise_for_status().text
        )
        assert httpx.get(f"http://127.0.0.1:{port}/model").status_code == 404


@pytest.mark.parametrize(
    "value", ["first-token", "Basic first-token", "Bearer", "Bearer first-toke", "Bearer first-token2", "Bearer é"]
)
def test_another_token_is_refused(guarded: Server, value: str) -> None:
    for path in ("/predict", "/v2/models/digits/infer"):
        refused = guarded.client.post(path, content=BODY, headers={b"Authorization": value.encode()})
        assert "Bearer" in problem(refused, 401)["detail"]
    assert (
        guarded.client.post("/predict", content=BODY, headers={"authorization": "bearer first-token"}).status_code
        == 200
    )


def test_a_token_is_exchanged_without_a_restart_and_stays_while_its_file_is_gone(guarded: Server) -> None:
    def status(token: str) -> int:
        return guarded.client.post("/predict", content=BODY, headers=bearer(token)).status_code

    def exchange(token: str) -> None:
        other = token_file(guarded.store).with_name("other")
        other.write_text(token)
        other.replace(token_file(guarded.store))

    exchange("second-token")
    eventually(lambda: status("second-token") == 200)
    assert status("first-token") == 401
    token_file(guarded.store).unlink()
    eventually(lambda: status("second-token") == 200 and "the token stays what it was" in guarded.log)
    exchange("first-token")
    eventually(lambda: status("first-token") == 200)


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), ("", "must hold one token"), ("two words", "must hold one token")]
)
def test_without_a_usable_token_the_server_does_not_start(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    done = run(
        "serve", "--store", str(tmp_path / "store"), "--model", "digits", "--port", "0", "--token-file", str(path)
    )
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert said in line and str(path) in line


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_every_answer_has_the_id_of_its_request_and_its_trace(images: Server) -> None:
    for path in ("/predict", "/v2/models/digits/infer", "/model", "/nothing"):
        for method in ("GET", "POST"):
            answer = images.client.request(method, path, headers={"X-Request-ID": "my-id", "traceparent": TRACE})
            assert (answer.headers["x-request-id"], answer.headers["traceparent"]) == ("my-id", TRACE)
    made = [images.client.get("/model").headers["x-request-id"] for _ in range(5)]
    assert len(set(made)) == 5 and all(re.fullmatch(r"[0-9a-f]+-[0-9a-f]+", one) for one in made)


@pytest.mark.parametrize("value", ["", "a b", "x" * 129, "é"])
def test_an_id_that_would_spoil_a_log_is_replaced(images: Server, value: str) -> None:
    headers = {b"X-Request-ID": value.encode(), b"traceparent": b"nonsense"}
    answer = images.client.get("/model", headers=headers)
    assert answer.headers["x-request-id"] not in ("", value) and "traceparent" not in answer.headers


def test_the_access_log_has_a_line_of_json_for_every_request(store: Store) -> None:
    version = publish(store, image_bundle())
    with serving(store, "digits", "--access-log") as server:
        headers = {"X-Request-ID": "my-id", "traceparent": TRACE}
        server.client.post("/predict", content=BODY, headers=headers)
        server.client.head("/nothing")
        lines = [
            json.loads(line)
            for line in eventually(
                lambda: [line for line in server.log.splitlines() if "nothing" in line] and server.log
            ).splitlines()
            if line[0] == "{"
        ]
    one = next(line for line in lines if line["path"] == "/predict")
    assert 0 < one.pop("seconds") < 30 and re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", one.pop("time"))
    assert one == {
        "method": "POST",
        "path": "/predict",
        "status": 200,
        "client": "127.0.0.1",
        "request_id": "my-id",
        "trace_id": TRACE.split("-")[1],
        "model": "digits",
        "version": version,
    }
    other = next(line for line in lines if line["path"] == "/nothing")
    assert (other["method"], other["status"], other["trace_id"], other["model"]) == ("HEAD", 404, None, None)


def test_without_the_flag_no_request_is_logged(images: Server) -> None:
    httpx.get(f"{images.url}/model").raise_for_status()
    assert "/model" not in images.log
