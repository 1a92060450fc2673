"""A response leaves in one write. Relies on how uvicorn's protocol writes, which its next release may change."""

import asyncio
from typing import Any

import pytest
import uvicorn
from atelier_server.web.connections import Protocol
from uvicorn.server import ServerState


class Recording(asyncio.Transport):
    """A connection that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 80), "peername": ("127.0.0.1", 1)})
        self.writes: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        self.writes.append(b"closed")


async def respond(scope: Any, receive: Any, send: Any) -> None:
    """Two parts of a body where the path says so, else one."""
    parts = [b"a", b"b"] if scope["path"] == "/parts" else [b"whole"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"transfer-encoding", b"chunked")]})
    for number, part in enumerate(parts):
        await send({"type": "http.response.body", "body": part, "more_body": number + 1 < len(parts)})


def written(request: bytes) -> list[bytes]:
    async def scenario() -> list[bytes]:
        config = uvicorn.Config(respond, http=Protocol, log_config=None, server_header=False, date_header=False)
        config.load()
        protocol, transport = Protocol(config=config, server_state=ServerState(), app_state={}), Recording()
        protocol.connection_made(transport)
        protocol.data_received(request)
        while protocol.cycle is None or not protocol.cycle.response_complete:
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        return transport.writes

    return asyncio.run(scenario())


@pytest.mark.process
@pytest.mark.parametrize(("path", "first"), [("/whole", b"whole"), ("/parts", b"a")])
def test_the_head_of_a_response_leaves_with_the_first_part_of_its_body(path: str, first: bytes) -> None:
    writes = written(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode())
    assert writes[0].startswith(b"HTTP/1.1 200 ")
    assert first in writes[0].split(b"\r\n\r\n", 1)[1]
    assert not any(later.startswith(b"HTTP/1.1") for later in writes[1:])


def test_an_interim_response_is_not_held_back() -> None:
    from atelier_server.web.transport import Transport

    loop, inner = asyncio.new_event_loop(), Recording()
    transport = Transport(inner, loop)
    transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert inner.writes == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
    assert len(inner.writes) == 1
    transport.close()
    assert inner.writes[1:] == [b"HTTP/1.1 200 OK\r\n\r\n", b"closed"]
    loop.close()
