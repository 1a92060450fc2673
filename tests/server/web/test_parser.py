"""A request that asks for another protocol is read as one that does not ask, wherever its bytes are cut."""

import httptools
import pytest
from atelier_server.web.parser import Parser

H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
WEBSOCKET = b"upgrade: websocket\r\nconnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: a\r\n"
START = b"POST /predict?a=b HTTP/1.1\r\nHost: a\r\nEmpty:\r\nTight:b\r\n"
INNER = b"GET /model HTTP/1.1\r\nHost: b\r\n\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n%s" % (len(INNER), INNER)
CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n" % (
    len(INNER),
    INNER,
)
NEXT = b"GET /v2 HTTP/1.1\r\nHost: c\r\n\r\n"

Request = tuple[bytes, bytes, list[tuple[bytes, bytes]], bytes]


class Reader:
    """Keeps every whole request: method, path, headers, body."""

    def __init__(self) -> None:
        self.parser = Parser(self)
        self.found: list[Request] = []

    def on_message_begin(self) -> None:
        self.url, self.body = b"", b""
        self.headers: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.head = (self.parser.get_method(), self.url, self.headers.copy())

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            self.found.append((*self.head, self.body))


def read(*pieces: bytes) -> list[Request]:
    reader = Reader()
    for piece in pieces:
        reader.parser.feed_data(piece)
    return reader.found


@pytest.mark.parametrize("body", [b"\r\n", LENGTH, CHUNKS], ids=["no body", "a length", "chunks"])
@pytest.mark.parametrize("upgrade", [H2C, WEBSOCKET], ids=["h2c", "websocket"])
def test_the_body_belongs_to_its_request_in_every_cut(upgrade: bytes, body: bytes) -> None:
    content = START + upgrade + body + NEXT
    whole = read(content)
    plain = read(
        START + upgrade.replace(b"Upgrade: h2c\r\n", b"").replace(b"upgrade: websocket\r\n", b"") + body + NEXT
    )
    assert whole == plain
    assert [request[1] for request in whole] == [b"/predict?a=b", b"/v2"]
    assert whole[0][3] == (b"" if body == b"\r\n" else INNER)
    assert all(read(content[:cut], content[cut:]) == whole for cut in range(len(content)))
    assert read(*(content[at : at + 1] for at in range(len(content)))) == whole


def test_thousands_of_such_requests_in_one_packet_are_read_in_turn() -> None:
    assert len(read((START + H2C + LENGTH) * 5000)) == 5000


def test_what_follows_connect_is_not_read_as_a_request() -> None:
    reader = Reader()
    with pytest.raises(httptools.HttpParserError):
        reader.parser.feed_data(b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n" + NEXT)
    assert reader.found == []
