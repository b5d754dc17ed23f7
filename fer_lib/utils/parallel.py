"""Small trainings side by side: worker processes of one thread each.

A step of a small network leaves little for several threads to share: as many trainings at once, each on a core of its
own, are done sooner than one after the other on all cores. And the sums within a step, whose order follows the number
of threads, then have the same bits however many cores there are.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from fer_lib.errors import FerError
from fer_lib.utils.threads import cores

__all__ = ["cores", "side_by_side"]

# read by TensorFlow, JAX (NPROC) and torch (OMP) as they start
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "NPROC": "1", "OMP_NUM_THREADS": "1"}


def side_by_side(
    function: Callable[..., Any], tasks: list[tuple[Any, ...]], *, jobs: int, done: Callable[[int, Any], None]
) -> None:
    """Calls ``function(*task)`` for every task in worker processes, and hands each result on as it comes.

    The workers start afresh, not as copies of this process, and do not outlive it: whatever ends this call, an
    interrupt or a kill included, ends them too, in the middle of what they do. As with all of Python's worker
    processes, a script that calls this does so under ``if __name__ == "__main__":``; a notebook need not.

    Args:
        function: of a module, not of a notebook; what it logs appears when it has returned.
        tasks: the arguments of each call; the first ones start first.
        jobs: how many workers, at least one.
        done: is called in this process with the number of a task, from 0, and its result.

    Raises:
        FerError: a task failed or a worker died; the tasks under way are given up.
    """
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
    context = multiprocessing.get_context("spawn")  # a copy of a process that has TensorFlow's threads may hang
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
    """Sets variables for the workers to inherit; set in a worker itself they might come after its backend's start."""
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
    """Lets a worker end as soon as the parent closes its end of the pipe, or has died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the workers as well; to end them is the parent's
    # TensorFlow warns of every few networks that it compiles, as if they were one compiled anew
    logging.getLogger("tensorflow").setLevel(logging.ERROR)

    def watch() -> None:
        try:
            parent.recv()
        except EOFError:
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _call(function: Callable[..., Any], task: tuple[Any, ...]) -> tuple[Any, list[logging.LogRecord]]:
    """Runs one task, in a worker, and returns its result with what it logged."""
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
            "A worker process ended before it answered, as where memory runs out; finished trainings are kept in the "
            "checkpoints: run it again, with fewer jobs if memory was short."
        ) from error
    except Exception as error:
        raise FerError(f"A worker process failed with {type(error).__name__}: {error}") from error
