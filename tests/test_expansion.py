"""Test the twelve-fold expansion: each operation does what its name says; no reading gives the printed counts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fer_lib import augmentation
from fer_lib.augmentation import CROPS, arithmetic, expand, parse, untouched_view, view_names
from fer_lib.errors import FerError
from fer_lib.settings import ExpansionSettings, change

DEFAULT = ExpansionSettings()


def only(*operations: str, **changes) -> ExpansionSettings:
    return change(DEFAULT, operations=operations, **{"cross_cut": "none", **changes})


def noise(*shape: int, low: int = 0, high: int = 256, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, shape, dtype=np.uint8)


def one(image: np.ndarray, operation: str) -> np.ndarray:
    """A single face under a single operation, through the public function."""
    return expand(image[np.newaxis], only(operation))[0, 0]


def dot(height: int, width: int, row: int, column: int) -> np.ndarray:
    image = np.zeros((height, width), np.uint8)
    image[row, column] = 240
    return image


# --- counts and order -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cross_cut", "views"), [("each_copy", 12 * 5), ("originals", 12 + 5), ("none", 12)])
def test_views_are_as_many_as_named(cross_cut, views):
    settings = change(DEFAULT, cross_cut=cross_cut)
    faces = noise(2, 48, 48)
    expanded = expand(faces, settings)
    assert expanded.shape == (2, views, 48, 48)
    assert expanded.dtype == np.uint8
    names = view_names(settings)
    assert len(names) == len(set(names)) == views


@pytest.mark.parametrize("cross_cut", ["originals", "none"])
def test_the_first_view_is_the_untouched_face(cross_cut):
    settings = change(DEFAULT, cross_cut=cross_cut)
    faces = noise(3, 40, 48)
    assert untouched_view(settings) == 0
    np.testing.assert_array_equal(expand(faces, settings)[:, 0], faces)


def test_where_the_crops_take_the_copies_place_no_view_is_the_face():
    faces = noise(2, 48, 48)
    assert untouched_view(DEFAULT) is None
    assert not (expand(faces, DEFAULT) == faces[:, np.newaxis]).all(axis=(2, 3)).any()


def test_the_names_belong_to_the_views():
    settings = change(DEFAULT, cross_cut="each_copy")
    faces = noise(1, 48, 48)
    whole = expand(faces, change(settings, cross_cut="none"))[0]
    views = dict(zip(view_names(settings), expand(faces, settings)[0], strict=True))
    for operation, copy in zip(settings.operations, whole, strict=True):
        own_crops = expand(copy[np.newaxis], only("original", cross_cut="each_copy"))[0]
        for crop, expected in zip(CROPS, own_crops, strict=True):
            np.testing.assert_array_equal(views[f"{operation}, crop {crop}"], expected)


def test_the_crops_of_the_originals_follow_the_copies():
    settings = change(DEFAULT, cross_cut="originals")
    faces = noise(2, 48, 48)
    views = expand(faces, settings)
    np.testing.assert_array_equal(views[:, 12:], expand(faces, only("original", cross_cut="each_copy")))
    assert view_names(settings)[12:] == tuple(f"original, crop {crop}" for crop in CROPS)


def test_a_face_has_the_same_views_wherever_it_stands_and_stays_as_it_is():
    faces = noise(4, 48, 48)
    before = faces.copy()
    views = expand(faces, DEFAULT)
    np.testing.assert_array_equal(expand(faces[::-1], DEFAULT), views[::-1])
    np.testing.assert_array_equal(expand(faces[2:3], DEFAULT)[0], views[2])
    np.testing.assert_array_equal(faces, before)


def test_twelve_copies_of_a_face_all_differ():
    views = expand(noise(1, 48, 48, low=40, high=200), change(DEFAULT, cross_cut="none"))[0]
    assert len({view.tobytes() for view in views}) == 12


# --- the operations ---------------------------------------------------------------------------------------------------


def test_flip_mirrors_left_and_right():
    image = noise(6, 8)
    np.testing.assert_array_equal(one(image, "flip"), image[:, ::-1])


def test_brightness_multiplies_and_saturates():
    image = np.array([[0, 100, 101, 240]], np.uint8)
    np.testing.assert_array_equal(one(image, "brightness:1.25"), [[0, 125, 126, 255]])
    np.testing.assert_array_equal(one(image, "brightness:0.75"), [[0, 75, 76, 180]])


def test_contrast_multiplies_the_distance_from_the_mean():
    image = np.array([[80, 120], [60, 140]], np.uint8)
    np.testing.assert_array_equal(one(image, "contrast:1.5"), [[70, 130], [40, 160]])


def test_a_quarter_turn_is_clockwise():
    image = noise(9, 9)
    np.testing.assert_array_equal(one(image, "rotate:90"), np.rot90(image, k=-1))
    np.testing.assert_array_equal(one(image, "rotate:-90"), np.rot90(image, k=1))


def test_eight_degrees_turn_a_distant_pixel_by_eight_degrees():
    turned = one(dot(97, 97, 48, 88), "rotate:8").astype(float)  # 40 pixels right of the centre
    rows, columns = np.indices(turned.shape)
    down = (rows * turned).sum() / turned.sum() - 48
    right = (columns * turned).sum() / turned.sum() - 48
    assert math.degrees(math.atan2(down, right)) == pytest.approx(8, abs=0.3)


def test_zoom_enlarges_about_the_centre():
    image = noise(9, 9)
    np.testing.assert_array_equal(one(image, "zoom:2")[::2, ::2], image[2:7, 2:7])
    small = one(np.full((9, 9), 77, np.uint8), "zoom:0.5")
    assert (small == 77).all()  # the border is repeated


def test_shift_moves_right_and_down_and_repeats_the_edge():
    image = noise(10, 20)
    moved = one(image, "shift:0.1:0.2")  # 2 columns, 2 rows
    np.testing.assert_array_equal(moved[2:, 2:], image[:-2, :-2])
    np.testing.assert_array_equal(moved[:2, 2:], np.repeat(image[:1, :-2], 2, axis=0))
    np.testing.assert_array_equal(one(image, "shift:-0.1:0")[:, :-2], image[:, 2:])


def test_steps_are_done_in_turn():
    image = noise(9, 12)
    flipped_first, flipped_last = one(image, "flip+shift:0.25:0"), one(image, "shift:0.25:0+flip")
    np.testing.assert_array_equal(flipped_first, one(image[:, ::-1], "shift:0.25:0"))
    np.testing.assert_array_equal(flipped_last, one(image, "shift:0.25:0")[:, ::-1])
    assert not np.array_equal(flipped_first, flipped_last)


def test_steps_are_rounded_once():
    image = np.array([[101]], np.uint8)
    assert one(image, "brightness:0.5+brightness:2") == 101


def test_crops_are_the_corners_and_the_centre_enlarged():
    image = np.zeros((16, 16), np.uint8)
    for row, column, grey in ((0, 0, 50), (0, 8, 100), (8, 0, 150), (8, 8, 200)):
        image[row : row + 8, column : column + 8] = grey
    views = expand(image[np.newaxis], only("original", cross_cut="each_copy", crop_fraction=0.5))[0]
    by_name = dict(zip(CROPS, views, strict=True))
    for crop, grey in {"top left": 50, "top right": 100, "bottom left": 150, "bottom right": 200}.items():
        assert (by_name[crop] == grey).all(), crop
    centre = by_name["centre"]
    assert [centre[0, 0], centre[0, -1], centre[-1, 0], centre[-1, -1]] == [50, 100, 150, 200]


def test_crops_of_the_whole_face_are_the_face():
    faces = noise(2, 48, 48)
    views = expand(faces, only("original", cross_cut="each_copy", crop_fraction=1.0))
    np.testing.assert_array_equal(views, np.repeat(faces[:, np.newaxis], 5, axis=1))


# --- the grammar ------------------------------------------------------------------------------------------------------


def test_an_operation_is_read_into_its_steps():
    assert parse("flip + rotate:-8+shift:0.1:-.05") == (("flip", ()), ("rotate", (-8.0,)), ("shift", (0.1, -0.05)))


@pytest.mark.parametrize(
    ("operation", "sentence"),
    [
        ("flp", "'flp' has the step 'flp' \\(did you mean 'flip'\\?\\)"),
        ("flip+rotat:8", "did you mean 'rotate'"),
        ("", "the steps are original, flip, brightness"),
        ("flip++flip", "has the step ''"),
        ("rotate", "should look like 'rotate:8'"),
        ("rotate:8:1", "should look like 'rotate:8'"),
        ("rotate:left", "should look like 'rotate:8'"),
        ("rotate:181", "degrees within ±180"),
        ("flip:1", "should look like 'flip'"),
        ("zoom:0", "factors above 0"),
        ("brightness:-1", "factors above 0"),
        ("contrast:nan", "should look like"),
        ("zoom:inf", "should look like"),
        ("shift:0.1", "should look like 'shift:0.05:-0.05'"),
        ("shift:3:0", "shifts within ±1"),
    ],
)
def test_a_bad_operation_is_one_sentence(operation, sentence):
    with pytest.raises(FerError, match=sentence) as raised:
        expand(noise(1, 8, 8), only("original", operation))
    assert "\n" not in str(raised.value)


def test_only_grey_uint8_faces_are_taken():
    with pytest.raises(ValueError, match="uint8 of shape"):
        expand(noise(2, 8, 8).astype(np.float32), DEFAULT)
    with pytest.raises(ValueError, match="uint8 of shape"):
        expand(noise(2, 8, 8, 3), DEFAULT)


# --- the printed counts -----------------------------------------------------------------------------------------------


def test_no_reading_of_the_papers_words_gives_the_printed_counts():
    table = arithmetic(DEFAULT)
    readings = table[table["printed"].notna()]
    assert set(readings[readings["part"] == "training"]["result"]) == {1960, 4704, 6664, 23520, 28224}
    assert set(readings[readings["part"] == "test"]["result"]) == {98, 490, 1176, 1666, 5880}
    assert (readings["verdict"] == "not equal").all()


def test_a_reading_that_fits_would_say_so():
    table = arithmetic(DEFAULT, train=1, test=189)
    assert (table["verdict"] == "equal").sum() == 1
    fits = table[table["verdict"] == "equal"].iloc[0]
    assert (fits["part"], fits["calculation"], fits["result"]) == ("test", "189 · 12", 2268)


def test_the_calculation_is_the_result():
    for _, row in arithmetic(DEFAULT).iterrows():
        value = eval(row["calculation"].replace(",", "").replace("·", "*"))  # of our own table
        assert row["result"] == pytest.approx(value, rel=1e-12)
        if "/" in row["calculation"]:
            assert row["verdict"] == ("whole" if row["result"] == int(row["result"]) else "not whole")


def test_the_printed_training_count_is_no_twelvefold_of_anything():
    table = arithmetic(DEFAULT).set_index("calculation")
    assert table.loc["25,600 / 12", "verdict"] == "not whole"
    assert table.loc["25,600 / 7", "verdict"] == "not whole"
    assert table.loc["2,268 / 12", "result"] == 189
    assert "25,600 = 2^10 · 5^2" in table.loc["25,600 / 392", "reading"]
    assert "2,268 = 2^2 · 3^4 · 7" in table.loc["2,268 / 98", "reading"]


@pytest.mark.parametrize("number", [2, 97, 98, 25_600, 2_268, 28_709])
def test_factorizations_multiply_to_the_number(number):
    factors = augmentation._factorization(number).split(" · ")
    assert math.prod(int(base) ** int(power or 1) for base, _, power in (f.partition("^") for f in factors)) == number


def test_the_last_training_row_is_the_settings_own():
    table = arithmetic(change(DEFAULT, cross_cut="originals", operations=("original", "flip")))
    own = table[table["reading"].str.startswith("these settings' 7 views")]
    assert own["result"].tolist() == [392 * 7]
