"""Work that is done before it is asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(function: Callable[[Item], Result], items: Iterable[Item], threads: int = 1) -> Iterator[Result]:
    """function(item) of each item, in their order, by threads that are a few items ahead of what is asked for.

    At most two items and a result for each thread are in memory at once. What function or items raise is raised in its
    place. Close the iterator where it is not read to its end: that waits for what has begun.
    """
    begun: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, "ahead") as pool:
        try:
            for item in items:
                begun.append(pool.submit(function, item))
                if len(begun) > 2 * threads:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
