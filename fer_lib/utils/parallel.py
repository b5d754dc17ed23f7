"""Parallel work: threads for OpenCV and NumPy, which release the GIL, and single-threaded processes for trainings.

Small networks barely benefit from multithreading, so train one per core instead. One thread per training also fixes
the order of summation, so results have the same bits on any number of cores.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from fer_lib.errors import FerError

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST = 8  # threads; more would wait for Python's own work between the tasks
# read by TensorFlow, JAX (NPROC) and torch (OMP) as they start
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "NPROC": "1", "OMP_NUM_THREADS": "1"}


def in_order(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield ``function(item)`` for each item in the items' order, computed on several threads.

    ``items`` is read in the caller's thread, at most one item for each thread plus one ahead of the results, so memory
    stays bounded. An error of ``function`` is raised at its item's turn.
    """
    threads = min(_MOST, cores())
    if threads == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # after an error, or if the caller stops early
            for future in waiting:
                future.cancel()


def in_threads(act: Callable[[Any], Any], tasks: Iterable[Any], *, most: int | None = None) -> list[Any]:
    """Apply ``act`` to each task on several threads, results in order; linear algebra inside runs on one thread.

    Args:
        act: a function that is safe to run on several threads.
        tasks: the argument of each call.
        most: the largest number of tasks at the same time, if they take much memory.
    """
    tasks = list(tasks)
    with (
        _linear_algebra(len(sys.modules)).limit(limits=1),
        ThreadPoolExecutor(max(1, min(cores(), most or len(tasks), len(tasks)))) as pool,
    ):
        return list(pool.map(act, tasks))


@lru_cache(maxsize=1)
def _linear_algebra(modules: int) -> ThreadpoolController:
    """Find the loaded libraries of linear algebra, again only if there are more modules: it takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def cores() -> int:
    """Count the processors that this process may use; in a container, its share of them."""
    from joblib import cpu_count  # it takes a tenth of a second, which the command line's help need not wait for

    return cpu_count()


def batches(
    items: Iterable[Item], size: Callable[[Item], float], *, limit: float, most: int | None = None
) -> Iterator[list[Item]]:
    """Yield the items in order, in lists that together stay within a size, so that few large ones are in memory.

    Args:
        items: read one at a time, never more than one ahead of what was yielded.
        size: of one item, such as its bytes or pixels.
        limit: size of a list; an item that is larger is a list of its own.
        most: items in a list.
    """
    batch: list[Item] = []
    total = 0.0
    for item in items:
        added = size(item)
        if batch and (len(batch) == most or total + added > limit):
            yield batch
            batch, total = [], 0.0
        batch.append(item)
        total += added
    if batch:
        yield batch


def side_by_side(
    function: Callable[..., Any], tasks: list[tuple[Any, ...]], *, jobs: int, done: Callable[[int, Any], None]
) -> None:
    """Call ``function(*task)`` for every task in worker processes, and pass on each result as it arrives.

    The workers start as new processes, not as copies of this one, and do not outlive it: an interrupt or a kill of this
    process ends them at once. As with all of Python's worker processes, a script must call this under
    ``if __name__ == "__main__":``; a notebook need not.

    Args:
        function: a function of a module, not of a notebook; its log appears when it has returned.
        tasks: the arguments of each call; the first ones start first.
        jobs: the number of workers; 0 calls the function in this process.
        done: called in this process with the number of a task, from 0, and its result.

    Raises:
        FerError: a task failed or a worker died; the other tasks are cancelled.
    """
    if not (jobs and tasks):
        for number, task in enumerate(tasks):
            done(number, function(*task))
        return
    with _pool(min(jobs, len(tasks))) as pool:
        numbers = {pool.submit(_call, function, task): number for number, task in enumerate(tasks)}
        for future in as_completed(numbers):
            result, records = _answer(future)
            for record in records:
                logger = logging.getLogger(record.name)
                if logger.isEnabledFor(record.levelno):
                    logger.handle(record)
            done(numbers[future], result)


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("spawn")  # a copy of a process with TensorFlow's threads may hang
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(jobs, context, initializer=_start, initargs=(theirs,))
    try:
        with _environment(ONE_THREAD):
            yield pool
    finally:
        ours.close()
        pool.shutdown(cancel_futures=True)
        theirs.close()


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables that the workers inherit; a worker itself might set them after its backend has started."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _start(parent: Connection) -> None:
    """End a worker as soon as the parent closes its end of the pipe, or has died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the workers as well; the parent ends them
    # TensorFlow warns about every few networks that it compiles, as if one network were compiled again
    logging.getLogger("tensorflow").setLevel(logging.ERROR)

    def watch() -> None:
        try:
            parent.recv()
        except EOFError:
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _call(function: Callable[..., Any], task: tuple[Any, ...]) -> tuple[Any, list[logging.LogRecord]]:
    """Run one task in a worker; return its result and its log records."""
    records: SimpleQueue[logging.LogRecord] = SimpleQueue()
    logger = logging.getLogger("fer_lib")
    logger.setLevel(logging.INFO)
    logger.handlers = [QueueHandler(records)]
    result = function(*task)
    return result, [records.get() for _ in range(records.qsize())]


def _answer(future: Future[tuple[Any, list[logging.LogRecord]]]) -> tuple[Any, list[logging.LogRecord]]:
    try:
        return future.result()
    except FerError:
        raise
    except BrokenProcessPool as error:
        raise FerError(
            "A worker process ended before it answered, perhaps because memory ran out; finished trainings are kept in "
            "the checkpoints: run it again, with fewer jobs if memory was short."
        ) from error
    except Exception as error:
        raise FerError(f"A worker process failed with {type(error).__name__}: {error}") from error
