"""Where work is done, how much of it may be under way, and for how long."""

import asyncio
import threading
from collections.abc import Callable, Coroutine

import pytest
from atelier_server.inference.threads import Threads
from atelier_server.web.problems import Problem


def run(
    scenario: Callable[[Threads], Coroutine[None, None, None]], *, most: int = 2, deadline: float = 30.0
) -> list[float]:
    """How long what was done by threads had waited."""
    waited: list[float] = []

    async def with_threads() -> None:
        threads = Threads(1, max_requests=most, deadline=deadline, waited=waited.append)
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


def test_one_request_too_many_is_told_to_come_again() -> None:
    async def scenario(threads: Threads) -> None:
        first, second, third = [{}, {}, {}]
        threads.admit(first)
        threads.admit(second)
        with pytest.raises(Problem) as refused:
            threads.admit(third)
        assert refused.value.status == 429 and refused.value.headers == {"Retry-After": "1"}
        threads.dismiss(third)  # was never let in
        with pytest.raises(Problem):
            threads.admit(third)
        threads.dismiss(second)
        threads.admit(third)

    run(scenario)


def test_work_that_is_not_done_within_the_deadline_is_given_up_and_the_next_is_done() -> None:
    async def scenario(threads: Threads) -> None:
        go_on = threading.Event()
        never_begun: list[bool] = []
        try:
            late = [threads.predict(lambda: go_on.wait(30)), threads.predict(lambda: never_begun.append(True))]
            for given_up in await asyncio.gather(*late, return_exceptions=True):
                assert (
                    isinstance(given_up, Problem)
                    and given_up.status == 504
                    and given_up.headers == {"Retry-After": "1"}
                )
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
