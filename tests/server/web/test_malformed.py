"""Bodies that are broken, odd or huge: they are never the server's failure, and the next client is served at once."""

import json
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.support.harm import GOOD, PIXELS, TENSORS, infer_path, inference, unharmed
from tests.support.memory import MEBIBYTE
from tests.support.server_process import Server, problem, status_field, workers
from tests.support.sizes import sizes

pytestmark = pytest.mark.process

EXAMPLES = sizes(25, 3000)
LENGTH = "Inference-Header-Content-Length"


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
        for content_type in (
            "application/json",
            "application/octet-stream",
            "image/png",
            "multipart/form-data; boundary=b",
        ):
            answer = server.client.post(path, content=body, headers={"Content-Type": content_type})
            assert 400 <= answer.status_code < 500, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert len(answer.content) < 100_000


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS.keys())
def test_a_number_that_is_none_is_the_clients_fault_wherever_it_stands(
    server: Server, model: str, number: bytes
) -> None:
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
        assert (
            images.client.post("/predict", content=body).json()
            == images.client.post("/predict", json=GOOD["digits"]).json()
        )
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
NAMES = st.sampled_from(
    ["inputs", "outputs", "name", "data", "shape", "datatype", "parameters", "binary_data_size", "instances", "id"]
)
JUNK = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=6
)


@st.composite
def spoiled(draw: st.DrawFn, request: dict[str, Any]) -> dict[str, Any]:
    """The request with junk in one to three places."""
    for _ in range(draw(st.integers(1, 3))):
        request = replaced(request, draw(st.sampled_from(list(places(request)))), draw(JUNK))
    return request


@pytest.mark.parametrize("examples", EXAMPLES)
def test_a_request_with_anything_anywhere_is_answered(server: Server, model: str, examples: int) -> None:
    requests = st.sampled_from([GOOD[model], inference(model)]).flatmap(
        lambda good: st.tuples(st.just(good), spoiled(good))
    )

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
    "an odd disposition": (
        "multipart/form-data; boundary=b",
        b'--b\r\nContent-Disposition: ;;="\xff;name\r\n\r\nx\r\n--b--\r\n',
    ),
    "a file without a name": (
        "multipart/form-data; boundary=b",
        b'--b\r\nContent-Disposition: x; filename="a"\r\n\r\nx\r\n--b--\r\n',
    ),
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
        answer = images.client.post("/predict", content=form, headers={b"Content-Type": content_type.encode("latin-1")})
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
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", bytes(packed) + packer.flush())
        + chunk(b"IEND", b"")
    )


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
        answer = images.alone("POST", "/predict", content=bomb, headers={"Content-Type": "image/png"})
        assert answer.status_code == status, answer.text
    assert all(status_field(pid, "VmHWM") - peak < MOST_MEMORY for pid, peak in before.items())


BINARY_LENGTHS = ["-1", "+5", "0", "1", "0x10", "1e3", "99999999", "9" * 5000, "", "\xb2", "5, 5"]


@pytest.mark.parametrize("length", BINARY_LENGTHS)
def test_a_length_of_the_json_that_cannot_be_is_the_clients_fault(server: Server, model: str, length: str) -> None:
    headers = {LENGTH.encode(): length.encode("latin-1"), b"Content-Type": b"application/octet-stream"}
    answer = server.client.post(infer_path(model), json=inference(model), headers=headers)
    assert problem(answer, 400)


@pytest.mark.parametrize("examples", EXAMPLES)
def test_tensors_as_bytes_with_anything_in_their_header_are_answered(server: Server, model: str, examples: int) -> None:
    given_tensor = {name: value for name, value in TENSORS[model].items() if name != "data"}
    size = 64 if model == "digits" else 12
    good = {
        "inputs": [given_tensor | {"parameters": {"binary_data_size": size}}],
        "parameters": {"binary_data_output": True},
    }
    amounts = st.integers(-2, 100) | st.sampled_from([size, 2**31, 2**63, 9 * 10**4299])

    @settings(max_examples=examples)
    @given(
        spoiled(good) | st.just(good),
        st.binary(min_size=size, max_size=size) | st.binary(max_size=100),
        amounts | st.none(),
        amounts,
    )
    def ask(request: dict[str, Any], tail: bytes, named: int | None, length: int) -> None:
        if named is not None:
            request = replaced(good, ("inputs", 0, "parameters", "binary_data_size"), named)
        text = json.dumps(request).encode()
        for said in (len(text), length):
            headers = {LENGTH: str(said), "Content-Type": "application/octet-stream"}
            answer = server.client.post(infer_path(model), content=text + tail, headers=headers)
            assert answer.status_code in (200, 400), answer.text

    ask()
