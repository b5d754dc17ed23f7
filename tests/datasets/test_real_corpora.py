"""Test facts of the real CK+, GENKI-4K and Olivetti faces in ``FER_DATA``, if it is set; contains no images."""

import os

import numpy as np
import pytest

from fer_lib.datasets import ckplus, genki4k, imagenet_folders, olivetti, quality
from fer_lib.datasets.photo_set import PhotoSet
from fer_lib.datasets.readers.locate import find_corpus

pytestmark = pytest.mark.skipif(not os.environ.get("FER_DATA"), reason="FER_DATA names no data folder")


def place_of(name):
    path = find_corpus(os.environ.get("FER_DATA", ""), name)
    if path is None:
        pytest.skip(f"the data folder holds no {name}")
    return path


def ckplus_with_subjects(**options):
    faces = ckplus.load(place_of("ckplus"), **options)
    if faces.notes["subjects"] is None:
        pytest.skip("the CSV of CK+ names no subjects; its loader has checked its counts")
    return faces


def test_ckplus_counts_are_the_official_ones():
    faces = ckplus_with_subjects(contempt=True)
    assert faces.notes["count_deviations"] == {}
    assert faces.notes["skipped"] == {}
    assert (faces.notes["subjects"], faces.notes["sequences"]) == (118, 327)
    peaks = {name: int(count) for name, count in faces.counts().loc["all"].items() if name not in ("neutral", "total")}
    assert peaks == {"angry": 135, "disgust": 177, "fear": 75, "happy": 207, "sad": 84, "surprise": 249, "contempt": 54}
    assert not faces.synthetic
    if isinstance(faces, PhotoSet):
        assert faces.counts().loc["all", "neutral"] == 327
    else:
        assert quality.headline(faces) == {
            "faces": 981,
            "distinct pictures": 981,
            "pictures with conflicting labels": 0,
            "blank faces": 0,
        }


def test_ckplus_without_contempt():
    faces = ckplus_with_subjects()
    assert "contempt" not in faces.class_names
    assert faces.notes["contempt_left_out"] == 54
    assert (faces.notes["subjects"], faces.notes["sequences"]) == (106, 309)


def test_genki4k_counts_and_labels_are_the_official_ones():
    photos = genki4k.load(place_of("genki4k"))
    assert photos.counts().loc["all"].tolist() == [1838, 2162, 4000]
    assert photos.notes["official_labels"]
    assert photos.notes["count_deviations"] == {}
    assert photos.labels.tolist() == [1] * 2162 + [0] * 1838  # the smiles come first
    assert photos.meta[["yaw", "pitch", "roll"]].abs().to_numpy().max() < 1
    assert photos.meta["yaw"][0] == pytest.approx(-0.021162)
    if photos.notes["sizes"]["largest"] == [64, 64]:  # the repacked copy of docs/data_cards.md
        found = genki4k.repeats(photos)
        assert len(found) == 129
        assert ((found["photo"] - found["former"] <= 2) & ~found["same_pose"]).sum() == 116


def test_tiny_imagenet_counts_are_the_official_ones():
    images = imagenet_folders.load(place_of("tiny-imagenet"))
    assert images.notes["count_deviations"] == {}
    assert images.notes["skipped"] == {}
    assert images.images.shape == (100_000, 64, 64, 3)
    assert set(np.bincount(images.val_labels).tolist()) == {50}


def test_olivetti_is_ten_consecutive_faces_of_forty_people():
    faces = olivetti.load(place_of("olivetti"))
    assert faces.notes["count_deviations"] == {}
    assert faces.labels.tolist() == np.repeat(np.arange(40), 10).tolist()
    train = (faces.meta["frame"] < 8).to_numpy()
    flat = faces.images.reshape(400, -1).astype(np.float32)
    squares = (flat**2).sum(axis=1)
    distances = squares[~train][:, None] + squares[train][None] - 2 * flat[~train] @ flat[train].T
    nearest = faces.labels[train][distances.argmin(axis=1)]
    assert (nearest == faces.labels[~train]).mean() > 0.9  # tiles or people out of place would score about 1 in 40
