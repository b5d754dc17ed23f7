"""Work of C libraries on all cores: OpenCV and NumPy let other threads run while they decode and reckon."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST = 8  # threads: what Python itself does between the pieces of work keeps no more of them busy


def in_order(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yields ``function(item)`` of each item in the items' order, some of them reckoned at the same time.

    ``items`` is read in the caller's thread and never more than one item a thread, and one, ahead of what was yielded:
    memory stays bounded however long it is. What ``function`` raises is raised at its item's turn.
    """
    threads = min(_MOST, cores())
    if threads == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # an error, or a reader that stops early: what has not begun is not begun
            for future in waiting:
                future.cancel()


def in_threads(act: Callable[[Any], Any], tasks: Iterable[Any], *, most: int | None = None) -> list[Any]:
    """Returns what ``act`` makes of each task, in their order; linear algebra inside runs on one thread.

    Args:
        act: does not care what runs beside it.
        tasks: one call each.
        most: how many run at the same time at most, where they take much memory.
    """
    from threadpoolctl import threadpool_limits

    tasks = list(tasks)
    with threadpool_limits(1), ThreadPoolExecutor(max(1, min(cores(), most or len(tasks), len(tasks)))) as pool:
        return list(pool.map(act, tasks))


def cores() -> int:
    """Returns how many processors this process may use, in a container no more than its share of them."""
    from joblib import cpu_count  # a tenth of a second that the command line's help need not wait for

    return cpu_count()
