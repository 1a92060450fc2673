"""Checks of a daemon's own health address."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request

from .layout import API, PKI
from .waiting import Check


def answers(url: str) -> Check:
    """It answers 200; its certificate is not verified, since it is on this machine's own loopback."""
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    return lambda: _missing(url, unverified)


def api_ready() -> str | None:
    context = ssl.create_default_context(cafile=str(PKI / "ca.crt"))
    context.load_cert_chain(PKI / "admin.crt", PKI / "admin.key")
    return _missing(f"{API}/readyz?verbose", context)


def _missing(url: str, context: ssl.SSLContext) -> str | None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        opener.open(url, timeout=5).close()
    except urllib.error.HTTPError as error:
        lines = error.read().decode(errors="replace").splitlines()
        failed_checks = "; ".join(line for line in lines if line.startswith("[-]"))
        return f"{url} says {error.code}: {failed_checks or ' '.join(lines)[:200]}"
    except OSError as error:
        return f"{url}: {error}"
    return None
