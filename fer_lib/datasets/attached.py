"""Find the data that are attached to a hosted notebook: Kaggle's input folder, or a drive that is mounted in Colab."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from fer_lib.datasets import finder
from fer_lib.datasets.catalog import TITLES
from fer_lib.datasets.finder import MODULES
from fer_lib.datasets.readers.archives import visible
from fer_lib.errors import FerError

#: Where services attach data: Kaggle's data sets, whose folders are opened; Colab's drive, by the names alone.
KAGGLE, COLAB = Path("/kaggle/input"), (Path("/content/drive/MyDrive"), Path("/content"))
_DEEP, _MANY = 3, 200  # folders below such a place that are looked into


def use() -> str | None:
    """Set ``$FER_DATA`` to the attached data, unless it is set already, and say what was found.

    Nothing is downloaded, and no token is needed.

    Returns:
        One sentence, or None outside of such services.
    """
    if os.environ.get("FER_DATA"):
        return f"FER_DATA is {os.environ['FER_DATA']}."
    if not any(place.is_dir() for place in (KAGGLE, *COLAB)):
        return None
    for place in (KAGGLE, *COLAB):
        folder, names = _best(place, opened=place == KAGGLE)
        if names:
            os.environ["FER_DATA"] = str(folder)
            listed = ", ".join(TITLES[name] for name in names)
            return f"Data: {folder} ({listed}); the profiles quick and paper use it."
    return (
        "No corpus is attached, so only the profile smoke runs, on generated faces; attach FER-2013 or another corpus "
        "and run this cell again."
    )


def _best(place: Path, *, opened: bool) -> tuple[Path, Sequence[str]]:
    """Find the folder with most corpora at or below a place, the highest one first."""
    best: tuple[Path, Sequence[str]] = (place, ())
    for number, folder in enumerate(_folders(place, _DEEP)):
        if number == _MANY:
            break
        found = _by_content(folder) if opened else _by_name(folder)
        if len(found) > len(best[1]):
            best = (folder, found)
    return best


def _folders(place: Path, deep: int) -> Iterator[Path]:
    """Yield a folder and those below it, level by level."""
    level = [place] if place.is_dir() else []
    for _ in range(deep + 1):
        yield from level
        level = [entry for folder in level for entry in _entries(folder) if entry.is_dir()]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if visible(entry.name))
    except OSError:
        return []


def _by_name(folder: Path) -> list[str]:
    names = [entry.name.lower() for entry in _entries(folder)]
    return [name for name in TITLES if any(entry.startswith(name) for entry in names)]


def _by_content(folder: Path) -> list[str]:
    try:
        return [name for name in finder.find_all(folder) if name in MODULES]
    except FerError:
        return []
