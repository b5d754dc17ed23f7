"""What else can go wrong in a run: a full disk, a read-only folder, a second run, a clock that jumps, Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stress.chain import PROJECT, STAGE, Chain, differences, finished

SENTENCE = re.compile(r"^.*(?:No space left on device|cannot be written|Another run is writing).*$", re.MULTILINE)


def fuzz(examples: int) -> dict[str, object]:
    """Damage files of each kind at random and read them: `tests/datasets/test_fuzz.py`, for longer."""
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "tests/datasets/test_fuzz.py"]
    done = subprocess.run(
        command, cwd=PROJECT, env=os.environ | {"FER_FUZZ": str(examples)}, capture_output=True, text=True
    )
    kinds = re.findall(r"^PASSED \S+::test_(\w+)", done.stdout, re.MULTILINE)
    failed = re.findall(r"^FAILED \S+::test_(\w+)", done.stdout, re.MULTILINE)
    found = {"files damaged": examples * len(kinds + failed), "kinds": kinds + failed, "failed": failed}
    return found | {"harm": failed or (["pytest"] if done.returncode or not kinds else [])}


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Yields a file system in memory of so many bytes; raises PermissionError where this user may mount none."""
    folder.mkdir(parents=True)
    given = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(given, capture_output=True).returncode:
        raise PermissionError("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    """Changes a mounted file system's options, such as its size."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def full_disk(folder: Path, quiet: Path, chain: Chain, *, size: str = "6m") -> dict[str, object]:
    """Runs the chain on a disk that is too small, then on the same disk made larger."""
    copy = chain.copied(folder / "copy")
    with small_disk(folder / "disk", size) as disk:
        process = copy.start(disk)
        said = process.communicate()[0]
        halves = _broken(disk)
        remount(disk, "size=4g")
        finished(copy.start(disk))
        differ = differences(quiet, disk)
    return _refused(process.returncode, said) | {"half files": halves, "results that differ": differ}


def read_only(folder: Path, chain: Chain) -> dict[str, object]:
    """Runs the chain into a folder that cannot be written."""
    copy = chain.copied(folder / "copy")
    with small_disk(folder / "disk", "1m") as disk:
        remount(disk, "ro")
        process = copy.start(disk)
        said = process.communicate()[0]
    return _refused(process.returncode, said)


def two_at_once(folder: Path, quiet: Path, chain: Chain) -> dict[str, object]:
    """Starts the chain while another run is in the middle of the same folder."""
    first = chain.copied(folder / "first").start(folder / "output")
    for line in first.stdout:
        if STAGE.match(line):
            break
    second = chain.copied(folder / "second").start(folder / "output")
    said = second.communicate()[0]
    finished(first)
    differ = differences(quiet, folder / "output")
    return _refused(second.returncode, said) | {"results that differ": differ}


def jumping_clock(folder: Path, quiet: Path, chain: Chain) -> dict[str, object]:
    """Runs the chain under a clock that jumps a day back and forth each second."""
    copy = chain.copied(folder / "copy")
    (copy.project / "sitecustomize.py").write_text(  # Python runs it at each start
        "import time\nreal = time.time\n"
        "time.time = lambda: real() + 86400 * (int(real()) % 3 - 1)\n"
        "time.time_ns = lambda: int(time.time() * 1e9)\n",
        encoding="utf-8",
    )
    said = finished(copy.start(folder / "output"))
    negative = re.findall(r"; (-\d+) s, |about (-\d+) min left", said)
    differ = differences(quiet, folder / "output")
    harm = ["negative times"] if negative else []
    return {"status": 0, "negative times shown": len(negative), "results that differ": differ, "harm": harm}


def control_c(folder: Path, quiet: Path, chain: Chain) -> dict[str, object]:
    """Interrupts `make replicate` in its second notebook, as a terminal does, and repeats the command."""
    output = folder / "output"
    command = ["make", "--no-print-directory", "replicate"]

    def start() -> subprocess.Popen:
        return chain.command(command, output, PROFILE=chain.profile)

    return interrupted(start, stage=2, seconds=10) | {"results that differ": differences(quiet, output)}


def interrupted(
    start: Callable[[], subprocess.Popen], *, stage: int, seconds: float, ends: tuple[int, ...] = (-signal.SIGINT, 130)
) -> dict[str, object]:
    """Interrupts a run some seconds into one of its stages, and starts it again; returns how both ended.

    Args:
        start: starts the run, and goes on with it.
        stage: number of the stage, the first is 1.
        seconds: after the stage's first line.
        ends: the statuses that an interrupted run may end with.
    """
    process, said, seen = start(), [], 0
    for line in process.stdout:
        said.append(line)
        seen += bool(STAGE.match(line))
        if seen == stage:
            time.sleep(seconds)
            os.killpg(process.pid, signal.SIGINT)
            said += process.stdout.readlines()
            break
    status, again = process.wait(), start()
    again.communicate()
    text = "".join(said)
    harm = {
        "no clear sentence": not re.search("goes on from there|on user request", text),
        "no end by the signal": status not in ends,
        "traceback": "Traceback" in text,
        "not whole when repeated": again.returncode != 0,
    }
    return {
        "status": status,
        "traceback": harm["traceback"],
        "status when repeated": again.returncode,
        "harm": [what for what, happened in harm.items() if happened],
    }


def without_folders(sentence: str) -> str:
    """Returns a sentence whose paths begin at the results folder, or are the file's name alone: no machine's folder."""
    return re.sub(r"(?<!\S)/\S*/(?=\S)", "", re.sub(r"/\S*(?=results/)", "", sentence))


def _refused(status: int, said: str) -> dict[str, object]:
    """Returns how a run ended that could not go on; it must say so and fail."""
    found = SENTENCE.search(said)
    sentence = without_folders(found[0].strip()) if found else "none of the expected sentences"
    harm = {"no clear end": not (status and found), "traceback": "Traceback" in said}
    return {"status": status, "says": sentence, "harm": [what for what, happened in harm.items() if happened]}


def _broken(folder: Path) -> list[str]:
    """Returns what looks whole and is not: results of no bytes."""
    whole = [path for path in folder.rglob("*") if path.is_file() and ".partial" not in path.name]
    return [str(path.relative_to(folder)) for path in whole if not path.stat().st_size and path.name != ".running"]


if __name__ == "__main__":
    sys.exit("run stress/run.py")
