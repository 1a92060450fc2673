"""Slow, broken or non-HTTP connections are never the server's failure, and the next client is served at once."""

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from atelier_store.layout import Store

from tests.support.harm import GOOD, PIXELS, infer_path, inference, unharmed
from tests.support.memory import MEBIBYTE
from tests.support.onnx_bundles import image_bundle, publish
from tests.support.server_process import Server, eventually, in_flight, serving, status_field, workers

pytestmark = pytest.mark.process


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def received(client: socket.socket) -> bytes:
    """Everything until the server closes, or resets."""
    content = bytearray()
    with suppress(ConnectionResetError):
        while piece := client.recv(65536):
            content += piece
    return bytes(content)


def statuses(content: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", content)]


def request(method: str = "POST", path: str = "/predict", body: bytes | None = None, *headers: str) -> bytes:
    """A whole request; without a body, that of a good prediction."""
    body = json.dumps(GOOD["digits"]).encode() if body is None else body
    lines = [f"{method} {path} HTTP/1.1", "Host: a", *headers]
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


CHUNKED = "Transfer-Encoding: chunked"
NO_HTTP = {
    "random bytes": bytes(range(256)) * 4,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\n\r\n",
    "a path that is no text": b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
    "a path with a broken escape": b"GET /%zz%ff%00 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a whole address": b"GET http://other:99999999/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT": b"CONNECT other:443 HTTP/1.1\r\nHost: other\r\n\r\n",
    "OPTIONS *": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "no host": b"GET /model HTTP/1.1\r\n\r\n",
    "another protocol": request(
        "GET", "/model", b"", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: a"
    ),
    "h2c": request("GET", "/model", b"", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: a"),
    "a folded header": b"GET /model HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n",
    "a zero byte in a header": b"GET /model HTTP/1.1\r\nHost: a\r\nA: \0\r\n\r\n",
    "a header without a name": b"GET /model HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
    "two lengths": request("POST", "/predict", b"{}", "Content-Length: 2", "Content-Length: 3"),
    "a length and chunks": request("POST", "/predict", b"0\r\n\r\n", "Content-Length: 5", CHUNKED),
    "a negative length": request("POST", "/predict", b"{}", "Content-Length: -2"),
    "a length of 5,000 digits": request("POST", "/predict", b"{}", "Content-Length: " + "9" * 5000),
    "a length that is no number": request("POST", "/predict", b"{}", "Content-Length: two"),
    "a length that is too short": request("POST", "/predict", None, "Content-Length: 20"),
    "a length that is too long": request("POST", "/predict", None, "Content-Length: 100000"),
    "a chunk of a negative size": request("POST", "/predict", b"-1\r\n\r\n", CHUNKED),
    "a chunk of 2**64 bytes": request("POST", "/predict", b"10000000000000000\r\n\r\n", CHUNKED),
    "a chunk that is too short": request("POST", "/predict", b"5\r\n{}\r\n0\r\n\r\n", CHUNKED),
    "chunks without an end": request("POST", "/predict", b"2\r\n{}\r\n", CHUNKED),
    "another transfer encoding": request(
        "POST", "/predict", b"2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: gzip, chunked"
    ),
    "an unknown expectation": request("POST", "/predict", None, "Expect: 200-ok"),
    "a header of 60,000": request("GET", "/model", b"", "A: " + "b" * 60_000),
    "ten thousand headers": request("GET", "/model", b"", *["A: b"] * 10_000),
    "a path of 60,000": request("GET", "/" + "a" * 60_000, b""),
}


@pytest.mark.parametrize("pieces", [1, 7], ids=["at once", "in pieces"])
@pytest.mark.parametrize("content", NO_HTTP.values(), ids=NO_HTTP.keys())
def test_what_is_no_request_is_answered_or_closed(images: Server, content: bytes, pieces: int) -> None:
    with unharmed(images), connect(images) as client:
        size = -(-len(content) // pieces)
        with suppress(ConnectionError):
            for start in range(0, len(content), size):
                client.sendall(content[start : start + size])
        with suppress(OSError):  # closed already
            client.shutdown(socket.SHUT_WR)
        answer = received(client)
        assert all(200 <= status < 500 for status in statuses(answer)), answer


def test_what_is_not_http_is_told_so_as_a_problem(images: Server) -> None:
    with connect(images) as client:
        client.sendall(b"nonsense\r\n\r\n")
        head, _, body = received(client).partition(b"\r\n\r\n")
    assert (
        head.startswith(b"HTTP/1.1 400 ") and b"application/problem+json" in head and json.loads(body)["status"] == 400
    )


ASKING = {
    "h2c": ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ"],
    "websocket": ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: a"],
}


@pytest.mark.parametrize("is_chunked", [False, True], ids=["a length", "chunks"])
@pytest.mark.parametrize("asking", ASKING.values(), ids=ASKING.keys())
def test_a_request_for_another_protocol_is_answered_as_any_in_every_cut(
    rows: Server, asking: list[str], is_chunked: bool
) -> None:
    body = json.dumps(GOOD["house"]).encode()
    chunks = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (7, body[:7], len(body) - 7, body[7:])
    content = request("POST", "/predict", chunks if is_chunked else body, *asking, *([CHUNKED] if is_chunked else []))
    following = request("GET", "/v2/models/house/ready", b"", "Connection: close")
    with unharmed(rows, "house"):
        for cut in range(len(content)):
            with connect(rows) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.sendall(content[:cut])
                client.sendall(content[cut:] + following)
                answers = received(client)
            assert statuses(answers) == [200, 200], (cut, answers)
            assert b'"predictions"' in answers and b'"ready":true' in answers


def test_a_body_that_looks_like_a_request_is_not_answered_as_one(images: Server) -> None:
    inner = request("GET", "/v2/models/digits/ready", b"")
    for asking in ASKING.values():
        with connect(images) as client:
            client.sendall(request("POST", "/predict", b"", *asking, f"Content-Length: {len(inner)}"))
            client.sendall(inner)
            client.sendall(request("GET", "/nothing", b"", "Connection: close"))
            assert statuses(received(client)) == [400, 404]


def sending(content: bytes, times: int) -> Callable[[socket.socket], None]:
    """Sends the content again and again, until the server has enough."""

    def send(client: socket.socket) -> None:
        with suppress(ConnectionError, TimeoutError):
            for _ in range(times):
                client.sendall(content)

    return send


HEADER = b"POST /predict HTTP/1.1\r\nHost: a\r\n"
CHUNK = b"100000\r\n" + b" " * MEBIBYTE + b"\r\n"
HUGE = {
    "a body of 100 MB": (HEADER + b"Content-Length: 104857600\r\n\r\n", b" " * MEBIBYTE, 413),
    "a body of 100 MB in chunks": (HEADER + b"Transfer-Encoding: chunked\r\n\r\n", CHUNK, 413),
    "a header of 100 MB": (HEADER + b"A: ", b"b" * MEBIBYTE, 431),
    "100 MB of headers": (HEADER, b"A: b\r\n" * (MEBIBYTE // 6), 431),
    "a path of 100 MB": (b"GET /", b"a" * MEBIBYTE, 431),
    "100 MB after the last chunk": (
        HEADER + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nA: ",
        b"b" * MEBIBYTE,
        431,
    ),
}


@pytest.mark.parametrize(("head", "rest", "status"), HUGE.values(), ids=HUGE.keys())
def test_what_is_too_large_is_refused_before_it_takes_memory(
    images: Server, head: bytes, rest: bytes, status: int
) -> None:
    before = {pid: status_field(pid, "VmHWM") for pid in workers(images)}
    with unharmed(images), connect(images) as client:
        client.sendall(head)
        sender = threading.Thread(target=sending(rest, 100), args=[client])
        sender.start()
        assert statuses(received(client)) == [status]
        sender.join()
    assert all(status_field(pid, "VmHWM") - peak < 64 * MEBIBYTE for pid, peak in before.items())


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits for nobody longer than half a second."""
    store = Store(tmp_path_factory.mktemp("impatient") / "store")
    publish(store, image_bundle())
    with serving(store, "digits", "--deadline", "0.5") as server:
        yield server


@pytest.mark.parametrize("head", [HEADER + b"Content-Length: 1000\r\n\r\n", HEADER + b"A: "], ids=["a body", "a head"])
def test_bytes_that_trickle_in_are_given_up_at_the_deadline(impatient: Server, head: bytes) -> None:
    with unharmed(impatient), connect(impatient) as client:
        client.sendall(head)
        client.settimeout(0.05)
        answer, deadline = b"", time.monotonic() + 30
        while not answer and time.monotonic() < deadline:
            with suppress(BrokenPipeError):
                client.sendall(b" ")
            with suppress(TimeoutError):
                answer = client.recv(65536)
        assert statuses(answer) == [408] and b"0.5 s" in answer


def test_a_client_that_sends_nothing_is_not_waited_for(impatient: Server) -> None:
    with unharmed(impatient), connect(impatient) as client:
        assert received(client) == b""


def test_a_connection_between_two_requests_is_the_clients_to_close(images: Server) -> None:
    """uvicorn would close it after 5 s, just when httpx stops using it: now and then a request was lost in between."""
    with unharmed(images), connect(images) as client:
        client.sendall(request())
        assert statuses(client.recv(65536)) == [200]
        client.settimeout(6)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(30)
        client.sendall(request())
        assert statuses(client.recv(65536)) == [200]


def test_hundreds_of_clients_that_send_nothing_keep_nobody_out(images: Server) -> None:
    idle = [connect(images) for _ in range(400)]
    try:
        with unharmed(images):
            pass
    finally:
        for client in idle:
            client.close()


def test_a_client_that_closes_its_half_first_is_answered_or_closed(images: Server) -> None:
    with unharmed(images):
        for content in (request(), request("GET", "/model", b""), request()[:-40], b"POST /pre"):
            with connect(images) as client:
                client.sendall(content)
                client.shutdown(socket.SHUT_WR)
                assert all(status in (200, 400) for status in statuses(received(client)))


def test_uploads_that_are_broken_off_leave_nothing_behind(images: Server) -> None:
    with unharmed(images):
        for number in range(40):
            client = connect(images)
            client.sendall(request("POST", "/predict", b" " * 100_000)[: 100 + number * 2000])
            client.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, number % 2)
            )  # every other one with a reset
            client.close()
        eventually(lambda: in_flight(images) <= 1)


def test_requests_that_do_not_wait_for_each_others_answers_are_answered_in_turn(images: Server) -> None:
    wrong = request("POST", "/predict", b"{}")
    contents = [
        request(),
        wrong,
        request("GET", "/nothing", b""),
        request("POST", infer_path("digits"), json.dumps(inference("digits")).encode()),
    ]
    with unharmed(images), connect(images) as client:
        client.sendall(b"".join(contents) * 25 + request("GET", "/model", b"", "Connection: close"))
        assert statuses(received(client)) == [200, 422, 404, 200] * 25 + [200]


def test_a_client_that_does_not_read_keeps_nobody_waiting(images: Server) -> None:
    many = request("POST", "/predict", json.dumps({"instances": PIXELS.tolist() * 2000}).encode())
    clients = [connect(images) for _ in range(8)]
    try:
        with unharmed(images):
            for client in clients:
                client.settimeout(0.2)
                with suppress(TimeoutError, ConnectionError):
                    client.sendall(many * 4)
    finally:
        for client in clients:
            client.close()
