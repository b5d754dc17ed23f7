"""What else can go wrong in a run: a full disk, a read-only folder, a second run, a clock that jumps, Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stress.chain import PROJECT, STAGE, copy_of_project, differences, finished, started

SENTENCE = re.compile(r"^.*(?:No space left on device|cannot be written|Another run is writing).*$", re.MULTILINE)


def fuzz(examples: int) -> dict[str, object]:
    """Damages so many files of each kind at random and has the library read them: `tests/test_fuzz.py`, for longer."""
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "tests/test_fuzz.py"]
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


def full_disk(folder: Path, quiet: Path, *, profile: str) -> dict[str, object]:
    """Runs the chain on a disk that is too small, then on the same disk made larger."""
    copy = copy_of_project(_made(folder / "copy"))
    with small_disk(folder / "disk", "6m") as disk:
        process = started(copy, disk, profile=profile)
        said = process.communicate()[0]
        halves = _broken(disk)
        remount(disk, "size=4g")
        finished(started(copy, disk, profile=profile))
        differ = differences(quiet, disk)
    return _refused(process.returncode, said) | {"half files": halves, "results that differ": differ}


def read_only(folder: Path, *, profile: str) -> dict[str, object]:
    """Runs the chain into a folder that cannot be written."""
    copy = copy_of_project(_made(folder / "copy"))
    with small_disk(folder / "disk", "1m") as disk:
        remount(disk, "ro")
        process = started(copy, disk, profile=profile)
        said = process.communicate()[0]
    return _refused(process.returncode, said)


def two_at_once(folder: Path, quiet: Path, *, profile: str) -> dict[str, object]:
    """Starts the chain while another run is in the middle of the same folder."""
    copies = [copy_of_project(_made(folder / name)) for name in ("first", "second")]
    first = started(copies[0], folder / "output", profile=profile)
    for line in first.stdout:
        if STAGE.match(line):
            break
    second = started(copies[1], folder / "output", profile=profile)
    said = second.communicate()[0]
    finished(first)
    differ = differences(quiet, folder / "output")
    return _refused(second.returncode, said) | {"results that differ": differ}


def jumping_clock(folder: Path, quiet: Path, *, profile: str) -> dict[str, object]:
    """Runs the chain under a clock that jumps a day back and forth each second."""
    site = _made(folder / "site") / "sitecustomize.py"
    site.write_text(
        "import time\nreal = time.time\n"
        "time.time = lambda: real() + 86400 * (int(real()) % 3 - 1)\n"
        "time.time_ns = lambda: int(time.time() * 1e9)\n",
        encoding="utf-8",
    )
    copy = copy_of_project(_made(folder / "copy"))
    (copy / "sitecustomize.py").write_text(site.read_text(encoding="utf-8"), encoding="utf-8")
    said = finished(started(copy, folder / "output", profile=profile))
    negative = re.findall(r"; (-\d+) s, |about (-\d+) min left", said)
    differ = differences(quiet, folder / "output")
    harm = ["negative times"] if negative else []
    return {"status": 0, "negative times shown": len(negative), "results that differ": differ, "harm": harm}


def control_c(folder: Path, quiet: Path, *, profile: str) -> dict[str, object]:
    """Interrupts `make replicate` in its second notebook, as a terminal does, and repeats the command."""
    output = folder / "output"
    given = {"PROFILE": profile, "FER_OUTPUT": str(output), "FER_CACHE": str(folder / "cache")}
    command = ["make", "--no-print-directory", "replicate"]
    process = subprocess.Popen(
        command, cwd=PROJECT, env=os.environ | given, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said, seen = [], 0
    for line in process.stdout:
        said.append(line)
        seen += bool(STAGE.match(line))
        if seen == 2:
            time.sleep(10)
            os.killpg(process.pid, signal.SIGINT)
            said += process.stdout.readlines()
            break
    status = process.wait()
    again = subprocess.run(command, cwd=PROJECT, env=os.environ | given, capture_output=True, text=True)
    text = "".join(said)
    harm = {
        "no clear sentence": not re.search("goes on from there|on user request", text),
        "no end by the signal": status not in (-signal.SIGINT, 130),
        "traceback": "Traceback" in text,
    }
    harm["not whole when repeated"] = again.returncode != 0
    return {
        "status": status,
        "traceback": harm["traceback"],
        "status when repeated": again.returncode,
        "results that differ": differences(quiet, output),
        "harm": [what for what, happened in harm.items() if happened],
    }


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _refused(status: int, said: str) -> dict[str, object]:
    """Returns how a run ended that could not go on; it must say so and fail."""
    found = SENTENCE.search(said)
    sentence = re.sub(r"/\S*(?=results/)", "", found[0].strip()) if found else "none of the expected sentences"
    harm = {"no clear end": not (status and found), "traceback": "Traceback" in said}
    return {"status": status, "says": sentence, "harm": [what for what, happened in harm.items() if happened]}


def _broken(folder: Path) -> list[str]:
    """Returns what looks whole and is not: results of no bytes."""
    whole = [path for path in folder.rglob("*") if path.is_file() and ".partial" not in path.name]
    return [str(path.relative_to(folder)) for path in whole if not path.stat().st_size and path.name != ".running"]


if __name__ == "__main__":
    sys.exit("run stress/run.py")
