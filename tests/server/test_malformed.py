"""Whatever comes in over HTTP, broken, slow or huge: it is never the server's failure, and the next client is served at once."""

import json
import re
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from typing import Any

import httpx
import pytest
from atelier_store.layout import Store
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_bundles import image_bundle, publish
from PIL import Image
from server_process import Server, eventually, problem, serving, status_field, workers
from sizes import sizes

EXAMPLES = sizes(60, 3000)
MEBIBYTE = 2**20
PIXELS = image_bundle().inputs[:1]
ROW = [62.0, 3.0, 1.0]
GOOD = {"digits": {"instances": PIXELS.tolist()}, "house": {"instances": [ROW]}}
TENSORS = {
    "digits": {"name": "input", "datatype": "UINT8", "shape": [1, 8, 8], "data": PIXELS.ravel().tolist()},
    "house": {"name": "input", "datatype": "FP32", "shape": [1, 3], "data": ROW},
}
OUTPUTS = {"digits": "probabilities", "house": "prediction"}
LENGTH = "Inference-Header-Content-Length"


def inference(model: str) -> dict[str, Any]:
    """A request of the Open Inference Protocol with every member that means something."""
    outputs = [{"name": OUTPUTS[model], "parameters": {"binary_data": False}}]
    return {"id": "a", "parameters": {"binary_data_output": False}, "inputs": [{**TENSORS[model], "parameters": {}}], "outputs": outputs}


@pytest.fixture(params=["digits", "house"])
def model(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def server(model: str, request: pytest.FixtureRequest) -> Iterator[Server]:
    """The server of the model; it must be unharmed when the test is over."""
    served: Server = request.getfixturevalue({"digits": "images", "house": "rows"}[model])
    with unharmed(served, model):
        yield served


class unharmed:
    """Every worker is still there when the block is left, answers new clients, and has logged no traceback."""

    def __init__(self, server: Server, model: str = "digits") -> None:
        self._server, self._model = server, model

    def __enter__(self) -> None:
        self._workers, self._logged = workers(self._server), len(self._server.log)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind:
            return
        for _ in range(4):  # over connections of their own, which any worker may take
            httpx.post(f"{self._server.url}/predict", json=GOOD[self._model], timeout=30).raise_for_status()
        assert workers(self._server) == self._workers
        assert "Traceback" not in self._server.log[self._logged :]


# bodies


def infer_path(model: str) -> str:
    return f"/v2/models/{model}/infer"


DEEP = b"[" * 100_000 + b"]" * 100_000
DEEP_OBJECT = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
NUMBERS = {
    "1e400": b"1e400",
    "-1e400": b"-1e400",
    "10**400": b"1" + b"0" * 400,
    "10**4299": b"1" + b"0" * 4299,
    "10**5000": b"1" + b"0" * 5000,
    "2**63": str(2**63).encode(),
    "5000 digits after the point": b"0." + b"1" * 5000,
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "-Infinity": b"-Infinity",
    "truth": b"true",
    "nothing": b"null",
    "text": b'"\\ud800"',
    "deep": DEEP,
}
WHOLE = {
    "empty": b"",
    "zero byte": b"\0",
    "deep lists": DEEP,
    "deep objects": DEEP_OBJECT,
    "open lists": b"[" * 100_000,
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": json.dumps(GOOD["digits"]).encode("utf-16"),
    "invalid UTF-8 in a string": b'{"instances": ["\xff\xfe"]}',
    "invalid UTF-8 in a name": b'{"\xff": 1, "instances": [[1,2,3]]}',
    "lone surrogate": b'{"instances": ["\\ud800"]}',
    "unfinished string": b'{"instances": "',
    "unfinished escape": b'{"instances": ["\\u12',
    "a million rows of nothing": b'{"instances": [' + b"[]," * 1_000_000 + b"[]]}",
    "a million inputs of nothing": b'{"inputs": [' + b"{}," * 1_000_000 + b"{}]}",
    "a hundred thousand names": b"{" + b",".join(b'"%d": 1' % n for n in range(100_000)) + b"}",
    "an unknown member, deep": b'{"x": ' + DEEP + b', "inputs": [], "instances": []}',
    "an unknown parameter, deep": b'{"parameters": {"x": ' + DEEP + b'}, "inputs": []}',
}
"""Bodies for whatever takes JSON."""


@pytest.mark.parametrize("body", WHOLE.values(), ids=WHOLE.keys())
def test_a_body_that_cannot_be_used_is_the_clients_fault(server: Server, model: str, body: bytes) -> None:
    for path in ("/predict", infer_path(model)):
        for content_type in ("application/json", "application/octet-stream", "image/png", "multipart/form-data; boundary=b"):
            answer = server.client.post(path, content=body, headers={"Content-Type": content_type})
            assert 400 <= answer.status_code < 500, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert len(answer.content) < 100_000


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS.keys())
def test_a_number_that_is_none_is_the_clients_fault_wherever_it_stands(server: Server, model: str, number: bytes) -> None:
    for request in (GOOD[model], inference(model)):
        path = "/predict" if "instances" in request else infer_path(model)
        for place in places(request):
            body = json.dumps(replaced(request, place, "HERE")).encode().replace(b'"HERE"', number)
            answer = server.client.post(path, content=body)
            assert answer.status_code < 500, (place, answer.text)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every value in it; of long lists, to the first of each."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    """A copy with another value at the path."""
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


def test_of_a_name_that_is_given_twice_the_last_counts(images: Server) -> None:
    body = b'{"instances": 1, "instances": %s}' % json.dumps(PIXELS.tolist()).encode()
    with unharmed(images):
        assert images.client.post("/predict", content=body).json() == images.client.post("/predict", json=GOOD["digits"]).json()
        assert problem(images.client.post("/predict", content=body[:-1] + b', "instances": 1}'), 422)


def test_numbers_with_more_digits_than_python_writes_are_named(rows: Server) -> None:
    huge = 10**4299
    with unharmed(rows, "house"):
        for changed in (
            {"shape": [huge, 3]},
            {"shape": [huge, 3], "data": None, "parameters": {"binary_data_size": 4}},
            {"data": None, "parameters": {"binary_data_size": 9 * huge}},
        ):
            given = {name: value for name, value in (TENSORS["house"] | changed).items() if value is not None}
            for inputs in ([given], [given, given]):
                answer = problem(rows.client.post(infer_path("house"), json={"inputs": inputs}), 400)
                assert answer["errors"]


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, 2**64, -(2**63) - 1, 10**400, 9 * 10**4299]),
    st.floats(),
    st.text(max_size=10),
)
NAMES = st.sampled_from(["inputs", "outputs", "name", "data", "shape", "datatype", "parameters", "binary_data_size", "instances", "id"])
JUNK = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=6)


@st.composite
def spoiled(draw: st.DrawFn, request: dict[str, Any]) -> dict[str, Any]:
    """The request with junk in one to three places."""
    for _ in range(draw(st.integers(1, 3))):
        request = replaced(request, draw(st.sampled_from(list(places(request)))), draw(JUNK))
    return request


@pytest.mark.parametrize("examples", EXAMPLES)
def test_a_request_with_anything_anywhere_is_answered(server: Server, model: str, examples: int) -> None:
    requests = st.sampled_from([GOOD[model], inference(model)]).flatmap(lambda good: st.tuples(st.just(good), spoiled(good)))

    @settings(max_examples=examples)
    @given(requests, st.sampled_from(["/predict", infer_path(model)]))
    def ask(drawn: tuple[Any, Any], other: str) -> None:
        good, request = drawn
        body = json.dumps(request).encode()
        for path in ("/predict" if "instances" in good else infer_path(model), other):
            answer = server.client.post(path, content=body)
            assert answer.status_code in (200, 400, 422), answer.text
            assert answer.status_code == 200 or answer.headers["content-type"] == "application/problem+json"

    ask()


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The bytes with some flipped, cut out or put in."""
    spoilt = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(spoilt)))
        match draw(st.sampled_from(["flip", "cut", "put", "end"])):
            case "flip" if at < len(spoilt):
                spoilt[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del spoilt[at : at + draw(st.integers(1, 20))]
            case "put":
                spoilt[at:at] = draw(st.binary(max_size=20))
            case "end":
                del spoilt[at:]
    return bytes(spoilt)


def picture(format: str) -> bytes:
    file = BytesIO()
    Image.fromarray(PIXELS[0]).convert("RGB").resize((20, 20)).save(file, format)
    return file.getvalue()


FORM = b"\r\n".join(
    (
        b"--b",
        b'Content-Disposition: form-data; name="file"; filename="a.png"',
        b"Content-Type: image/png",
        b"Content-Transfer-Encoding: 8bit",
        b"",
        picture("PNG"),
        b"--b",
        b'Content-Disposition: form-data; name="other"',
        b"",
        b"text",
        b"--b--",
        b"",
    )
)
FILES = {f"image/{name.lower()}": picture(name) for name in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")}
UPLOADS = {**FILES, "multipart/form-data; boundary=b": FORM, "multipart/form-data": FORM}


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("content_type", UPLOADS)
def test_a_damaged_upload_is_answered(images: Server, content_type: str, examples: int) -> None:
    @settings(max_examples=examples)
    @given(damaged(UPLOADS[content_type]))
    def ask(content: bytes) -> None:
        answer = images.client.post("/predict", content=content, headers={"Content-Type": content_type})
        assert answer.status_code in (200, 400, 422), answer.text

    with unharmed(images):
        ask()


FORMS = {
    "no boundary": ("multipart/form-data", FORM),
    "an empty boundary": ("multipart/form-data; boundary=", FORM),
    "a boundary of 10,000": (f"multipart/form-data; boundary={'b' * 10_000}", FORM),
    "a boundary that is no text": ('multipart/form-data; boundary="\xff\xfe"', FORM),
    "another boundary": ("multipart/form-data; boundary=c", FORM),
    "no end": ("multipart/form-data; boundary=b", FORM[:-20]),
    "no disposition": ("multipart/form-data; boundary=b", b"--b\r\nA: b\r\n\r\nx\r\n--b--\r\n"),
    "an odd disposition": ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: ;;="\xff;name\r\n\r\nx\r\n--b--\r\n'),
    "a file without a name": ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: x; filename="a"\r\n\r\nx\r\n--b--\r\n'),
    "base64 that is none": (
        "multipart/form-data; boundary=b",
        FORM.replace(b"8bit", b"base64"),
    ),
    "an unknown encoding": ("multipart/form-data; boundary=b", FORM.replace(b"8bit", b"x-gzip")),
    "20,000 files": (
        "multipart/form-data; boundary=b",
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nx\r\n' * 20_000 + b"--b--\r\n",
    ),
}


@pytest.mark.parametrize(("content_type", "form"), FORMS.values(), ids=FORMS.keys())
def test_an_odd_form_is_answered(images: Server, content_type: str, form: bytes) -> None:
    with unharmed(images):
        answer = images.client.post("/predict", content=form, headers={"Content-Type": content_type.encode("latin-1")})
        assert answer.status_code in (200, 400, 422), answer.text
        assert len(answer.content) < 100_000


def png(width: int, height: int, colour: int) -> bytes:
    """A picture of zeros, which is small; the colour type is PNG's own."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    line = b"\0" * (1 + width * {0: 1, 2: 3, 6: 4}[colour])
    packer, packed = zlib.compressobj(9), bytearray()
    for _ in range(height):
        packed += packer.compress(line)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", bytes(packed) + packer.flush()) + chunk(b"IEND", b"")


MOST_MEMORY = 256 * MEBIBYTE
"""What a worker may grow by over one request: a pod has 1 GiB."""


@pytest.mark.parametrize(
    ("bomb", "status"),
    [(png(5000, 5000, 6), 200), (png(5000, 5001, 6), 422), (png(30_000, 30_000, 0), 422), (png(65_000, 10, 0), 200)],
    ids=["the largest that is read", "one that is larger", "900 million pixels", "a line"],
)
def test_a_small_file_that_is_a_huge_picture_takes_little_memory(images: Server, bomb: bytes, status: int) -> None:
    before = {pid: status_field(pid, "VmHWM") for pid in workers(images)}
    with unharmed(images):
        answer = httpx.post(f"{images.url}/predict", content=bomb, headers={"Content-Type": "image/png"}, timeout=60)
        assert answer.status_code == status, answer.text
    assert all(status_field(pid, "VmHWM") - peak < MOST_MEMORY for pid, peak in before.items())


BINARY_LENGTHS = ["-1", "+5", "0", "1", "0x10", "1e3", "99999999", "9" * 5000, "", "\xb2", "5, 5"]


@pytest.mark.parametrize("length", BINARY_LENGTHS)
def test_a_length_of_the_json_that_cannot_be_is_the_clients_fault(server: Server, model: str, length: str) -> None:
    headers = {LENGTH: length.encode("latin-1"), "Content-Type": "application/octet-stream"}
    answer = server.client.post(infer_path(model), json=inference(model), headers=headers)
    assert problem(answer, 400)


@pytest.mark.parametrize("examples", EXAMPLES)
def test_tensors_as_bytes_with_anything_in_their_header_are_answered(server: Server, model: str, examples: int) -> None:
    given_tensor = {name: value for name, value in TENSORS[model].items() if name != "data"}
    size = 64 if model == "digits" else 12
    good = {"inputs": [given_tensor | {"parameters": {"binary_data_size": size}}], "parameters": {"binary_data_output": True}}
    amounts = st.integers(-2, 100) | st.sampled_from([size, 2**31, 2**63, 9 * 10**4299])

    @settings(max_examples=examples)
    @given(spoiled(good) | st.just(good), st.binary(min_size=size, max_size=size) | st.binary(max_size=100), amounts | st.none(), amounts)
    def ask(request: dict[str, Any], tail: bytes, named: int | None, length: int) -> None:
        if named is not None:
            request = replaced(good, ("inputs", 0, "parameters", "binary_data_size"), named)
        text = json.dumps(request).encode()
        for said in (len(text), length):
            headers = {LENGTH: str(said), "Content-Type": "application/octet-stream"}
            answer = server.client.post(infer_path(model), content=text + tail, headers=headers)
            assert answer.status_code in (200, 400), answer.text

    ask()


# connections


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
    "another protocol": request("GET", "/model", b"", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: a"),
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
    "another transfer encoding": request("POST", "/predict", b"2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: gzip, chunked"),
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
    assert head.startswith(b"HTTP/1.1 400 ") and b"application/problem+json" in head and json.loads(body)["status"] == 400


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
    "100 MB after the last chunk": (HEADER + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nA: ", b"b" * MEBIBYTE, 431),
}


@pytest.mark.parametrize(("head", "rest", "status"), HUGE.values(), ids=HUGE.keys())
def test_what_is_too_large_is_refused_before_it_takes_memory(images: Server, head: bytes, rest: bytes, status: int) -> None:
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
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, number % 2))  # every other one with a reset
            client.close()
        numbers = range(len(workers(images)))
        eventually(lambda: sum(images.metric("atelier_requests_in_flight", worker=str(number)) for number in numbers) <= 1)  # this one


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
