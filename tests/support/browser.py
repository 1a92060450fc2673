"""The browser that opens the pages."""

from tools.machine import chromium

CHROMIUM = chromium()
"""None: Playwright's own, which `make test` downloads where the machine has no browser."""
