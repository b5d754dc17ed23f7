"""Full disks, read-only folders, two runs at once, jumping clocks, Ctrl-C and kills: no result may differ afterwards.

Each harm is tried on a chain of some seconds (notebook 01 cut short) in every `make test`, and on the whole smoke
chain by `make stress`, which takes an hour.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from chain import PROJECT, STAGE, Chain, assert_same, finished, kernels_of, kill, refused, remount, small_disk

KILLS = int(os.environ.get("FER_KILLS", "6"))  # of each stage
AT_LEAST = 25  # kills in all
ROUNDS = 5  # of the whole chain, at most


@pytest.fixture(scope="module", params=["short", pytest.param("whole", marks=pytest.mark.stress)])
def chain(request, tmp_path_factory) -> Chain:
    folder = tmp_path_factory.mktemp("chain") / "project"
    return Chain().cut(folder) if request.param == "short" else Chain().copied(folder)


@pytest.fixture(scope="module")
def quiet(chain, tmp_path_factory) -> Path:
    """The results of an undisturbed run."""
    output = tmp_path_factory.mktemp("quiet")
    finished(chain.start(output))
    return output


@pytest.fixture
def disk(chain, tmp_path):
    try:
        with small_disk(tmp_path / "disk", "256k" if chain.until else "6m") as mounted:
            yield mounted
    except PermissionError as error:
        pytest.skip(str(error))


def test_a_full_disk_ends_the_run_with_a_sentence_and_a_larger_one_lets_it_go_on(chain, quiet, disk):
    refused(chain.start(disk), r"No space left on device|cannot be written")
    whole = [path for path in disk.rglob("*") if path.is_file() and ".partial" not in path.name]
    empty = [path for path in whole if not path.stat().st_size]
    assert [path for path in empty if path.name != ".running" and path.suffix != ".lock"] == []  # locks are empty
    remount(disk, "size=4g")
    finished(chain.start(disk))
    assert_same(quiet, disk)


def test_a_folder_that_cannot_be_written_ends_the_run_with_a_sentence(chain, disk):
    remount(disk, "ro")
    refused(chain.start(disk), r"cannot be written \(Read-only file system\)")


def test_two_runs_at_once_do_not_mix(chain, quiet, tmp_path):
    first = chain.start(tmp_path)
    next(line for line in first.stdout if STAGE.match(line))
    refused(chain.copied(tmp_path / "second").start(tmp_path), "Another run is writing")
    finished(first)
    assert_same(quiet, tmp_path)


def test_a_clock_that_jumps_a_day_back_and_forth_changes_no_result(chain, quiet, tmp_path):
    copy = chain.copied(tmp_path / "copy")
    (copy.project / "sitecustomize.py").write_text(  # Python runs it at each start
        "import time\nreal = time.time\n"
        "time.time = lambda: real() + 86400 * (int(real()) % 3 - 1)\n"
        "time.time_ns = lambda: int(time.time() * 1e9)\n",
        encoding="utf-8",
    )
    said = finished(copy.start(tmp_path / "output"))
    assert not re.search(r"; -\d+ s, |about -\d+ min left", said)
    assert_same(quiet, tmp_path / "output")


def test_ctrl_c_ends_the_run_with_a_sentence_and_the_same_command_goes_on(chain, quiet, tmp_path):
    process, said, seen = chain.start(tmp_path), [], 0
    for line in process.stdout:
        said.append(line)
        seen += bool(STAGE.match(line))
        if seen == (1 if chain.until else 2):
            time.sleep(2 if chain.until else 10)
            os.killpg(process.pid, signal.SIGINT)
            said += process.stdout.readlines()
            break
    assert process.wait() in (1, 130, -signal.SIGINT)
    assert re.search("goes on from there|on user request", "".join(said))
    assert "Traceback" not in "".join(said)
    finished(chain.start(tmp_path))
    assert_same(quiet, tmp_path)


@pytest.mark.stress
def test_kills_at_random_moments_change_no_result(tmp_path):
    """A moment is drawn evenly over a stage's undisturbed time; a resumed stage may have ended before it."""
    quiet = tmp_path / "quiet"
    stages, kills = durations(Chain().copied(tmp_path / "first"), quiet), Counter()
    for number in range(ROUNDS):
        copy, output = Chain().copied(tmp_path / f"copy{number}"), tmp_path / f"killed{number}"
        kills += disturb(copy, output, stages=stages, seed=number)
        assert_same(quiet, output)
        if sum(kills.values()) >= min(AT_LEAST, KILLS * len(stages)) and set(stages) <= {stage for stage, _ in kills}:
            break
    sys.stdout.write(f"{sum(kills.values())} kills: {dict(kills)}\n")
    assert sum(kills.values()) >= min(AT_LEAST, KILLS * len(stages))
    assert set(stages) <= {stage for stage, _ in kills}


@pytest.mark.stress
def test_damaged_files_of_each_kind():
    """The tests of damaged corpora, settings and records, with 500 files of each kind."""
    words = [sys.executable, "-m", "pytest", "-q", "tests/datasets/test_fuzz.py"]
    done = subprocess.run(words, cwd=PROJECT, env=os.environ | {"FER_FUZZ": "500"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


def durations(chain: Chain, output: Path) -> dict[str, float]:
    """Run the chain undisturbed; return its stages' seconds, in their order."""
    process, begun = chain.start(output), {}
    for line in process.stdout:
        if stage := STAGE.match(line):
            begun[stage[1]] = time.monotonic()
    assert process.wait() == 0
    ends = [*list(begun.values())[1:], time.monotonic()]
    return {stage: end - start for (stage, start), end in zip(begun.items(), ends, strict=True)}


def disturb(chain: Chain, output: Path, *, stages: dict[str, float], seed: int) -> Counter:
    """Run the chain until it ends, killing each stage ``KILLS`` times; count the kills by stage and by who was hit."""
    draw, kills, left = random.Random(seed), Counter(), dict.fromkeys(stages, KILLS)
    while any(left.values()):
        process, last, timer = chain.start(output), "", None
        who, hit = draw.choice(("all", "all", "kernel")), threading.Event()

        def strike(stage: str, who: str = who, hit: threading.Event = hit, process=process) -> None:
            who = who if kernels_of(process) else "all"
            hit.set()
            kill(process, who)
            kills[stage, who] += 1

        for line in process.stdout:
            stage = STAGE.match(line)
            if stage and stage[1] != last:
                last = stage[1]
                if timer:
                    timer.cancel()
                if left.get(last) and not hit.is_set():
                    left[last] -= 1
                    timer = threading.Timer(draw.uniform(0, stages[last]), strike, [last])
                    timer.start()
        ended = process.wait() == 0
        if timer:
            timer.cancel()
        if ended:
            break
        assert hit.is_set(), f"{last} failed although nobody killed it"
    finished(chain.start(output))
    return kills
