"""A real board process and a client for it."""

from __future__ import annotations

import base64
import math
import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.server_process import eventually


class Board:
    """`atelier board` as a process of its own, on a free port; its output is a file beside the store."""

    def __init__(self, store: Path) -> None:
        self._output = store.parent / f"board-{os.urandom(3).hex()}.log"
        command = [sys.executable, "-m", "atelier_cli", "board", "--store", str(store), "--port", "0"]
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            self.url = eventually(self._address)
            self.client = httpx.Client(base_url=self.url, timeout=60, verify=False)
            eventually(self._answers)
        except BaseException:
            self.process.kill()
            raise

    @property
    def output(self) -> str:
        return self._output.read_text()

    def _address(self) -> str | None:
        assert self.process.poll() is None, self.output
        found = re.search(r"(http://\S+) ", self.output)
        return found and found[1]

    def _answers(self) -> bool:
        try:
            return self.client.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> int:
        """Exit status after Ctrl-C."""
        self.client.close()
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)


@contextmanager
def board(store: Path) -> Iterator[Board]:
    """A board of the store during the block."""
    one = Board(store)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.stop()


def column(told: Any) -> list[Any]:
    """A column as the page reads it."""
    if isinstance(told, list):
        return told
    if "words" in told:
        return [told["words"][int(digit, 36)] for digit in told["rows"]]
    if "of" in told:
        return [place if place <= told["counted"] else None for place in range(1, told["of"] + 1)]
    if "keys" in told:
        content = base64.b64decode(told["keys"])
        found = [content[at : at + 8].hex() for at in range(0, len(content), 8)]
    else:
        content = base64.b64decode(told["numbers"])
        found = [f"{told['before']}{one:0{told['width']}}" for one in struct.unpack(f"<{len(content) // 4}I", content)]
    return [told["others"].get(place, told["others"].get(str(place), one)) for place, one in enumerate(found)]


def numbers(told: dict[str, Any]) -> list[float]:
    """Numbers in few bytes as the page reads them; NaN where there is none."""
    raw = base64.b64decode(told["bytes"])
    if told.get("wide"):
        return list(struct.unpack(f"<{len(raw) // 8}d", raw))
    steps = struct.unpack(f"<{len(raw) // 2}H", raw)
    low, each = told["low"], (told["high"] - told["low"]) / 65534
    return [math.nan if step == 65535 else low + step * each for step in steps]
