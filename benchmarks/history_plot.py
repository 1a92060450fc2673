"""How long a browser takes until the history of a large search is drawn: on the board, and in optuna-dashboard.

    uv run python -m benchmarks.history_plot --dashboard ENVIRONMENT/bin/optuna-dashboard

Both show the same made-up search, the dashboard as `atelier export optuna` has written it, in the same headless
browser, each time with an empty cache. ENVIRONMENT has optuna-dashboard from PyPI, which this project needs nowhere
else. The first look is at a process that has just been started; the next ones are medians of so many rounds. What other
work the machine has makes both longer, so the ratio is what tells.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from atelier_store.layout import Store
from playwright.sync_api import Browser, sync_playwright

from benchmarks.children import with_parent
from benchmarks.made_up_store import make, spec
from tools.machine import chromium

PATIENCE = 600.0
"""Seconds for a process to answer, and for a history to be drawn."""

BOARD, DASHBOARD = "#progress-title ~ .holder svg.chart", "#plot-history .scatterlayer .trace"
"""The drawn history in each page."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def running(command: Sequence[str], url: str) -> Iterator[int]:
    """The command, from when it answers at this address, as the number of its process."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=with_parent())
    deadline = time.monotonic() + PATIENCE
    try:
        while True:
            try:
                urllib.request.urlopen(url, timeout=PATIENCE).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"it does not answer: {' '.join(command)}") from None
                time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def seconds_until(browser: Browser, url: str, selector: str) -> float:
    """From the request of a page until it has drawn this."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    began = time.perf_counter()
    page.goto(url, wait_until="commit", timeout=1000 * PATIENCE)
    page.wait_for_selector(selector, state="attached", timeout=1000 * PATIENCE)
    took = time.perf_counter() - began
    context.close()
    return took


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dashboard", required=True, help="the program optuna-dashboard")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", type=Path, help="a made-up store of so many trials that is there already")
    parser.add_argument("--name", default="made-up", help="of its search")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        store = given.store or Path(folder) / "store"
        name = spec(given.trials, given.name).experiment_name
        if given.store is None:
            make(Store(store), given.trials, name=given.name)
        study = Path(folder) / "study.log"
        atelier = [sys.executable, "-m", "atelier_cli"]
        subprocess.run([*atelier, "export", "optuna", name, "--store", str(store), "--file", str(study)], check=True)
        browser = playwright.chromium.launch(executable_path=chromium())
        ports = free_port(), free_port()
        roots = [f"http://127.0.0.1:{port}" for port in ports]
        board = [*atelier, "board", "--store", str(store), "--port", str(ports[0])]
        dashboard = [given.dashboard, str(study), "--host", "127.0.0.1", "--port", str(ports[1])]
        looks: dict[str, list[float]] = {"board": [], "optuna-dashboard": []}
        with running(board, f"{roots[0]}/health"):
            for _ in range(given.rounds + 1):
                looks["board"].append(seconds_until(browser, f"{roots[0]}/#/s/{name}", BOARD))
        with running(dashboard, f"{roots[1]}/"):
            for _ in range(given.rounds + 1):
                looks["optuna-dashboard"].append(seconds_until(browser, f"{roots[1]}/dashboard/studies/0", DASHBOARD))
        browser.close()
    for who, (first, *rest) in looks.items():
        print(f"{who}: {first:.2f} s at first, then {statistics.median(rest):.2f} s")
    first, then = (
        looks["optuna-dashboard"][0] / looks["board"][0],
        statistics.median(looks["optuna-dashboard"][1:]) / statistics.median(looks["board"][1:]),
    )
    print(f"optuna-dashboard beside the board: {first:.1f} times at first, then {then:.1f} times")


if __name__ == "__main__":
    main()
