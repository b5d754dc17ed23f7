"""Benchmark loading FER-2013's CSV without the cache, against pandas with ``apply(np.fromstring)``.

Both our parse and our whole load are timed. The usual way is that of notebooks on FER-2013: ``pd.read_csv``, then
``np.fromstring(text, dtype=int, sep=" ")`` row by row, then ``np.stack``. NumPy has deprecated ``np.fromstring`` only
for binary text, so this still works.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from side_by_side import alternate, arguments, ratio, report, say, seconds

from fer_lib.datasets import corpus, fer2013
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.fer2013.csv import Rows, read_csv
from fer_lib.datasets.readers.faults import Faults
from fer_lib.settings import DataSettings
from fer_lib.utils.parallel import cores

TARGET = 8
GENERATED = 2000  # faces if neither a data folder nor a number is given


def all_faces(data_dir: str, count: int) -> FaceDataset:
    """Load the first ``count`` faces of all splits of FER-2013 (0: all), or generated ones without a data folder."""
    settings = DataSettings(source="folder" if data_dir else "generated", generated_faces=count or GENERATED)
    faces = corpus.load_fer2013(settings, data_dir)
    return faces.take(np.arange(min(count or len(faces), len(faces))))


def write_csv(path: Path, faces: FaceDataset) -> Path:
    """Write the faces in the format of ``fer2013.csv``."""
    text = [str(value) for value in range(256)]
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.write("emotion,pixels,Usage\n")
        for image, label, split in zip(faces.images, faces.labels, faces.meta["split"], strict=True):
            file.write(f"{label},{' '.join([text[value] for value in image.ravel().tolist()])},{split}\n")
    return path


def parsed(path: Path) -> Rows:
    """Parse the CSV our way: pixels, labels and splits in the order of the rows."""
    with open(path, "rb") as stream:
        return read_csv(stream, path.name, faults=Faults(path.name), advance=lambda size: None)


def loaded(path: Path, *, cache: bool = False) -> FaceDataset:
    """Load the corpus our way: parse, canonical order and table of labels; accept any counts of faces."""
    return fer2013.load(path, skip_bad=True, cache=cache)


def usual(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read pixels (N, 48, 48) and labels as notebooks on FER-2013 do."""
    frame = pd.read_csv(path)
    pixels = frame["pixels"].apply(lambda text: np.fromstring(text, dtype=int, sep=" "))
    return np.stack(pixels.to_numpy()).reshape(-1, 48, 48), frame["emotion"].to_numpy()


def check(path: Path) -> None:
    """Raise AssertionError unless the two ways give the same pixels and labels."""
    ours, (pixels, labels) = parsed(path), usual(path)
    np.testing.assert_array_equal(ours.images, pixels)
    np.testing.assert_array_equal(ours.labels, labels)
    assert len(loaded(path)) == len(pixels)


def main() -> None:
    """Compare both ways and write the JSON."""
    options = arguments(__doc__, faces=0)
    faces = all_faces(options.data_dir, options.faces)
    os.environ.pop("FER_CACHE", None)  # the cache file is then next to the CSV and is deleted with it
    with tempfile.TemporaryDirectory() as folder:
        path = write_csv(Path(folder) / "fer2013.csv", faces)
        check(path)
        results = {}
        for name, ours in (("parse", parsed), ("load", loaded)):
            say(f"{name}:")
            results[name] = ratio(alternate(lambda o=ours: o(path), lambda: usual(path), pairs=options.pairs))
        results["parse"]["target"] = TARGET
        loaded(path, cache=True)
        facts = {
            "faces": len(faces),
            "synthetic": faces.synthetic,
            "megabytes": round(path.stat().st_size / 1e6, 1),
            "threads": cores(),
            "cached_load_seconds": round(seconds(lambda: loaded(path, cache=True)), 3),
        }
    claim = (
        f"Reading a CSV of {facts['faces']:,} faces of FER-2013 without a cache, parsed to pixels, labels and splits, "
        "or loaded whole in canonical order, against pandas with apply(np.fromstring) and np.stack."
    )
    report("csv_load", claim, results, options, **facts)


if __name__ == "__main__":
    main()
