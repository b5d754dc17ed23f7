"""Test quality facts on a corpus small enough to count by hand."""

import numpy as np
import pandas as pd
import pytest

from fer_lib.datasets import quality
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError

# (picture, class, split): picture 0 is blank; 1 is twice in Training and once in each test split; 2 changes its label
# between Training and PrivateTest; 3 is twice in PublicTest; 4 and 5 are there once.
ROWS = [
    (0, 0, "Training"),
    (1, 0, "Training"),
    (1, 0, "Training"),
    (2, 1, "Training"),
    (4, 1, "Training"),
    (1, 0, "PublicTest"),
    (3, 1, "PublicTest"),
    (3, 1, "PublicTest"),
    (1, 0, "PrivateTest"),
    (2, 0, "PrivateTest"),
    (5, 1, "PrivateTest"),
]


@pytest.fixture
def dataset():
    pictures = np.random.default_rng(0).integers(0, 256, (6, 4, 4)).astype(np.uint8)
    pictures[0] = 7
    pictures[5] = pictures[4]
    pictures[5, 3, 3] ^= 1  # one grey level apart is another picture
    meta = pd.DataFrame({"label": [row[1] for row in ROWS], "split": [row[2] for row in ROWS]})
    images = pictures[[row[0] for row in ROWS]]
    return FaceDataset(images, meta, ("angry", "sad", "never"), "fer2013", notes={"layout": "csv"})


def test_picture_ids_are_equal_where_all_pixels_are(dataset):
    ids = quality.picture_ids(dataset)
    pictures = np.array([row[0] for row in ROWS])
    np.testing.assert_array_equal(ids[:, None] == ids, pictures[:, None] == pictures)
    assert quality.distinct_pictures(dataset) == 6


def test_duplicates_within_splits(dataset):
    table = quality.duplicates(dataset)
    assert table.loc["Training"].tolist() == [5, 4, 1]
    assert table.loc["PublicTest"].tolist() == [3, 2, 1]
    assert table.loc["PrivateTest"].tolist() == [3, 3, 0]
    assert table.loc["all"].tolist() == [11, 6, 5]


def test_leaks_are_read_along_the_row(dataset):
    table = quality.leaks(dataset)
    assert table.loc["PrivateTest"].to_dict() == {"Training": 2, "PublicTest": 1, "PrivateTest": 0}
    assert table.loc["PublicTest"].to_dict() == {"Training": 1, "PublicTest": 0, "PrivateTest": 1}
    assert table.loc["Training"].to_dict() == {"Training": 0, "PublicTest": 2, "PrivateTest": 3}


def test_conflicting_labels(dataset):
    table = quality.conflicting_labels(dataset)
    assert table.to_dict("records") == [{"faces": 2, "labels": ("angry", "sad"), "rows": (3, 9)}]
    agreed = dataset.take([0, 1, 2])
    assert list(quality.conflicting_labels(agreed).columns) == ["faces", "labels", "rows"]
    assert len(quality.conflicting_labels(agreed)) == 0


def test_blank_faces(dataset):
    assert np.flatnonzero(quality.blank_faces(dataset)).tolist() == [0]


def test_mean_faces(dataset):
    means = quality.mean_faces(dataset)
    assert means.shape == (3, 4, 4)
    sad = [row for row, (_, label, _) in enumerate(ROWS) if label == 1]
    np.testing.assert_allclose(means[1], sum(dataset.images[row].astype(float) for row in sad) / len(sad))
    assert np.isnan(means[2]).all()


def test_headline(dataset):
    assert quality.headline(dataset) == {
        "faces": 11,
        "distinct pictures": 6,
        "pictures with conflicting labels": 1,
        "blank faces": 1,
        "PublicTest faces also in Training": 1,
        "PrivateTest faces also in Training": 2,
    }


def test_drop_leaks_takes_from_training_alone(dataset):
    clean = quality.drop_leaks(dataset)
    assert clean.counts()["total"].to_dict() == {"Training": 2, "PublicTest": 3, "PrivateTest": 3}
    assert quality.leaks(clean)["Training"].sum() == 0
    assert clean.notes == {"layout": "csv", "leaks_dropped": 3}
    assert "leaks_dropped" not in dataset.notes
    assert quality.drop_leaks(clean).fingerprint == clean.fingerprint


def test_drop_leaks_needs_both_test_splits(dataset):
    lacking = dataset.take(dataset.meta["split"].to_numpy() != "PublicTest")
    with pytest.raises(FerError, match="no split 'PublicTest'"):
        quality.drop_leaks(lacking)
