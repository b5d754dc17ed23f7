"""Fuzz corpora and settings: no traceback, no silent wrong count. FER_FUZZ sets how many cases of each kind."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from fer_lib import cli
from fer_lib.datasets.fer2013.csv import SPLIT_RANKS
from fer_lib.datasets.synthetic import writers
from fer_lib.errors import FerError
from fer_lib.settings import PROFILES, load_profile

PROJECT = Path(__file__).parents[2]
FUZZ = settings(
    max_examples=int(os.environ.get("FER_FUZZ", "12")), deadline=None, derandomize="FER_FUZZ" not in os.environ,
    suppress_health_check=list(HealthCheck), database=None,
)  # fmt: skip
# what replaces a piece of a file: nothing, much, other signs, other kinds of numbers, what ends lines and fields
WORDS = (
    *(
        b"",
        b"\0",
        b"\n",
        b"\r\n",
        b",",
        b'"',
        b" ",
        b"-1",
        b"256",
        b"1e9",
        b"nan",
        b"9" * 40,
        b"\xff\xfe",
        b"\xef\xbb\xbf",
    ),
    *("٣".encode(), "é".encode("latin-1"), b"../", b"{", b"[", b": ", b"- ", b"&a *a", b"!!python/object:os.system x"),
)
PIECES = st.one_of(st.binary(max_size=12), st.sampled_from(WORDS))
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 400), PIECES), min_size=1, max_size=4)


def edited(data: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    """Replace some pieces of the bytes: each at a share of the length, with a number of bytes."""
    for place, length, piece in edits:
        at = int(place * len(data))
        data = data[:at] + piece + data[at + length :]
    return data


def asked(*words: str | Path) -> tuple[int, str]:
    """Run `fer-lib` and give its exit status and output; errors must be one sentence, never a traceback."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.main([str(word) for word in words])
    assert status in (0, 1, 2)
    said = err.getvalue()
    assert "Traceback" not in said
    assert bool(status) == bool(said)
    if status:
        assert said.startswith("fer-lib: error: ")
        assert len(said) < 2000
    return status, out.getvalue()


def counted(said: str) -> tuple[int, int]:
    """Parse the numbers of faces or photos that `data check` found and left out."""
    found = int(re.search(r"^(?:faces|photos) +([\d,]+)$", said, re.M)[1].replace(",", ""))
    left = re.search(r"^left out +(.*)$", said, re.M)[1]
    return found, sum(int(number.replace(",", "")) for number in re.findall(r"\b[\d,]*\d\b", left))


@pytest.fixture(scope="module")
def corpora(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("fuzzed")
    writers.write_fer2013_csv(folder / "csv", n=42, seed=1)
    writers.write_fer2013_folders(folder / "folders", n=42, seed=1)
    writers.write_ckplus48(folder / "ckplus", seed=1)
    writers.write_genki4k(folder / "genki4k", n=8, seed=1)
    writers.write_ckplus(folder / "photos" / "ckplus", subjects=4, sequences=2, seed=1, size=(60, 80))
    return {path.name: path for path in folder.iterdir()}


@contextlib.contextmanager
def copy_of(corpus: Path):
    with tempfile.TemporaryDirectory() as name:
        yield Path(shutil.copytree(corpus, Path(name) / corpus.name))


def rewrite(path: Path, edits: list) -> None:
    path.write_bytes(edited(path.read_bytes(), edits))


def a_face(row: list[str]) -> bool:
    """Tell whether a row of the CSV is valid, by the rules of its format and without the library."""
    if len(row) != 3 or not re.fullmatch(r"[0-6](\.0)?", row[0]) or row[2].lower() not in SPLIT_RANKS:
        return False
    pixels = row[1].split()
    return len(pixels) == 2304 and all(re.fullmatch(r"\d{1,3}", p, re.A) and int(p) < 256 for p in pixels)


@FUZZ
@given(edits=EDITS, row=st.integers(1, 42), skip=st.booleans())
def test_csv_rows(corpora, edits, row, skip):
    with copy_of(corpora["csv"]) as folder:
        file = next(folder.glob("*.csv"))
        lines = file.read_bytes().splitlines(keepends=True)
        lines[row] = edited(lines[row], edits)
        file.write_bytes(b"".join(lines))
        status, said = asked("data", "check", folder, "--no-cache", *["--skip-bad"] * skip)
        text = file.read_bytes().decode("utf-8-sig", errors="replace")
    if status:
        return
    lines = re.split(r"\r\n|\n|\r", text)[1:]  # no field of this format holds a line's end, quoted or not
    rows = [line.split(",") for line in lines if line]
    faces = sum(a_face([cell.strip().strip('"') for cell in row]) for row in rows)
    found, left = counted(said)
    assert found <= faces
    assert found + left == len(rows) or skip
    assert not left or skip


@pytest.fixture(scope="module")
def whole(corpora) -> dict[str, int]:
    """Count the faces or photos of each corpus before it is damaged."""
    return {name: counted(asked("data", "check", folder, "--no-cache")[1])[0] for name, folder in corpora.items()}


@FUZZ
@given(edits=EDITS, which=st.integers(0, 10**6), skip=st.booleans(),
       corpus=st.sampled_from(["folders", "ckplus", "genki4k", "photos"]))  # fmt: skip
def test_pictures(corpora, whole, edits, which, skip, corpus):
    """JPEG and PNG, faces and photos."""
    with copy_of(corpora[corpus]) as folder:
        pictures = sorted(path for path in folder.rglob("*") if path.suffix in (".jpg", ".png"))
        rewrite(pictures[which % len(pictures)], edits)
        status, said = asked("data", "check", folder, "--no-cache", *["--skip-bad"] * skip)
    if not status:
        found, left = counted(said)
        assert found + left == whole[corpus]
        assert left <= skip


@FUZZ
@given(edits=EDITS, which=st.integers(0, 10**6), skip=st.booleans())
def test_emotion_codes(corpora, whole, edits, which, skip):
    """Damage a label of CK+'s own tree: a code decides the class of one sequence's peaks, or leaves them out."""
    with copy_of(corpora["photos"]) as folder:
        codes = sorted(folder.rglob("*_emotion.txt"))
        rewrite(codes[which % len(codes)], [(place, length % 20, piece) for place, length, piece in edits])
        status, said = asked("data", "check", folder, "--no-cache", *["--skip-bad"] * skip)
    if not status:
        found, _ = counted(said)
        assert found <= whole["photos"]


TREE_EDITS: dict[str, Callable[[Path, str], object]] = {
    "gone": lambda path, name: path.unlink(),
    "empty": lambda path, name: path.write_bytes(b""),
    "renamed": lambda path, name: path.rename(path.with_name(name)),
    "doubled": lambda path, name: shutil.copy(path, path.with_name(name)),
    "a folder": lambda path, name: (path.unlink(), path.mkdir()),
    "elsewhere": lambda path, name: path.rename(path.parents[1] / name),
    "a link": lambda path, name: (path.unlink(), path.symlink_to(name)),
}
NAMES = st.one_of(
    st.from_regex(r"\AS\d{1,4}_\d{1,4}_\d{1,9}\.png\Z").map(lambda name: name.encode("ascii", "replace").decode()),
    st.sampled_from(["x.png", "S010_004_00000019.PNG", "S999_001_00000001.png", "Thumbs.db", ".hidden.png", "é.png"]),
)


@FUZZ
@given(changes=st.lists(st.tuples(st.sampled_from(sorted(TREE_EDITS)), st.integers(0, 10**6), NAMES), min_size=1,
                        max_size=4), skip=st.booleans())  # fmt: skip
def test_trees(corpora, changes, skip):
    with copy_of(corpora["ckplus"]) as folder:
        for change, which, name in changes:
            pictures = sorted(path for path in folder.rglob("*.png") if path.is_file())
            path = pictures[which % len(pictures)]
            with contextlib.suppress(OSError):  # a name that is taken by a folder
                TREE_EDITS[change](path, name.replace("?", "0"))
        here = [path for path in folder.glob("CK+48/*/*") if path.suffix.lower() == ".png" and path.is_file()]
        here = [path for path in here if not path.name.startswith(".")]
        status, said = asked("data", "check", folder, "--no-cache", *["--skip-bad"] * skip)
    if not status:
        found, left = counted(said)
        sequences = Counter(path.name.upper().rpartition("_")[0] for path in here)
        peaks = sum(min(frames, 3) for frames in sequences.values())  # the last three of each sequence are taken
        assert found <= peaks
        assert found == peaks or skip
        assert not left or skip


@FUZZ
@given(edits=EDITS, skip=st.booleans())
def test_smile_labels(corpora, edits, skip):
    with copy_of(corpora["genki4k"]) as folder:
        file = folder / "labels.txt"
        rewrite(file, [(place, length % 40, piece) for place, length, piece in edits])
        status, said = asked("data", "check", folder, *["--skip-bad"] * skip)
        lines = file.read_bytes().decode("utf-8-sig", errors="replace").split("\n")
    if not status:
        found, left = counted(said)
        assert found + left == 8
        good = [line for line in lines if re.match(r"\s*[01]\s", line)]
        assert found <= len(good)
        assert left <= 8 * skip


@FUZZ
@given(edits=EDITS, name=st.sampled_from(["smoke", "quick", "paper"]))
def test_profiles(edits, name):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.yaml"
        file.write_bytes(edited((PROFILES / file.name).read_bytes(), edits))
        with contextlib.suppress(FerError):
            load_profile(file)


@FUZZ
@given(edits=EDITS)
def test_records_of_printed_numbers(edits):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "paper.yaml"
        file.write_bytes(edited((PROJECT / "docs" / "audit_example.yaml").read_bytes(), edits))
        asked("audit", file)
