import asyncio
import threading

import pytest
from atelier_server.problems import Problem
from atelier_server.workers import Workers


def test_one_request_too_many_is_told_to_come_again_and_the_others_are_done() -> None:
    async def scenario() -> None:
        workers, go_on = Workers(threads=1, most_waiting=2), threading.Event()
        try:
            waiting = [asyncio.create_task(workers.run(lambda: go_on.wait(30))) for _ in range(2)]
            await asyncio.sleep(0)  # both have begun
            with pytest.raises(Problem) as refused:
                await workers.run(lambda: True)
            assert refused.value.status == 503 and refused.value.headers == {"Retry-After": "1"}
            go_on.set()
            assert await asyncio.gather(*waiting) == [True, True]
            assert await workers.run(lambda: "again") == "again"
        finally:
            go_on.set()
            workers.stop()

    asyncio.run(scenario())


def test_what_a_worker_raises_reaches_the_request_and_gives_its_place_back() -> None:
    async def scenario() -> None:
        workers = Workers(threads=1, most_waiting=1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await workers.run(lambda: 1 // 0)
        workers.stop()

    asyncio.run(scenario())
