"""Test that random shifts and rotations equal ImageDataGenerator's, and the scaling of pixels."""

from __future__ import annotations

import numpy as np
import pytest
from keras.src.legacy.preprocessing.image import apply_affine_transform
from scipy import ndimage, stats

from fer_lib import augmentation
from fer_lib.augmentation import random_affine
from fer_lib.backend import keras
from fer_lib.utils.pixels import network_input

POSES = [(15.0, 4.8, -4.8), (-15.0, -4.8, 4.8), (7.3, 1.25, 0.5), (0.0, 2.0, -3.0), (-11.0, 0.0, 0.0), (90.0, 1.0, 0.0)]


class Prescribed:
    """Stand-in for a generator: gives the prescribed values in the order in which random_affine draws them."""

    def __init__(self, *values: float) -> None:
        self.values = list(values)

    def uniform(self, low: float, high: float, count: int) -> np.ndarray:
        return np.full(count, self.values.pop(0))


def moved(image: np.ndarray, angle: float, row_shift: float, column_shift: float) -> np.ndarray:
    """One face rotated by ``angle`` degrees and shifted by pixels, through the public function."""
    height, width = image.shape[:2]
    return random_affine(image[np.newaxis], Prescribed(angle, row_shift / height, column_shift / width))[0]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def drawn_poses(monkeypatch, *, height=20, width=40, count=4000, **ranges: float) -> np.ndarray:
    """The angles, row shifts and column shifts that ``count`` faces get, shape (count, 3)."""
    poses = []

    def recorder(angle, row_shift, column_shift, **size):
        assert size == {"height": height, "width": width}
        poses.append((angle, row_shift, column_shift))
        return np.eye(2, 3)

    monkeypatch.setattr(augmentation, "affine_matrix", recorder)
    random_affine(np.zeros((count, height, width), np.uint8), np.random.default_rng(5), **ranges)
    return np.array(poses)


# --- the transformation -----------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Please import `affine_transform`:DeprecationWarning")  # Keras' own import
@pytest.mark.parametrize(("angle", "row_shift", "column_shift"), POSES)
def test_it_is_keras_own_transformation_but_for_the_swapped_axes(angle, row_shift, column_shift):
    image = noise(48, 48, 1)
    keras_own = apply_affine_transform(
        image.astype(np.float64), theta=-angle, tx=column_shift, ty=row_shift, row_axis=0, col_axis=1, channel_axis=2
    )
    np.testing.assert_allclose(moved(image[..., 0], angle, row_shift, column_shift), keras_own[..., 0], atol=1e-2)


@pytest.mark.parametrize("shape", [(48, 48), (31, 48)])
@pytest.mark.parametrize(("angle", "row_shift", "column_shift"), POSES)
def test_it_is_the_documented_matrix_in_rows_and_columns(shape, angle, row_shift, column_shift):
    image, turn = noise(*shape), np.radians(angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    centre = np.array(shape) / 2 - 0.5
    offset = rotation @ (np.array([row_shift, column_shift]) - centre) + centre
    expected = ndimage.affine_transform(image.astype(np.float64), rotation, offset, order=1, mode="nearest")
    np.testing.assert_allclose(moved(image, angle, row_shift, column_shift), expected, atol=1e-2)


def test_a_shift_takes_pixels_from_that_many_rows_and_columns_on_and_repeats_the_edge():
    image = noise(6, 8)
    down = moved(image, 0, 2, 0)
    np.testing.assert_array_equal(down[:4], image[2:])
    np.testing.assert_array_equal(down[4:], np.repeat(image[-1:], 2, axis=0))
    left = moved(image, 0, 0, -3)
    np.testing.assert_array_equal(left[:, 3:], image[:, :-3])
    np.testing.assert_array_equal(left[:, :3], np.repeat(image[:, :1], 3, axis=1))


def test_a_quarter_turn_turns_the_face():
    image = noise(9, 9)
    np.testing.assert_allclose(moved(image, 90, 0, 0), np.rot90(image, k=-1), atol=1e-3)


def test_the_fill_invents_no_grey_level():
    faces = np.full((50, 48, 48), 130, np.uint8)
    faces[:, ::2] = 170
    result = random_affine(faces, np.random.default_rng(0), rotation_range=90, width_shift_range=0.5)
    assert result.min() >= 130 - 1e-3
    assert result.max() <= 170 + 1e-3


def test_colour_channels_move_together():
    image = noise(20, 20, 3)
    whole = moved(image, 9, 1.5, -2)
    for channel in range(3):
        np.testing.assert_allclose(whole[..., channel], moved(image[..., channel], 9, 1.5, -2), atol=1e-4)


# --- ranges and randomness --------------------------------------------------------------------------------------------


def test_shifts_of_a_tenth_of_48_pixels_stay_within_4_8_pixels_and_reach_them(monkeypatch):
    poses = drawn_poses(monkeypatch, height=48, width=48, count=1000)  # the defaults are Table 1's
    largest = np.abs(poses).max(axis=0)
    assert (largest <= [15, 4.8, 4.8]).all()
    assert (largest > [14.8, 4.7, 4.7]).all()


def test_each_range_moves_its_own_axis(monkeypatch):
    largest = np.abs(drawn_poses(monkeypatch, width_shift_range=0.2, height_shift_range=0.1, rotation_range=30))
    np.testing.assert_allclose(largest.max(axis=0), [30, 0.1 * 20, 0.2 * 40], rtol=0.01)
    only_rows = drawn_poses(monkeypatch, width_shift_range=0, height_shift_range=0.1, rotation_range=0)
    np.testing.assert_array_equal(np.abs(only_rows).max(axis=0) > 0, [False, True, False])


def test_rotations_and_shifts_are_uniform_and_independent(monkeypatch):
    poses = drawn_poses(monkeypatch, width_shift_range=0.1, height_shift_range=0.1, rotation_range=15)
    for values, reach in zip(poses.T, (15, 2, 4), strict=True):
        assert stats.kstest(values, stats.uniform(-reach, 2 * reach).cdf).pvalue > 0.001
    correlations = np.corrcoef(poses.T)[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 0.06


def test_zero_ranges_change_no_pixel():
    faces = noise(5, 48, 48)
    still = random_affine(faces, np.random.default_rng(0), width_shift_range=0, height_shift_range=0, rotation_range=0)
    assert still.dtype == np.float32
    np.testing.assert_array_equal(still, faces)


def test_the_generator_decides_and_the_faces_given_stay_as_they_are():
    faces = noise(6, 24, 24)
    before = faces.copy()
    first, again, other = (random_affine(faces, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(faces, before)


def test_each_face_moves_on_its_own():
    twins = np.repeat(noise(1, 24, 24), 8, axis=0)
    results = random_affine(twins, np.random.default_rng(0))
    assert len({result.tobytes() for result in results}) == 8


def test_the_pixel_scale_is_kept():
    faces = noise(4, 24, 24)
    whole = random_affine(faces, np.random.default_rng(3))
    unit = random_affine(faces.astype(np.float32) / 255, np.random.default_rng(3))
    np.testing.assert_allclose(unit * 255, whole, atol=1e-2)


# --- scaling ----------------------------------------------------------------------------------------------------------


def test_unit_scaling_divides_by_255_and_repeats_grey_into_three_channels():
    faces = np.array([[[0, 255], [51, 102]]], np.uint8)
    result = network_input(faces)
    assert result.shape == (1, 2, 2, 3)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[0, ..., 0], [[0, 1], [0.2, 0.4]], atol=1e-7)
    np.testing.assert_array_equal(result, np.repeat(result[..., :1], 3, axis=-1))
    np.testing.assert_array_equal(result, network_input(faces, "unit"))


def test_raw_scaling_leaves_0_to_255():
    faces = noise(3, 5, 5)
    result = network_input(faces, "raw")
    assert result.dtype == np.float32
    for channel in range(3):
        np.testing.assert_array_equal(result[..., channel], faces)


def test_trunk_scaling_is_resnet50s_own():
    colour = noise(4, 6, 6, 3)
    own = keras.applications.resnet50.preprocess_input(colour.astype(np.float32))
    np.testing.assert_allclose(network_input(colour, "trunk"), own, atol=1e-4)
    grey = colour[..., 0]
    own_grey = keras.applications.resnet50.preprocess_input(np.repeat(grey[..., None], 3, axis=-1).astype(np.float32))
    np.testing.assert_allclose(network_input(grey, "trunk"), own_grey, atol=1e-4)


@pytest.mark.parametrize("scaling", ["unit", "trunk", "raw"])
def test_scaling_does_not_touch_the_faces_given(scaling):
    faces = noise(2, 4, 4, 3).astype(np.float32)
    before = faces.copy()
    result = network_input(faces, scaling)
    result += 1
    np.testing.assert_array_equal(faces, before)


def test_an_unknown_scaling_is_named():
    with pytest.raises(ValueError, match="scaling is 'half'; it should be 'unit', 'trunk' or 'raw'"):
        network_input(noise(1, 4, 4), "half")
