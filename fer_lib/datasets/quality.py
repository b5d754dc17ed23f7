"""Count a corpus's faults: repeated pictures, leaks between splits, contradicting labels, blank pictures.

FER-2013 was collected by image search (Goodfellow et al. 2013), and the search returned some pictures more than once.
Here "the same picture" means that all pixels are equal. These counts are therefore lower bounds: only
:func:`near_duplicates` finds copies that are shifted, rescaled, mirrored or compressed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from fer_lib.datasets.face_dataset import FaceDataset, split_named
from fer_lib.datasets.near_duplicates import pairs
from fer_lib.errors import FerError, nearest
from fer_lib.utils.pixels import grey

TEST_SPLITS = ("PublicTest", "PrivateTest")


def picture_ids(dataset: FaceDataset) -> np.ndarray:
    """Number each face's picture, int64 (N,): two numbers are equal if and only if all pixels are equal."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(image.tobytes(), len(numbers)) for image in dataset.images], np.int64)


def distinct_pictures(dataset: FaceDataset) -> int:
    """Count the distinct pictures among the faces."""
    return len(np.unique(picture_ids(dataset)))


def duplicates(dataset: FaceDataset) -> pd.DataFrame:
    """Count the repeated pictures within each split and in all.

    Returns:
        One row for each split and a last row ``all``; columns ``faces``, ``distinct`` and ``repeated`` (faces beyond
        the first of their picture).
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
    """Count the faces of each split (row) with a picture that is also in each other split (column).

    Read along a row: of the faces of PrivateTest, so many are in Training too. The table is not symmetric, because a
    picture may be in one split twice and in the other once. The diagonal is 0 by definition.
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
    """List the pictures with more than one label.

    Returns:
        One row for each picture, by its first face: ``faces`` (their number), ``labels`` (tuple of class names, in
        label order) and ``rows`` (tuple of the faces' positions in the dataset).
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
    """Mark the blank faces, bool (N,): every pixel has the same value."""
    flat = dataset.images.reshape(len(dataset), -1)
    return flat.min(axis=1) == flat.max(axis=1)


def mean_faces(dataset: FaceDataset) -> np.ndarray:
    """Compute the mean face of each class, float64 (C, H, W) in grey levels 0-255; NaN for a class without faces."""
    shape = (len(dataset.class_names), *dataset.images.shape[1:])
    means = np.full(shape, np.nan)
    for label in np.unique(dataset.labels):
        means[label] = dataset.images[dataset.labels == label].mean(axis=0, dtype=np.float64)
    return means


def headline(dataset: FaceDataset) -> dict[str, int]:
    """Count what fits on a few lines: faces, distinct pictures, conflicting, blank, leaked per test split.

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


def drop_leaks(dataset: FaceDataset) -> FaceDataset:
    """Leave out the ``Training`` faces with a picture that is also in a test split.

    The test splits stay complete, so that scores remain comparable with published ones. ``notes["leaks_dropped"]``
    counts the faces left out.

    Raises:
        FerError: the dataset lacks ``Training`` or one of the test splits.
    """
    training, tested = _training_and_tested(dataset, TEST_SPLITS)
    return _without(dataset, training[_equal(dataset, training, tested)], "leaks_dropped")


def also_in_training(dataset: FaceDataset, split: str) -> np.ndarray:
    """Mark the faces of a split, bool (N,), whose very picture is also a ``Training`` face.

    Raises:
        FerError: the dataset lacks ``Training`` or the split.
    """
    training, tested = _training_and_tested(dataset, [split])
    return _equal(dataset, tested, training)


def near_duplicates(dataset: FaceDataset, test_splits: Sequence[str] = TEST_SPLITS) -> pd.DataFrame:
    """List the pairs of a test face and a ``Training`` face that show nearly the same picture.

    Shifted, rescaled, mirrored and recompressed copies count, and equal pictures, but no blank ones;
    :mod:`fer_lib.datasets.near_duplicates` says how they are found.

    Returns:
        One row for each pair: ``split``, ``face`` and ``training face`` (positions in the dataset), ``score`` (the
        correlation, at most 1) and ``mirrored``; where the corpus has it, also ``source`` and ``training source``
        (the rows of its CSV, such as ``"row 17"`` for the 17th below the heading, or the names of its files).

    Raises:
        FerError: the dataset lacks ``Training`` or one of the test splits.
    """
    training, tested = _training_and_tested(dataset, test_splits)
    found = pairs(grey(dataset.images[tested]), grey(dataset.images[training]))
    faces, learnt = tested[found.faces], training[found.references]
    columns = {
        "split": dataset.meta["split"].to_numpy()[faces],
        "face": faces,
        "training face": learnt,
        "score": found.scores,
        "mirrored": found.mirrored,
    }
    if "source" in dataset.meta:
        sources = dataset.meta["source"].to_numpy()
        columns |= {"source": sources[faces], "training source": sources[learnt]}
    return pd.DataFrame(columns)


def near_duplicate_counts(
    dataset: FaceDataset, found: pd.DataFrame, test_splits: Sequence[str] = TEST_SPLITS
) -> pd.DataFrame:
    """Count the test faces with the same or nearly the same picture in ``Training``.

    Args:
        dataset: the faces.
        found: their pairs, by :func:`near_duplicates` with the same splits.
        test_splits: the test splits to count.

    Returns:
        One row for each test split, or one for test parts that are not told apart: ``faces``, ``same picture`` (equal
        pixels), ``nearly the same`` (these included) and ``training faces`` (that ``drop_near_duplicates`` would leave
        out for this split).
    """
    rows = {}
    for split in dict.fromkeys(split_named(split, dataset.meta["split"]) for split in test_splits):
        training, tested = _training_and_tested(dataset, [split])
        pairs_here = found[found["split"] == split]
        equal, known = (_equal(dataset, *each) for each in ((tested, training), (training, tested)))
        rows[split] = {
            "faces": len(tested),
            "same picture": int(equal.sum()),
            "nearly the same": len(np.union1d(tested[equal], pairs_here["face"])),
            "training faces": len(np.union1d(training[known], pairs_here["training face"])),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("split")


def drop_near_duplicates(dataset: FaceDataset) -> FaceDataset:
    """Leave out the ``Training`` faces that show nearly the same picture as a face of a test split.

    Those of equal pictures are among them. ``notes["near_duplicates_dropped"]`` counts the faces left out.

    Raises:
        FerError: the dataset lacks ``Training`` or one of the test splits.
    """
    training, tested = _training_and_tested(dataset, TEST_SPLITS)
    equal = training[_equal(dataset, training, tested)]
    near = near_duplicates(dataset)["training face"].to_numpy()
    return _without(dataset, np.union1d(equal, near), "near_duplicates_dropped")


def _training_and_tested(dataset: FaceDataset, test_splits: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Give the row positions of ``Training`` and of the test splits; raise FerError if one is missing."""
    rows = _split_rows(dataset)
    test_splits = list(dict.fromkeys(split_named(split, rows) for split in test_splits))
    for split in ("Training", *test_splits):
        if split not in rows:
            raise FerError(
                f"{dataset.corpus} has no split {split!r}{nearest(split, rows)}; its splits are {list(rows)}."
            )
    tested = [rows[split] for split in test_splits]
    return rows["Training"], np.concatenate(tested) if tested else np.empty(0, np.int64)


def _equal(dataset: FaceDataset, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Mark the rows whose picture is among the others, bool of the rows' shape."""
    ids = picture_ids(dataset)
    return np.isin(ids[rows], ids[others])


def _without(dataset: FaceDataset, rows: np.ndarray, note: str) -> FaceDataset:
    """Leave rows out and note their number."""
    kept = np.ones(len(dataset), bool)
    kept[rows] = False
    return replace(dataset.take(kept), notes={**dataset.notes, note: len(rows)})


def _split_rows(dataset: FaceDataset) -> dict[str, np.ndarray]:
    """Give the row positions of each split, splits in order of appearance."""
    splits = dataset.meta["split"].to_numpy()
    return {split: np.flatnonzero(splits == split) for split in dict.fromkeys(splits)}
