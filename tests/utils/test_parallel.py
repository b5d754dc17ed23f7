"""Test threads, which keep the order, and worker processes: one thread each, the parent's log, no orphans."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fer_lib.errors import FerError
from fer_lib.utils import parallel
from fer_lib.utils.parallel import in_order


def doubled(number: int) -> int:
    logging.getLogger("fer_lib.test").info("doubling %d", number)
    return 2 * number


def environment(name: str) -> str | None:
    return os.environ.get(name)


def refuse(sentence: str, error: type[Exception]) -> None:
    raise error(sentence)


def collected(function, tasks, *, jobs=1) -> dict:
    found = {}
    parallel.side_by_side(function, tasks, jobs=jobs, done=found.__setitem__)
    return found


def test_each_result_comes_with_the_number_of_its_task_and_what_it_logged(caplog):
    caplog.set_level(logging.INFO, logger="fer_lib")
    assert collected(doubled, [(number,) for number in range(5)], jobs=2) == {n: 2 * n for n in range(5)}
    assert sorted(caplog.messages) == [f"doubling {number}" for number in range(5)]


def test_a_log_line_below_the_level_of_this_process_stays_unseen(caplog):
    caplog.set_level(logging.WARNING, logger="fer_lib")
    collected(doubled, [(1,)])
    assert not caplog.records


def test_workers_have_one_thread_and_this_process_keeps_its_own(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("NPROC", raising=False)
    found = collected(environment, [(name,) for name in parallel.ONE_THREAD])
    assert set(found.values()) == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "NPROC" not in os.environ


@pytest.mark.parametrize(
    ("error", "sentence"), [(FerError, "^too few faces$"), (ValueError, "^A worker .* ValueError: too few faces$")]
)
def test_an_error_in_a_worker_is_one_sentence(error, sentence):
    with pytest.raises(FerError, match=sentence):
        collected(refuse, [("too few faces", error)])


def test_a_worker_that_dies_is_one_sentence():
    with pytest.raises(FerError, match=r"ended before it answered.*run it again"):
        collected(os._exit, [(1,)])


# what a shell runs in the background, as make test does with these tests, starts with Ctrl-C ignored
SCRIPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from test_parallel import tell_and_sleep
from fer_lib.utils import parallel
from fer_lib.utils.parallel import in_order
if __name__ == "__main__":
    folder = sys.argv[1]
    parallel.side_by_side(tell_and_sleep, [(folder, 0), (folder, 1)], jobs=2, done=print)
"""


def tell_and_sleep(folder: str, number: int) -> None:
    Path(folder, f"partial-{number}").write_text(str(os.getpid()))
    Path(folder, f"partial-{number}").rename(Path(folder, f"pid-{number}"))
    time.sleep(600)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_its_parent(tmp_path, how):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    parent = subprocess.Popen(
        [sys.executable, script, tmp_path],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert comes_true(lambda: len(list(tmp_path.glob("pid-*"))) == 2), "the workers did not start"
    pids = [int(path.read_text()) for path in tmp_path.glob("pid-*")]
    parent.send_signal(how)
    _, errors = parent.communicate(timeout=120)
    assert comes_true(lambda: not any(map(runs, pids)))
    if how == signal.SIGINT:
        assert re.findall(r"^(\w+Error|KeyboardInterrupt)", errors, re.MULTILINE) == ["KeyboardInterrupt"]


def comes_true(condition, seconds: float = 60) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"  # dead, nobody waited for it


# --- threads ----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[1, 3])
def several(request, monkeypatch):
    monkeypatch.setattr(parallel, "cores", lambda: request.param)
    return request.param


def test_results_come_in_the_items_order(several):
    def slow_at_first(number):
        time.sleep(0.02 if number == 0 else 0)
        return number**2

    assert list(in_order(slow_at_first, range(20))) == [number**2 for number in range(20)]
    assert list(in_order(slow_at_first, [])) == []


def test_no_more_is_read_than_theseveral_need(several):
    read = []
    results = in_order(lambda number: number, (read.append(number) or number for number in range(100)))
    for expected in range(5):
        assert next(results) == expected
    assert len(read) <= 5 + several
    results.close()


def test_an_error_comes_at_its_item_s_turn(several):
    results = in_order(lambda number: 1 // (number - 2), range(5))
    assert [next(results), next(results)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_an_error_of_the_items_is_raised(several):
    def items():
        yield 1
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        list(in_order(lambda item: item, items()))


@pytest.mark.parametrize(
    ("sizes", "most", "lists"),
    [
        ([], None, []),
        ([3, 3, 4, 1], None, [[3, 3, 4], [1]]),
        ([11, 1, 9, 1], None, [[11], [1, 9], [1]]),
        ([0, 0, 0, 0, 0], 2, [[0, 0], [0, 0], [0]]),
    ],
)
def test_batches_keep_the_order_and_stay_within_the_limit(sizes, most, lists):
    assert list(parallel.batches(iter(sizes), lambda size: size, limit=10, most=most)) == lists


def test_batches_read_one_item_ahead():
    read = []
    first = next(parallel.batches((read.append(k) or k for k in range(9)), lambda item: 1, limit=2))
    assert (first, read) == ([0, 1], [0, 1, 2])
