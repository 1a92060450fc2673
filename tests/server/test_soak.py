"""Under full load for long: no request fails over swaps and restarts, and memory stays flat."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import pytest
from atelier_store.layout import Store

from tests.support.load import Load
from tests.support.memory import MEBIBYTE, anonymous, growth, held
from tests.support.server_process import Server, eventually, ready_workers, serving
from tests.support.sizes import sizes
from tests.support.versions import REQUEST, Versions

pytestmark = pytest.mark.process

SAMPLES = 50
FLAT = 8 * MEBIBYTE
"""What all processes of a server together may grow by, from the second to the last fifth of a run."""

Report = Callable[[str, object], None]


@pytest.fixture
def versions(store: Store) -> Versions:
    return Versions(store, 2)


@pytest.mark.parametrize("requests", sizes(10_000, 1_000_000))
def test_memory_stays_flat_over_requests(
    store: Store, versions: Versions, requests: int, record_property: Report
) -> None:
    with serving(store) as server:
        load, samples = Load(REQUEST, versions.verdict, [server.port]), []
        for _ in range(SAMPLES):
            asyncio.run(load.run(requests // SAMPLES))
            server.alone("GET", "/metrics").raise_for_status()  # as Prometheus does all the time
            samples.append(held(server))
        assert not load.failures and load.done == requests
        record_property("measured", f"{requests:,} requests: {told(samples)}; {latencies(load)}")
        assert growth(samples) < FLAT, samples


@pytest.mark.parametrize("swaps", sizes(50, 1000))
def test_memory_stays_flat_over_swaps(store: Store, versions: Versions, swaps: int, record_property: Report) -> None:
    count = 2
    with serving(store, "digits", "--poll-interval", "0.02", "--workers", str(count)) as server:
        eventually(lambda: ready_workers(server) == count)
        load, samples = Load(REQUEST, versions.verdict, [server.port], connections=4), []

        def swapped(times: int) -> bool:
            asyncio.run(load.run(20))
            return server.metric("atelier_model_swaps_total") == times * count

        for number in range(swaps):
            versions.point(number + 1)
            eventually(partial(swapped, number + 1))
            if number % (swaps // SAMPLES) == 0:
                samples.append(held(server))
        assert not load.failures
        record_property("measured", f"{swaps:,} swaps: {told(samples)}")
        assert growth(samples) < FLAT, samples


def latencies(load: Load) -> str:
    return f"p50 {load.percentile(50):.1f} ms, p99 {load.percentile(99):.1f} ms"


def told(samples: list[int]) -> str:
    grown, held_now = growth(samples) / MEBIBYTE, samples[-1] / MEBIBYTE
    return f"memory grew by {grown:+.1f} MiB, to {held_now:.0f} MiB (Pss_Anon of all processes)"


def test_a_process_that_grows_is_noticed(record_property: Report) -> None:
    leak = "import sys\nkept = []\nfor line in sys.stdin: kept.append(bytearray(2**20)); print(flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", leak], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin and process.stdout
        samples = []
        for _ in range(SAMPLES):
            process.stdin.write("\n")
            process.stdin.flush()
            process.stdout.readline()
            samples.append(anonymous([process.pid]))
        process.stdin.close()
    assert growth(samples) > 25 * MEBIBYTE > FLAT
    assert growth([100] * 10 + [200] * 40) == 0  # what fills up at the beginning is no leak


class Rolling:
    """One server in rotation, replaced as a Deployment of Kubernetes replaces its pod."""

    def __init__(self, store: Store, load: Load) -> None:
        self._store, self._load = store, load
        self._running: list[Server] = []
        self.statuses: list[int] = []
        self._start()

    def _start(self) -> None:
        server = Server(self._store, "digits", "--poll-interval", "0.05")
        self._running.append(server)
        eventually(lambda: server.client.get("/v2/models/digits/ready").status_code == 200)
        self._load.rotation.append(server.port)

    def restart(self) -> None:
        """Start a new server, which gets the new connections; end the old one when none is on its way to it.

        As it ends it answers whatever is sent on connections that are open.
        """
        old = self._running[0]
        self._start()
        self._load.rotation.remove(old.port)
        eventually(lambda: self._load.opening[old.port] == 0)  # for this a pod sleeps before it ends
        assert self._load.opened[old.port]
        self._stop(old)

    def stop(self) -> None:
        """The end of whatever runs."""
        for server in list(self._running):
            self._stop(server)

    def _stop(self, server: Server) -> None:
        self._running.remove(server)
        self.statuses.append(server.stop())
        assert "Traceback" not in server.log


@pytest.mark.parametrize(("requests", "swaps", "restarts"), sizes((6000, 6, 1), (100_000, 50, 3)))
def test_no_request_fails_over_swaps_and_rolling_restarts(
    store: Store, versions: Versions, requests: int, swaps: int, restarts: int, record_property: Report
) -> None:
    load = Load(REQUEST, versions.verdict, [])
    rolling = Rolling(store, load)
    seen = [0]

    def is_done(count: int) -> bool:
        return load.done >= count

    def is_seen(version: str, before: int) -> bool:
        return load.answers[version] > before

    async def swap() -> None:
        """Point at the other version at even distances, each time once the one before was seen in an answer."""
        for number in range(1, swaps + 1):
            await until(partial(is_done, requests * number // (swaps + 1)))
            version = versions.point(number)
            await until(partial(is_seen, version, load.answers[version]))
            seen[0] += 1

    async def restart() -> None:
        for number in range(1, restarts + 1):
            await until(partial(is_done, requests * number // (restarts + 1)))
            await asyncio.to_thread(rolling.restart)

    async def everything() -> None:
        events = [asyncio.create_task(swap()), asyncio.create_task(restart())]
        await load.run(requests, further=lambda: not all(event.done() for event in events))
        await asyncio.gather(*events)

    try:
        asyncio.run(everything())
    finally:
        rolling.stop()
    answers = ", ".join(f"{version} {count:,}" for version, count in sorted(load.answers.items()))
    record_property(
        "measured",
        f"{load.done:,} requests, {seen[0]} swaps, {restarts} restarts: {load.failures.total()} failed "
        f"{dict(load.failures) or ''}; answers {answers}; {latencies(load)}",
    )
    assert not load.failures
    assert load.done >= requests and seen[0] == swaps and rolling.statuses == [0] * (restarts + 1)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)
