"""The parser of requests, for a server that changes to no other protocol: `Upgrade` is ignored (RFC 9110, 7.8).

Every first request of Java's HttpClient asks for h2c, as those of `curl --http2` do. httptools ends such a request at
its head and would take its body for the next request.
"""

from __future__ import annotations

from typing import Any

import httptools


class Parser:
    """httptools' parser, which calls the protocol's callbacks.

    A head that asks for an upgrade is read twice, the second time by a new parser and without that header, and then
    what follows. The protocol must pass over the first time, of which should_upgrade() is true.
    """

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._renew()

    def feed_data(self, data: bytes) -> None:
        """Parse what has arrived. Raises HttpParserError if it is no HTTP."""
        rest = memoryview(data)
        while True:
            try:
                return self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as asked:
                rest = rest[asked.args[0] :]
            self._read_again()

    def _read_again(self) -> None:
        method, protocol = self.get_method(), self._protocol
        if method == b"CONNECT":
            raise httptools.HttpParserError("what follows CONNECT is no HTTP")
        request = b" ".join((method, protocol.url, b"HTTP/" + self.get_http_version().encode()))
        headers = [b": ".join(header) for header in protocol.headers if header[0] != b"upgrade"]
        self._renew()
        self._parser.feed_data(b"\r\n".join((request, *headers, b"", b"")))

    def _renew(self) -> None:
        parser = self._parser = httptools.HttpRequestParser(self._protocol)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.get_method, self.get_http_version = parser.get_method, parser.get_http_version
        self.should_keep_alive, self.should_upgrade = parser.should_keep_alive, parser.should_upgrade
