"""Test the divisions: 8:2 in four readings, 56 + 14 and folds in three separations; reproducible by seed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings, strategies as st

from fer_lib.augmentation import expand, view_names
from fer_lib.datasets import splits
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.settings import CkPlusSettings, DataSettings, ExpansionSettings

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
TRAINING_COUNTS = (3995, 436, 4097, 7215, 4830, 3171, 4965)  # of FER-2013


def numbered_faces(labels: np.ndarray, split: str = "Training") -> FaceDataset:
    """Faces of 1×4 pixels that encode their row's number, so that all differ."""
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
    ("method", "validating"),
    [("stratified", 5742), ("unstratified_ceil", 5742), ("unstratified_floor", 5741), ("per_class_floor", 5741)],
)
def test_sizes_of_the_readings(fer2013, method, validating):
    train, validation = splits.validation_split(fer2013, 0, method=method)
    assert (len(train), len(validation)) == (28709 - validating, validating)


def test_stratified_shares_are_the_classes_own_within_one_face(fer2013):
    _, validation = splits.validation_split(fer2013, 0)
    counts = np.bincount(validation.labels, minlength=7)
    assert np.abs(counts - 0.2 * np.array(TRAINING_COUNTS)).max() <= 1


def test_each_class_is_rounded_down_as_a_directory_iterator_does(fer2013):
    _, validation = splits.validation_split(fer2013, 0, method="per_class_floor")
    assert np.bincount(validation.labels).tolist() == [count // 5 for count in TRAINING_COUNTS]


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
    method=st.sampled_from(["unstratified_ceil", "unstratified_floor"]),
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
@example(counts=[6, 6, 24], seed=0)
@given(counts=st.lists(st.integers(5, 40), min_size=2, max_size=7), seed=st.integers(0, 1000))
def test_stratified_parts_share_out_every_class(counts, seed):
    faces = numbered_faces(np.repeat(np.arange(len(counts)), counts))
    train, validation = splits.validation_split(faces, seed)
    assert sorted([*numbers(train), *numbers(validation)]) == list(range(len(faces)))
    drawn, share = np.bincount(validation.labels, minlength=len(counts)), len(validation) / len(faces)
    assert np.abs(drawn - share * np.array(counts)).max() < 1  # the share is 0.2 of all faces, rounded up


@pytest.mark.parametrize(
    ("labels", "method"),
    [
        ([0] * 20 + [1], "stratified"),  # a class of one face cannot be in both parts
        ([0, 0, 1, 1, 2, 2, 3, 3], "stratified"),  # two validation faces cannot hold four classes
        ([0], "unstratified_ceil"),
        ([0, 1, 2], "unstratified_floor"),
        ([0] * 20 + [1] * 4, "per_class_floor"),  # a fifth of four faces is less than one
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
    assert list(table["validation"]) == [5742, 5742, 5741, 5741]
    assert (table["training"] + table["validation"] == 28709).all()
    assert (table[list(CLASSES)].sum(axis=1) == table["validation"]).all()


def test_a_reading_that_faces_are_too_few_for_is_left_out(fer2013):
    labels = fer2013.labels
    few = fer2013.take(np.sort(np.concatenate([np.flatnonzero(labels == label)[:4] for label in range(7)])))
    with pytest.raises(FerError, match="cannot be split 8:2"):
        splits.validation_split(few, 0, method="per_class_floor")
    assert list(splits.readings(few, seed=0)["reading"]) == ["unstratified_ceil", "unstratified_floor"]


@pytest.mark.parametrize("size", [5, 797])
def test_a_sample_that_cannot_have_every_class_is_one_sentence(size):
    labels = np.arange(800) % 7
    assert np.bincount(labels[splits.sample(labels, 70, seed=0)]).tolist() == [10] * 7
    with pytest.raises(
        FerError, match=rf"^{size} of 800 faces cannot be drawn with each class's share .* another number"
    ):
        splits.sample(labels, size, seed=0)


# --- liu2023: 56 + 14, folds, and what is kept apart ------------------------------------------------------------------


def sequence_faces(sequences_of: list[list[int]], frames: int = 3) -> FaceDataset:
    """CK+-like faces: ``sequences_of[subject]`` lists the class of each of that subject's sequences."""
    rows = [
        {"label": label, "split": "all", "subject": f"S{subject:03d}", "sequence": f"S{subject:03d}_{number:03d}"}
        for subject, labels in enumerate(sequences_of)
        for number, label in enumerate(labels)
        for _ in range(frames)
    ]
    meta = pd.DataFrame(rows)
    names = CLASSES[: meta["label"].max() + 1]
    images = np.arange(len(meta), dtype="<u4").view(np.uint8).reshape(len(meta), 1, 4)
    return FaceDataset(images, meta, names, "toy")


@pytest.fixture(scope="module")
def ckplus():
    """As many sequences of each class as CK+ has without contempt and neutral: 45, 59, 25, 69, 28, 83; 106 subjects."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(6), (45, 59, 25, 69, 28, 83)))
    return sequence_faces([labels[subject::106].tolist() for subject in range(106)])


@st.composite
def corpora(draw):
    subjects = draw(st.integers(12, 25))
    extra = draw(st.lists(st.integers(0, 2), min_size=subjects, max_size=subjects))
    return sequence_faces([[0, 1, 2, label] for label in extra], frames=draw(st.integers(1, 3)))


@pytest.mark.parametrize("separation", splits.SEPARATIONS)
def test_56_and_14_of_each_class_as_table_1_prints(ckplus, separation):
    fold = splits.per_class_split(ckplus, CkPlusSettings(), separation=separation, seed=0)
    assert np.bincount(ckplus.labels[fold.train]).tolist() == [56] * 6
    assert np.bincount(ckplus.labels[fold.test]).tolist() == [14] * 6


def test_frames_at_random_share_sequences_and_the_others_do_not(ckplus):
    shared = {}
    for separation in splits.SEPARATIONS:
        fold = splits.per_class_split(ckplus, CkPlusSettings(), separation=separation, seed=0)
        for column in ("sequence", "subject"):
            names = ckplus.meta[column].to_numpy()
            shared[separation, column] = len(set(names[fold.train]) & set(names[fold.test]))
    assert shared["frames", "sequence"] > 30
    assert shared["sequences", "sequence"] == 0
    assert shared["sequences", "subject"] > 10
    assert shared["subjects", "sequence"] == shared["subjects", "subject"] == 0


@given(faces=corpora(), separation=st.sampled_from(splits.SEPARATIONS), seed=st.integers(0, 2**20))
@settings(max_examples=30, deadline=None)
def test_no_group_ever_crosses_a_division(faces, separation, seed):
    groups = splits.groups_of(faces, separation)
    divisions = splits.cross_validation(faces, 3, separation=separation, seed=seed)
    assert sorted(np.concatenate([fold.test for fold in divisions])) == list(range(len(faces)))
    divisions += splits.equal_training_sizes({separation: divisions}, faces.labels, seed=seed)[separation]
    divisions.append(
        splits.per_class_split(
            faces, CkPlusSettings(train_per_class=3, test_per_class=2), separation=separation, seed=seed
        )
    )
    for fold in divisions:
        assert not set(groups[fold.train]) & set(groups[fold.test])
        assert not set(fold.train) & set(fold.test)
        assert len(set(fold.train)) == len(fold.train)


@given(faces=corpora(), seed=st.integers(0, 2**20))
@settings(max_examples=10, deadline=None)
def test_no_augmented_copy_of_a_test_subject_is_learnt_from(faces, seed):
    """Give each subject's faces one grey level, which flips, turns and crops do not change."""
    greys = splits.groups_of(faces, "subjects") * 10
    images = np.repeat(greys, 64).reshape(-1, 8, 8).astype(np.uint8)
    unlit = tuple(name for name in ExpansionSettings().operations if "brightness" not in name)
    expansion = ExpansionSettings(operations=unlit)
    for fold in splits.cross_validation(faces, 3, separation="subjects", seed=seed):
        learnt = expand(images[fold.train], expansion)
        assert learnt.shape[:2] == (len(fold.train), len(view_names(expansion)))
        assert not set(np.unique(learnt)) & set(greys[fold.test])


def test_equal_training_sizes_leave_as_many_faces_of_each_class_everywhere(ckplus):
    folds = {name: splits.cross_validation(ckplus, 5, separation=name, seed=1) for name in splits.SEPARATIONS}
    equal = splits.equal_training_sizes(folds, ckplus.labels, seed=1)
    counts = {tuple(np.bincount(ckplus.labels[fold.train])) for some in equal.values() for fold in some}
    smallest = np.min([np.bincount(ckplus.labels[f.train]) for some in folds.values() for f in some], axis=0)
    assert counts == {tuple(smallest)}
    for name in folds:
        for before, after in zip(folds[name], equal[name], strict=True):
            assert set(after.train) <= set(before.train)
            assert after.test.tolist() == before.test.tolist()


def test_three_parts_of_each_class_as_section_2_2_prints(ckplus):
    parts = splits.draw_parts(ckplus, (56, 7, 7), separation="subjects", seed=3)
    assert [np.bincount(ckplus.labels[rows]).tolist() for rows in parts] == [[56] * 6, [7] * 6, [7] * 6]
    subjects = [set(ckplus.meta["subject"].to_numpy()[rows]) for rows in parts]
    assert not subjects[0] & subjects[1]
    assert not subjects[0] & subjects[2]
    assert not subjects[1] & subjects[2]


@pytest.mark.parametrize("separation", splits.SEPARATIONS)
def test_a_seed_means_one_division_and_another_seed_another(ckplus, separation):
    first, again, other = (
        splits.per_class_split(ckplus, CkPlusSettings(), separation=separation, seed=seed) for seed in (5, 5, 6)
    )
    assert first.test.tolist() == again.test.tolist()
    assert first.test.tolist() != other.test.tolist()


def test_a_class_with_too_few_faces_is_named(ckplus):
    with pytest.raises(FerError, match=r"toy has 75 faces of fear, fewer than the 70 \+ 14 asked for"):
        splits.per_class_split(ckplus, CkPlusSettings(train_per_class=70), separation="frames", seed=0)


def test_groups_that_cannot_be_divided_are_said():
    faces = sequence_faces([[0, 1], [0, 1]], frames=4)
    with pytest.raises(FerError, match="keeps its subjects apart"):
        splits.per_class_split(
            faces, CkPlusSettings(train_per_class=5, test_per_class=2), separation="subjects", seed=0
        )


def test_too_few_subjects_for_the_folds_are_said():
    faces = sequence_faces([[0, 1], [0, 1]], frames=4)
    with pytest.raises(FerError, match="toy has 2 subjects with angry, too few for 5 folds"):
        splits.cross_validation(faces, 5, separation="subjects", seed=0)


def test_an_unknown_separation_is_an_error(ckplus):
    with pytest.raises(ValueError, match="separation is 'people'"):
        splits.groups_of(ckplus, "people")
