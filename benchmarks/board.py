"""What the board takes with a large search: its process, its answers, and its page in a headless browser.

    uv run python -m benchmarks.board --trials 10000
    uv run python -m benchmarks.board --trials 300 --picture docs/board.png

Makes up a store, starts the board, asks for the search, asks again with its ETag, opens its page with an empty cache,
filters, and has it draw every view. Milliseconds of the page are CPU of its main thread and, where it says so, of the
clock, which other work on the machine makes longer. With --picture it measures nothing, and writes what the page looks
like: the picture in README.md.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.request import Request, urlopen

from atelier_store.layout import Store
from playwright.sync_api import Browser, CDPSession, sync_playwright

from benchmarks.history_plot import BOARD, free_port, running
from benchmarks.made_up_store import make, spec
from tools.machine import chromium

POLLS = 21
FILTERS = ("lr<0.01", "lr<0.01 res3", "stage1_op=sep3|sep5", "value>0.9", "")
SIZE = 1400, 900
FIND = """words => {
  const field = document.getElementById("find");
  field.value = words;
  field.dispatchEvent(new Event("input"));
  document.body.getBoundingClientRect();
}"""
PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def answers(url: str, search: str) -> None:
    """Print how large the answers are, and how long one takes that says that there is nothing new."""
    with urlopen(f"{url}/", timeout=60) as page:
        print(f"page: {len(gzip.compress(page.read())) / 1000:.1f} kB compressed")
    address, began = f"{url}/api/searches/{search}", time.perf_counter()
    with urlopen(address, timeout=600) as answer:
        content, tag = answer.read(), answer.headers["ETag"]
    print(f"first answer: {time.perf_counter() - began:.2f} s of the clock, {len(content) / 1e6:.2f} MB", end=", ")
    print(f"{len(gzip.compress(content)) / 1e6:.2f} MB compressed")
    polls = []
    for _ in range(POLLS):
        began = time.perf_counter()
        try:
            urlopen(Request(address, headers={"If-None-Match": tag}), timeout=60).close()
        except OSError as error:  # urllib's words for a 304
            assert "304" in str(error)
        polls.append(1000 * (time.perf_counter() - began))
    print(f"304: {statistics.median(polls):.1f} ms of the clock")


def page(browser: Browser, url: str, search: str) -> None:
    """Print how long the page takes until it is usable, until every view is drawn, and for a filter."""
    context = browser.new_context(viewport={"width": SIZE[0], "height": SIZE[1]})
    opened = context.new_page()
    told = context.new_cdp_session(opened)
    told.send("Performance.enable", {"timeDomain": "threadTicks"})
    began = time.perf_counter()
    opened.goto(f"{url}/#/s/{search}")
    opened.wait_for_selector(BOARD, state="attached", timeout=600_000)
    print(f"usable: {time.perf_counter() - began:.2f} s of the clock, {busy(told):.2f} s", end=", ")
    print(f"first paint after {opened.evaluate(PAINTED) / 1000:.2f} s of the clock")
    for words in FILTERS:
        print(f"filter {words!r}: {cost(told, partial(opened.evaluate, FIND, words)):.0f} ms")
    draw = cost(told, lambda: opened.evaluate("() => dispatchEvent(new Event('beforeprint'))"))
    print(f"every view: {draw:.0f} ms more")
    context.close()


def busy(told: CDPSession) -> float:
    """Seconds of CPU that the page's main thread had."""
    metrics = told.send("Performance.getMetrics")["metrics"]
    return next(float(metric["value"]) for metric in metrics if metric["name"] == "TaskDuration")


def cost(told: CDPSession, done: Callable[[], object]) -> float:
    """Milliseconds of CPU of what is done."""
    before = busy(told)
    done()
    return 1000 * (busy(told) - before)


def picture(browser: Browser, url: str, search: str, file: Path) -> None:
    """Write the upper part of the page."""
    context = browser.new_context(viewport={"width": 1280, "height": 1320}, color_scheme="light")
    opened = context.new_page()
    opened.goto(f"{url}/#/s/{search}")
    opened.wait_for_selector(BOARD, state="attached")
    opened.wait_for_selector("#parallel-title ~ .scroll canvas", state="attached")
    opened.screenshot(path=str(file))
    context.close()


def resident(process: int) -> str:
    """Its memory now and at most, in MB."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    now, most = (int(lines[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return f"{now:.0f} MB, at most {most:.0f} MB"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--store", type=Path, help="a made-up store of so many trials that is there already")
    parser.add_argument("--name", default="made-up", help="of its search")
    parser.add_argument("--picture", type=Path, help="write this file, and measure nothing")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        store, search = given.store or Path(folder) / "store", spec(given.trials, given.name).experiment_name
        if given.store is None:
            make(Store(store), given.trials, name=given.name)
        browser = playwright.chromium.launch(executable_path=chromium())
        url = f"http://127.0.0.1:{free_port()}"
        board = [sys.executable, "-m", "atelier_cli", "board", "--store", str(store), "--port", url.rpartition(":")[2]]
        with running(board, f"{url}/health") as process:
            if given.picture:
                picture(browser, url, search, given.picture)
            else:
                answers(url, search)
                page(browser, url, search)
                print(f"memory of the board: {resident(process)}")
        browser.close()


if __name__ == "__main__":
    main()
