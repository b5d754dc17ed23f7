"""Compare two folders of results: every table, metric, history, prediction and figure.

``fer-lib compare results/paper results/reference/paper`` is the command. Provenance, measured times, executed
notebooks, models and checkpoints are left out; figures are compared by their pixels.
"""

from __future__ import annotations

import csv
import json
import math
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fer_lib.errors import FerError, nearest
from fer_lib.provenance import figures_of

KINDS = ("tables", "metrics", "histories", "predictions")
SUFFIXES = {".csv", ".md", ".json", ".png", ".npz"}
# measured times differ between any two runs, and the checksums of weights between any two kinds of processor
TIMES = re.compile(r"^comparators_cost")
VOLATILE = {"provenance", "seconds", "panels", "sha256"}
_SPEED = re.compile(r"[\d,.]+ faces a second")

_NUMBER = re.compile(r"(?<![\w.])[-+−]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")
_INTERVAL = re.compile(r"\[([-+−]?[\d.,]+), ([-+−]?[\d.,]+)\]")
_KINDS_OF_DIFFERENCE = ("only one has it", "layout", "numbers", "inside intervals", "wording", "pixels", "drawing")
_DRAWN = "Drawn data"  # the digest in a figure's PNG, of :func:`fer_lib.figures.drawn.digests`


@dataclass(frozen=True)
class Difference:
    """One file that differs.

    Attributes:
        name: the file, such as ``"tables/chen2023_table2.csv"``.
        kind: ``"only one has it"``, ``"layout"`` (other columns, rows or keys), ``"numbers"``, ``"inside intervals"``
            (numbers differ, each inside the other's 95 % interval), ``"wording"`` (the same numbers in other words),
            ``"pixels"`` or ``"drawing"`` (other pixels, as of another Matplotlib, that show the same data by the
            digests in both figures).
        text: what differs, and by how much.
    """

    name: str
    kind: str
    text: str


@dataclass(frozen=True)
class Comparison:
    """How many files two folders share, and which of them differ."""

    compared: int
    differences: list[Difference]

    def failing(self, *, numbers_only: bool = False, within_intervals: bool = False) -> list[Difference]:
        """Select the differences that count: wording with drawing, and numbers inside intervals, can be left out."""
        passed = {"wording", "drawing"} if numbers_only else set()
        passed |= {"inside intervals"} if within_intervals else set()
        return [difference for difference in self.differences if difference.kind not in passed]

    def summary(self) -> str:
        """Count the files by how they compare, in one line."""
        counts = {kind: sum(one.kind == kind for one in self.differences) for kind in _KINDS_OF_DIFFERENCE}
        shared = [one for one in self.differences if one.kind != "only one has it"]
        parts = [f"{self.compared - len(shared)} of {self.compared} shared results are equal"]
        said = {"layout": "have another layout", "numbers": "differ in numbers", "wording": "differ in wording alone"}
        said |= {"inside intervals": "differ inside each other's 95 % intervals", "pixels": "differ in pixels"}
        said |= {"drawing": "draw the same data in other pixels"}
        parts += [f"{counts[kind]} {words}" for kind, words in said.items() if counts[kind]]
        only = counts["only one has it"]
        return "; ".join(parts) + (f"; {only} exist in one folder only" if only else "") + "."

    def as_json(self) -> dict[str, Any]:
        """Convert to plain values for JSON."""
        return {"compared": self.compared, "differences": [asdict(one) for one in self.differences]}


def tolerances(text: str) -> dict[str, float]:
    """Read a tolerance for all kinds of results, ``"1e-6"``, or for some: ``"tables=1e-3,metrics=1e-6"``.

    Returns:
        The relative tolerance of each of ``KINDS``; 0 for one that the text does not name.

    Raises:
        FerError: a word is no number, or no kind of results has that name.
    """
    asked = dict(part.rpartition("=")[::2] for part in text.replace(" ", "").split(","))
    given = dict.fromkeys(KINDS, asked[""]) if list(asked) == [""] else asked
    for kind, value in given.items():
        if kind not in KINDS:
            raise FerError(
                f"There is no tolerance of {kind!r}{nearest(kind, KINDS)}; give one number, or one for some of "
                f"{', '.join(KINDS)}, such as tables=1e-3,metrics=1e-6."
            )
        if not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", value, re.IGNORECASE):
            raise FerError(f"The relative tolerance is {value!r}; it should be a number, such as 1e-6.")
    return {kind: float(given.get(kind, 0)) for kind in KINDS}


def compare(first: str | Path, second: str | Path, *, rtol: float | Mapping[str, float] = 0.0) -> Comparison:
    """Compare two folders of results file by file.

    Args:
        first: one profile's results (such as ``results/paper``, whose figures are in ``figures/paper``), or a folder
            that contains ``results`` and ``figures``.
        second: the other, of either form.
        rtol: numbers that differ by this share of the larger one, or less, count as equal; by kind, as of
            :func:`tolerances`, or one for all.

    Raises:
        FerError: a folder does not exist, contains no results, or contains those of several profiles where the other
            folder contains one.
    """
    allowed = dict(rtol) if isinstance(rtol, Mapping) else dict.fromkeys(KINDS, rtol)
    if wrong := [each for each in allowed.values() if not 0 <= each < 1]:
        raise FerError(f"The relative tolerance is {wrong[0]}; it should be 0 or more and less than 1.")
    files = [_files(Path(folder).expanduser()) for folder in (first, second)]
    profiles = [sorted(found) for found in files]
    if len(profiles[0]) == len(profiles[1]) == 1:
        pairs = [("", files[0][profiles[0][0]], files[1][profiles[1][0]])]
    elif min(map(len, profiles)) == 1:
        several, folder = (profiles[0], first) if len(profiles[0]) > 1 else (profiles[1], second)
        raise FerError(f"{folder} contains several profiles ({', '.join(several)}): name one, such as results/paper.")
    else:
        pairs = [
            (f"{name}/", files[0].get(name, {}), files[1].get(name, {})) for name in sorted({*files[0], *files[1]})
        ]
    compared, differences = 0, []
    for prefix, ours, theirs in pairs:
        compared += len(ours.keys() & theirs.keys())
        for name in sorted(ours.keys() | theirs.keys()):
            found = _difference(name, ours.get(name), theirs.get(name), allowed.get(name.partition("/")[0], 0.0))
            differences += [Difference(prefix + name, *found)] if found else []
    return Comparison(compared, differences)


def _files(folder: Path) -> dict[str, dict[str, Path]]:
    """Find the files to compare, by profile and then by name."""
    if not folder.is_dir():
        raise FerError(f"No such folder: {folder}; give a profile's results, such as results/paper.")
    if (folder / "results").is_dir():
        found = {one.name: _of_profile(one, folder / "figures" / one.name) for one in _folders(folder / "results")}
    else:
        found = {folder.resolve().name: _of_profile(folder, figures_of(folder))}
    found = {name: files for name, files in found.items() if files}
    if not found:
        raise FerError(f"{folder} contains no results; expected {', '.join(KINDS)} in it, as a run leaves them.")
    return found


def _folders(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.is_dir())


def _of_profile(results: Path, figures: Path) -> dict[str, Path]:
    listed = [(f"{kind}/{path.name}", path) for kind in KINDS for path in (results / kind).glob("*")]
    listed += [(f"figures/{path.name}", path) for path in figures.glob("*")]
    return {name: path for name, path in sorted(listed) if _is_compared(path)}


def _is_compared(path: Path) -> bool:
    left_out = path.name.startswith(".") or TIMES.search(path.name)
    return path.is_file() and path.suffix in SUFFIXES and not left_out


def _difference(name: str, ours: Path | None, theirs: Path | None, rtol: float) -> tuple[str, str] | None:
    if ours is None or theirs is None:
        return "only one has it", f"only in the {'second' if ours is None else 'first'}"
    if ours.read_bytes() == theirs.read_bytes():
        return None
    if name.endswith(".png"):
        return _picture_difference(ours, theirs)
    if name.endswith(".npz"):
        return _array_difference(ours, theirs, rtol)
    read = {".csv": _csv_values, ".json": _json_values, ".md": _text_values}[ours.suffix]
    try:
        return _value_difference(dict(read(ours)), dict(read(theirs)), rtol)
    except (ValueError, UnicodeDecodeError) as error:
        return "layout", f"cannot be read ({str(error).splitlines()[0]})"


def _picture_difference(ours: Path, theirs: Path) -> tuple[str, str] | None:
    import numpy as np
    from PIL import Image

    pixels, drawn = [], []
    for path in (ours, theirs):
        try:
            with Image.open(path) as picture:
                pixels.append(np.asarray(picture.convert("RGB"), dtype=np.int16))
                drawn.append(getattr(picture, "text", {}).get(_DRAWN))
        except (OSError, ValueError):
            return "pixels", f"{path} is not a readable image"
    sizes = [f"{one.shape[1]}×{one.shape[0]}" for one in pixels]
    kind = "drawing" if drawn[0] and drawn[0] == drawn[1] else "pixels"
    if sizes[0] != sizes[1]:
        return kind, f"sizes {sizes[0]} and {sizes[1]}"
    apart = np.abs(pixels[0] - pixels[1]).max(axis=2)
    if not apart.any():
        return None
    return kind, f"{(apart > 0).mean():.2%} of the pixels differ, by up to {apart.max()} of 255"


def _array_difference(ours: Path, theirs: Path, rtol: float) -> tuple[str, str] | None:
    """Compare two files of arrays by name: their shapes, their words, and their numbers value by value."""
    import numpy as np

    read = []
    for path in (ours, theirs):
        try:
            with np.load(path, allow_pickle=False) as arrays:
                read.append({name: arrays[name] for name in arrays.files})
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            return "layout", f"{path} cannot be read ({str(error).splitlines()[0]})"
    first, second = read
    shapes = [{name: each.shape for name, each in found.items()} for found in read]
    if lacking := sorted(name for name in {*first, *second} if shapes[0].get(name) != shapes[1].get(name)):
        return "layout", f"{len(lacking)} arrays have another shape or exist in one only, the first {lacking[0]}"
    worst, places = (0.0, ""), 0
    for name, array in first.items():
        if "U" in (array.dtype.kind, second[name].dtype.kind):
            if not np.array_equal(array, second[name]):
                return "layout", f"other words in {name}"
            continue
        one, other = array.astype(float), second[name].astype(float)
        with np.errstate(invalid="ignore"):  # infinities
            apart = np.abs(one - other) / np.maximum(np.abs(one), np.abs(other))
        apart = np.where((one == other) | (np.isnan(one) & np.isnan(other)), 0.0, np.nan_to_num(apart, nan=np.inf))
        places += int((apart > rtol).sum())
        if apart.size and apart.max() > max(rtol, worst[0]):
            worst = float(apart.max()), name
    if not places:
        return None
    by = "other numbers" if math.isinf(worst[0]) else f"by up to {worst[0]:.2g} of the larger"
    return "numbers", f"{places} places differ, {by}, in {worst[1]}"


Value = tuple[str, tuple[float, float] | None]  # a value as text, and its 95 % interval where it has one


def _csv_values(path: Path) -> Iterator[tuple[str, Value]]:
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    header, *rows = rows or [[]]
    intervals = _interval_columns(header)
    for place, name in enumerate(header):
        yield f"heading {place + 1}", (name, None)
    for number, row in enumerate(rows, start=1):
        for place, text in enumerate(row):
            column = header[place] if place < len(header) else str(place + 1)
            if column not in VOLATILE:
                low, high = ((row[end] if end < len(row) else "") for end in intervals.get(place, (place, place)))
                interval = _pair(low, high) if place in intervals else None
                yield f"row {number} ({row[0]}), column {place + 1}", (text, interval)


def _json_values(path: Path) -> Iterator[tuple[str, Value]]:
    yield from _flat(json.loads(path.read_text(encoding="utf-8")), "")


def _flat(value: Any, place: str) -> Iterator[tuple[str, Value]]:
    if isinstance(value, dict):
        names = list(value)
        intervals = _interval_columns(names)
        for number, (name, each) in enumerate(value.items()):
            if name in VOLATILE:
                continue
            if isinstance(each, dict | list):
                yield from _flat(each, f"{place}/{name}")
            else:
                low, high = (value[names[end]] for end in intervals.get(number, (number, number)))
                yield f"{place}/{name}", (_as_text(each), _pair(low, high) if number in intervals else None)
    elif isinstance(value, list):
        for number, each in enumerate(value, start=1):
            yield from _flat(each, f"{place}[{number}]")
    else:
        yield place, (_as_text(value), None)


def _text_values(path: Path) -> Iterator[tuple[str, Value]]:
    text = path.read_text(encoding="utf-8").partition("\nProvenance: ")[0].rstrip()
    for number, line in enumerate(text.splitlines(), start=1):
        for cell, words in enumerate(line.split("|"), start=1):
            # a Markdown table is as wide as its widest cell
            yield f"line {number}, cell {cell}", (re.sub(r":?-{3,}:?", "---", words).strip(), None)


def _as_text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _interval_columns(names: list[str]) -> dict[int, tuple[int, int]]:
    """Find which columns have their 95 % interval in others: ``x`` in ``x_low``, or the one before a plain ``low``."""
    found = {}
    for place, name in enumerate(names):
        if name != "low" and not name.endswith("_low"):
            continue
        high, owner = name.removesuffix("low") + "high", name.removesuffix("_low")
        value = names.index(owner) if name != "low" and owner in names else place - 1
        if high in names and value >= 0:
            found[value] = (place, names.index(high))
            found[place] = found[names.index(high)] = found[value]  # its ends are judged by the value they belong to
    return found


def _pair(low: Any, high: Any) -> tuple[float, float] | None:
    first, last = _number(str(low)), _number(str(high))
    return None if first is None or last is None else (first, last)


def _number(text: str) -> float | None:
    try:
        number = float(text.replace("−", "-").replace(",", ""))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _value_difference(ours: dict[str, Value], theirs: dict[str, Value], rtol: float) -> tuple[str, str] | None:
    lacking = sorted(ours.keys() ^ theirs.keys(), key=lambda place: (len(place), place))
    worst, count, outside, reworded = None, 0, 0, ""
    for place in ours:
        if place not in theirs:
            continue
        pair = _without_speed(ours[place][0]), _without_speed(theirs[place][0])
        if pair[0] == pair[1]:
            continue
        numbers = [[_number(found) for found in _NUMBER.findall(text)] for text in pair]
        if len(numbers[0]) != len(numbers[1]):
            count, outside = count + 1, outside + 1
            worst = worst or (math.inf, place, *pair)
            continue
        if len({_NUMBER.sub("#", text) for text in pair}) > 1:
            reworded = reworded or f"{place}: {_short(pair[0])} / {_short(pair[1])}"
        apart = max((_apart(*two) for two in zip(*numbers, strict=True)), default=0.0)
        if apart > rtol:
            count += 1
            outside += not _inside(ours[place], theirs[place])
            worst = max(worst or (0.0, "", "", ""), (apart, place, *pair))
    if lacking and (count or not _wording_alone(ours, theirs, lacking)):
        return "layout", f"{len(lacking)} values exist in one only, the first at {lacking[0]}"
    if worst:
        by = "other numbers" if math.isinf(worst[0]) else f"by up to {worst[0]:.2g} of the larger"
        places = f"{count} places differ" if count > 1 else "one place differs"
        inside = "" if outside else "; all inside each other's 95 % intervals"
        kind = "numbers" if outside else "inside intervals"
        return kind, f"{places}, {by}, at {worst[1]}: {_short(worst[2])} / {_short(worst[3])}{inside}"
    if lacking:
        reworded = reworded or f"text at {lacking[0]}"
    return ("wording", reworded) if reworded else None


def _without_speed(text: str) -> str:
    """Leave out measured speeds, which differ between any two runs."""
    return _SPEED.sub("faces a second", text)


def _wording_alone(ours: dict[str, Value], theirs: dict[str, Value], lacking: list[str]) -> bool:
    """Tell whether the values that one side lacks contain no number."""
    return not any(_NUMBER.search((ours.get(place) or theirs[place])[0]) for place in lacking)


def _apart(first: float | None, second: float | None) -> float:
    if first is None or second is None or first == second:
        return 0.0 if first == second else math.inf
    return abs(first - second) / max(abs(first), abs(second))


def _inside(ours: Value, theirs: Value) -> bool:
    """Tell whether two estimates lie inside each other's 95 % interval: of their columns, or as ``0.9 [0.8, 1.0]``."""
    if ours[1] and theirs[1]:
        values = [_number(value[0]) for value in (ours, theirs)]
        intervals = [ours[1], theirs[1]]
        if any(value is not None and value in interval for value, interval in zip(values, intervals, strict=True)):
            return True  # an end of an interval, whose estimate is judged itself
    else:
        texts = [value[0] for value in (ours, theirs)]
        found = [_INTERVAL.search(text) for text in texts]
        if not all(found):
            return False
        values = [_number(_NUMBER.findall(text)[0]) for text in texts]
        pairs = [_pair(*each.groups()) for each in found if each]
        if None in pairs:
            return False
        intervals = [pair for pair in pairs if pair]
    one, other = values
    if one is None or other is None:
        return False
    (low, high), (other_low, other_high) = intervals
    return other_low <= one <= other_high and low <= other <= high


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."
