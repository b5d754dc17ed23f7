"""Test the generated patterns: the same bytes everywhere, classes that differ, arguments in range."""

import hashlib

import pytest

from fer_lib.datasets.synthetic.patterns import draw_pattern, write_image_folders
from fer_lib.errors import FerError


def test_bytes_are_the_same_on_every_machine():
    # A change here means another drawing: raise writers.DRAWING with it.
    digest = hashlib.sha256()
    for label in range(15):
        digest.update(draw_pattern(label, label, seed=7, size=(48, 40)).tobytes())
    assert digest.hexdigest() == "28e305898af59e4ea26ce790273bea0e72ddd76cabd6aa09243f41afa3d5ce03"


def test_images_of_a_class_differ_and_every_tenth_is_grey():
    assert draw_pattern(0, 0).shape == (64, 64, 3)
    assert draw_pattern(0, 9).shape == (64, 64)
    assert (draw_pattern(0, 0) != draw_pattern(0, 1)).mean() > 0.5
    assert (draw_pattern(0, 0) != draw_pattern(0, 0, seed=1)).mean() > 0.5


def test_stripes_of_the_first_two_classes_are_vertical_and_horizontal():
    for number in range(5):
        vertical, horizontal = (draw_pattern(label, number).mean(axis=2) for label in (0, 1))
        assert vertical.mean(axis=0).std() > 5 * vertical.mean(axis=1).std()
        assert horizontal.mean(axis=1).std() > 5 * horizontal.mean(axis=0).std()


def test_the_same_call_writes_the_same_files_and_another_is_refused(tmp_path):
    def bytes_below(folder):
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    write_image_folders(tmp_path / "a", train=2, validation=1, side=16)
    before = bytes_below(tmp_path / "a")
    write_image_folders(tmp_path / "a", train=2, validation=1, side=16)
    assert bytes_below(tmp_path / "a") == before
    assert len(before) == 2 * 3 + 4  # wnids, words, annotations, the marker
    with pytest.raises(FerError, match="did not write"):
        write_image_folders(tmp_path / "a", train=3, validation=1, side=16)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"classes": 1}, "classes=1; expected 2 to 15"),
        ({"classes": 16}, "classes=16"),
        ({"train": 0}, "train=0; expected 1 to 1,000,000"),
        ({"validation": 0}, "validation=0"),
        ({"side": 8}, "side=8; expected 16 to 1,024"),
        ({"layout": "csv"}, "the layout 'csv'; expected official or folders"),
        ({"seed": -1}, "the seed -1"),
    ],
)
def test_arguments_out_of_range(tmp_path, wrong, words):
    with pytest.raises(FerError, match=words):
        write_image_folders(tmp_path / "a", **wrong)
    assert not (tmp_path / "a").exists()
