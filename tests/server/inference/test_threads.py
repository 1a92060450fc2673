"""Where work is done, how much of it may be under way, and for how long."""

import asyncio
import threading
from collections.abc import Callable, Coroutine

import pytest
from atelier_server.inference.errors import Overloaded, TooLate
from atelier_server.inference.threads import Threads


def run(
    scenario: Callable[[Threads], Coroutine[None, None, None]], *, most: int = 2, deadline: float = 30.0
) -> list[float]:
    """How long what was done by threads had waited."""
    waited: list[float] = []

    async def with_threads() -> None:
        threads = Threads(1, max_requests=most, deadline=deadline, on_wait=waited.append)
        try:
            await scenario(threads)
        finally:
            threads.stop()

    asyncio.run(with_threads())
    return waited


def test_work_is_done_by_a_thread_and_the_store_is_read_by_another() -> None:
    async def scenario(threads: Threads) -> None:
        assert (
            len(
                {
                    threading.get_ident(),
                    await threads.predict(threading.get_ident),
                    await threads.load(threading.get_ident),
                }
            )
            == 3
        )

    assert len(run(scenario)) == 1


def test_requests_beyond_the_limit_are_rejected_until_one_is_over() -> None:
    async def scenario(threads: Threads) -> None:
        for _ in range(2):
            threads.admit()
        for _ in range(2):
            with pytest.raises(Overloaded, match="2 requests are under way already"):
                threads.admit()
        threads.dismiss()
        threads.admit()
        with pytest.raises(Overloaded):
            threads.admit()

    run(scenario)


def test_work_that_is_not_done_within_the_deadline_is_given_up_and_the_next_is_done() -> None:
    async def scenario(threads: Threads) -> None:
        go_on = threading.Event()
        never_begun: list[bool] = []
        try:
            late = [threads.predict(lambda: go_on.wait(30)), threads.predict(lambda: never_begun.append(True))]
            for given_up in await asyncio.gather(*late, return_exceptions=True):
                assert isinstance(given_up, TooLate)
        finally:
            go_on.set()
        assert await threads.predict(lambda: "again") == "again"
        assert never_begun == []

    run(scenario, deadline=0.2)


def test_what_a_thread_raises_reaches_the_request() -> None:
    async def scenario(threads: Threads) -> None:
        with pytest.raises(ZeroDivisionError):
            await threads.predict(lambda: 1 // 0)

    run(scenario)
