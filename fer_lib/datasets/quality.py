"""Facts about a corpus' quality: repeated pictures, leaks between splits, contradicting labels, blank pictures.

FER-2013 was gathered by image search (Goodfellow et al. 2013), and some pictures came back more than once. "The same
picture" means the same pixels here, every one of them, so that the counts are lower bounds: rescaled or shifted copies
are not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError, nearest


def picture_ids(dataset: FaceDataset) -> np.ndarray:
    """Returns the number of each face's picture, int64 (N,): equal where, and only where, all pixels are equal."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(image.tobytes(), len(numbers)) for image in dataset.images], np.int64)


def distinct_pictures(dataset: FaceDataset) -> int:
    """Returns the number of distinct pictures among the faces."""
    return len(np.unique(picture_ids(dataset)))


def duplicates(dataset: FaceDataset) -> pd.DataFrame:
    """Returns how often pictures are repeated within each split and in all.

    Returns:
        One row a split and a last row ``all``; columns ``faces``, ``distinct`` and ``repeated`` (faces beyond the first
        of their picture).
    """
    ids = picture_ids(dataset)
    parts = {split: ids[rows] for split, rows in _split_rows(dataset).items()} | {"all": ids}
    table = pd.DataFrame(
        {
            "faces": {split: len(part) for split, part in parts.items()},
            "distinct": {split: len(np.unique(part)) for split, part in parts.items()},
        }
    )
    table["repeated"] = table["faces"] - table["distinct"]
    table.index.name = "split"
    return table


def leaks(dataset: FaceDataset) -> pd.DataFrame:
    """Returns how many faces of each split (row) show a picture that also stands in each other split (column).

    Read along a row: of the faces of PrivateTest, so many stand in Training too. The table is not symmetric, as a
    picture may stand twice in one split and once in the other. The diagonal is 0 by definition.
    """
    ids = picture_ids(dataset)
    parts = {split: ids[rows] for split, rows in _split_rows(dataset).items()}
    table = pd.DataFrame(
        {
            other: {split: 0 if split == other else int(np.isin(part, there).sum()) for split, part in parts.items()}
            for other, there in parts.items()
        }
    )
    table.index.name = "faces of"
    table.columns.name = "also in"
    return table


def conflicting_labels(dataset: FaceDataset) -> pd.DataFrame:
    """Returns the pictures that carry more than one label.

    Returns:
        One row a picture, by its first face: ``faces`` (how many show it), ``labels`` (tuple of class names, in label
        order) and ``rows`` (tuple of the faces' positions in the dataset).
    """
    ids = picture_ids(dataset)
    table = pd.DataFrame({"picture": ids, "label": dataset.labels, "row": np.arange(len(ids))})
    mixed = table[table.groupby("picture")["label"].transform("nunique") > 1]
    records = [
        (len(group), tuple(dataset.class_names[label] for label in sorted(set(group["label"]))), tuple(group["row"]))
        for _, group in mixed.groupby("picture")
    ]
    return pd.DataFrame(records, columns=["faces", "labels", "rows"])


def blank_faces(dataset: FaceDataset) -> np.ndarray:
    """Returns which faces show nothing at all, bool (N,): every pixel has the same value."""
    flat = dataset.images.reshape(len(dataset), -1)
    return flat.min(axis=1) == flat.max(axis=1)


def mean_faces(dataset: FaceDataset) -> np.ndarray:
    """Returns the mean face of each class, float64 (C, H, W) in grey levels 0-255; NaN for a class without faces."""
    shape = (len(dataset.class_names), *dataset.images.shape[1:])
    means = np.full(shape, np.nan)
    for label in np.unique(dataset.labels):
        means[label] = dataset.images[dataset.labels == label].mean(axis=0, dtype=np.float64)
    return means


def headline(dataset: FaceDataset) -> dict[str, int]:
    """Returns the counts that fit on a few lines: faces, distinct pictures, conflicting, blank, leaked per test split.

    Keys: ``faces``, ``distinct pictures``, ``pictures with conflicting labels``, ``blank faces``, and for each split
    but ``Training``: ``<split> faces also in Training``.
    """
    facts = {
        "faces": len(dataset),
        "distinct pictures": distinct_pictures(dataset),
        "pictures with conflicting labels": len(conflicting_labels(dataset)),
        "blank faces": int(blank_faces(dataset).sum()),
    }
    table = leaks(dataset)
    if "Training" in table.columns:
        leaked = table["Training"].drop("Training")
        facts |= {f"{split} faces also in Training": int(count) for split, count in leaked.items()}
    return facts


def drop_leaks(dataset: FaceDataset, test_splits: Sequence[str] = ("PublicTest", "PrivateTest")) -> FaceDataset:
    """Returns the dataset without the ``Training`` faces whose picture also stands in a test split.

    The test splits stay whole, so that scores remain comparable with published ones. The count of faces left out goes
    into ``notes["leaks_dropped"]``.

    Raises:
        FerError: the dataset lacks ``Training`` or one of the test splits.
    """
    rows = _split_rows(dataset)
    for split in ("Training", *test_splits):
        if split not in rows:
            raise FerError(
                f"{dataset.corpus} has no split {split!r}{nearest(split, rows)}; its splits are {list(rows)}."
            )
    ids = picture_ids(dataset)
    tested = np.concatenate([ids[rows[split]] for split in test_splits]) if test_splits else ids[:0]
    leaked = np.zeros(len(dataset), bool)
    leaked[rows["Training"]] = np.isin(ids[rows["Training"]], tested)
    kept = dataset.take(~leaked)
    return replace(kept, notes={**dataset.notes, "leaks_dropped": int(leaked.sum())})


def _split_rows(dataset: FaceDataset) -> dict[str, np.ndarray]:
    """Returns the row positions of each split, splits in order of appearance."""
    splits = dataset.meta["split"].to_numpy()
    return {split: np.flatnonzero(splits == split) for split in dict.fromkeys(splits)}
