"""What is listened on, in IPv4 and IPv6, and how it is written."""

import socket

import pytest
from atelier_store import addresses


def reaches(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("127.0.0.1", {"127.0.0.1"}),
        ("localhost", {"127.0.0.1"}),
        ("0.0.0.0", {"127.0.0.1"}),
        ("::1", {"::1"}),
        ("::", {"127.0.0.1", "::1"}),
        ("0:0:0:0:0:0:0:0", {"127.0.0.1", "::1"}),
    ],
)
def test_an_address_is_reached_where_it_says(host: str, reached: set[str]) -> None:
    with addresses.listen(host, 0, reuse_port=True) as listening:
        port = listening.getsockname()[1]
        assert {address for address in ("127.0.0.1", "::1") if reaches(address, port)} == reached
        assert reaches(addresses.reachable(host), port)


@pytest.mark.parametrize(("first", "second"), [("127.0.0.1", "::"), ("::1", "::"), ("::", "0.0.0.0")])
def test_a_port_that_is_taken_on_one_of_them_is_taken(first: str, second: str) -> None:
    with addresses.listen(first, 0) as listening, pytest.raises(OSError):
        addresses.listen(second, listening.getsockname()[1])


def test_every_address_is_every_ipv4_one_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with addresses.listen("::", 0) as listening:
        assert listening.family == socket.AF_INET and listening.getsockname()[0] == "0.0.0.0"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("fe80::1%eth0", "http://[fe80::1%25eth0]:80"),
        ("digits.example", "http://digits.example:80"),
    ],
)
def test_a_url_has_an_ipv6_address_in_brackets(host: str, url: str) -> None:
    assert addresses.url(host, 80) == url
