"""How a page that lies in a store is sent to a browser: whoever may write to the store may have changed it.

So it gets an origin of its own, from which it reaches nothing: not the pages beside it, nor what they may ask for.
"""

from __future__ import annotations

HEADERS = {
    "Content-Security-Policy": "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Content-Type": "text/html; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""The page's own policy, by hashes, is asked as well."""
