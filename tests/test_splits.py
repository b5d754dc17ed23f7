"""The 8:2 split: three readings, their sizes and proportions, and that a seed means one split."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_lib.datasets import FaceDataset, splits
from fer_lib.errors import FerError
from fer_lib.settings import DataSettings

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
TRAINING_COUNTS = (3995, 436, 4097, 7215, 4830, 3171, 4965)  # of FER-2013


def numbered_faces(labels: np.ndarray, split: str = "Training") -> FaceDataset:
    """Faces of 1×4 pixels that spell their row's number, so that each can be told from every other."""
    labels = np.asarray(labels, dtype=np.int64)
    images = np.arange(len(labels), dtype="<u4").view(np.uint8).reshape(len(labels), 1, 4)
    return FaceDataset(images, pd.DataFrame({"label": labels, "split": split}), CLASSES, "numbered")


def numbers(faces: FaceDataset) -> np.ndarray:
    return np.ascontiguousarray(faces.images).view("<u4").ravel()


@pytest.fixture(scope="module")
def fer2013():
    labels = np.repeat(np.arange(7), TRAINING_COUNTS)
    return numbered_faces(np.random.default_rng(0).permutation(labels))


@pytest.mark.parametrize(
    ("method", "validating"), [("stratified", 5742), ("unstratified_ceil", 5742), ("unstratified_floor", 5741)]
)
def test_sizes_of_the_three_readings(fer2013, method, validating):
    train, validation = splits.validation_split(fer2013, 0, method=method)
    assert (len(train), len(validation)) == (28709 - validating, validating)


def test_stratified_shares_are_the_classes_own_within_one_face(fer2013):
    _, validation = splits.validation_split(fer2013, 0)
    counts = np.bincount(validation.labels, minlength=7)
    assert np.abs(counts - 0.2 * np.array(TRAINING_COUNTS)).max() <= 1


def test_unstratified_shares_are_left_to_chance(fer2013):
    _, validation = splits.validation_split(fer2013, 0, method="unstratified_ceil")
    counts = np.bincount(validation.labels, minlength=7)
    assert np.abs(counts - 0.2 * np.array(TRAINING_COUNTS)).max() > 1


@pytest.mark.parametrize("method", splits.METHODS)
def test_a_seed_means_one_split_and_another_seed_another(fer2013, method):
    first, again, other = (splits.validation_split(fer2013, seed, method=method)[1] for seed in (3, 3, 4))
    assert first.fingerprint == again.fingerprint
    assert not np.array_equal(numbers(first), numbers(other))


@settings(max_examples=40, deadline=None)
@given(
    labels=st.lists(st.integers(0, 2), min_size=10, max_size=60),
    seed=st.integers(0, 2**32 - 1),
    fraction=st.floats(0.11, 0.6),
    method=st.sampled_from(splits.METHODS[1:]),
)
def test_parts_are_disjoint_exhaustive_and_keep_order_and_labels(labels, seed, fraction, method):
    faces = numbered_faces(np.array(labels))
    train, validation = splits.validation_split(faces, seed, fraction=fraction, method=method)
    np.testing.assert_array_equal(np.sort(np.concatenate([numbers(train), numbers(validation)])), np.arange(len(faces)))
    assert abs(len(validation) - fraction * len(faces)) < 1
    for part in (train, validation):
        assert (np.diff(numbers(part).astype(int)) > 0).all()
        np.testing.assert_array_equal(part.labels, np.array(labels)[numbers(part)])


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(5, 40), min_size=2, max_size=7), seed=st.integers(0, 1000))
def test_stratified_parts_share_out_every_class(counts, seed):
    faces = numbered_faces(np.repeat(np.arange(len(counts)), counts))
    train, validation = splits.validation_split(faces, seed)
    assert sorted([*numbers(train), *numbers(validation)]) == list(range(len(faces)))
    drawn = np.bincount(validation.labels, minlength=len(counts))
    assert np.abs(drawn - 0.2 * np.array(counts)).max() <= 1 + 1e-9


@pytest.mark.parametrize(
    ("labels", "method"),
    [
        ([0] * 20 + [1], "stratified"),  # a class of one cannot stand in both parts
        ([0, 0, 1, 1, 2, 2, 3, 3], "stratified"),  # two validation faces cannot hold four classes
        ([0], "unstratified_ceil"),
        ([0, 1, 2], "unstratified_floor"),
    ],
)
def test_too_few_faces_are_the_users_to_mend(labels, method):
    with pytest.raises(FerError, match=rf"The {len(labels)} training faces cannot be split.*give more faces") as error:
        splits.validation_split(numbered_faces(labels), 0, method=method)
    assert "\n" not in str(error.value)


def test_an_unknown_method_is_a_mistake_in_the_call():
    with pytest.raises(ValueError, match="method is 'random'"):
        splits.validation_split(numbered_faces([0] * 10), 0, method="random")


def test_three_parts_are_what_the_settings_ask_for():
    labels = np.tile(np.arange(7), 20)
    meta = pd.DataFrame({"label": labels, "split": ["Training"] * 70 + ["PublicTest"] * 35 + ["PrivateTest"] * 35})
    faces = FaceDataset(numbered_faces(labels).images, meta, CLASSES, "numbered")
    train, validation, test = splits.three_parts(faces, DataSettings(), seed=0)
    assert (len(train), len(validation), len(test)) == (56, 14, 35)
    np.testing.assert_array_equal(numbers(test), np.arange(105, 140))
    public = splits.three_parts(faces, DataSettings(test_split="PublicTest", validation_fraction=0.3), seed=0)
    assert [len(part) for part in public] == [49, 21, 35]
    np.testing.assert_array_equal(numbers(public[2]), np.arange(70, 105))
    np.testing.assert_array_equal(np.sort(np.concatenate([numbers(train), numbers(validation)])), np.arange(70))


def test_readings_stand_side_by_side(fer2013):
    table = splits.readings(fer2013, seed=0).set_index("reading")
    assert list(table.index) == list(splits.METHODS)
    assert list(table["validation"]) == [5742, 5742, 5741]
    assert (table["training"] + table["validation"] == 28709).all()
    assert (table[list(CLASSES)].sum(axis=1) == table["validation"]).all()
