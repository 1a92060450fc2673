"""Addresses to listen on, and urls of what listens there; of IPv4 and IPv6 alike."""

from __future__ import annotations

import ipaddress
import socket

EVERY_IPV4 = "0.0.0.0"  # noqa: S104  # what users ask for, not a default


def listen(host: str, port: int, *, backlog: int | None = None, reuse_port: bool = False) -> socket.socket:
    """A socket that listens on an address or name of this machine; port 0 is a free one. OSError.

    `::` is every address of the machine, IPv4 ones too, and only those where it has no IPv6. A name that has addresses
    of both kinds is its IPv4 one.
    """
    every = _is_every(host)
    if every and not socket.has_dualstack_ipv6():
        host, every = EVERY_IPV4, False
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, *_, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return socket.create_server(address, family=family, backlog=backlog, reuse_port=reuse_port, dualstack_ipv6=every)


def reachable(host: str) -> str:
    """Where clients on this machine reach a server that listens on host."""
    return "127.0.0.1" if host == EVERY_IPV4 or _is_every(host) else host


def url(host: str, port: int) -> str:
    """The base url of a server."""
    return f"http://[{host.replace('%', '%25')}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_every(host: str) -> bool:
    """Whether it is `::`, in any spelling."""
    try:
        return ipaddress.IPv6Address(host).is_unspecified
    except ValueError:  # a name, or an IPv4 address
        return False
