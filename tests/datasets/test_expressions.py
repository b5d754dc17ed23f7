"""Test that every reader understands the same words for the expressions."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fer_lib.datasets import ckplus, fer2013
from fer_lib.datasets.expressions import EXPRESSION_OF, EXPRESSIONS
from fer_lib.predict import networks

PICTURE = cv2.imencode(".png", np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8))[1].tobytes()
PIXELS = " ".join(["7", *["9"] * 2303])


@pytest.mark.parametrize("word", EXPRESSION_OF)
def test_a_word_means_the_same_everywhere(tmp_path, word):
    name, other = EXPRESSION_OF[word], "sad" if EXPRESSION_OF[word] != "sad" else "happy"
    assert networks.class_names(f"{word.title()},{other}") == (name, other)
    face = tmp_path / "CK+48" / word.title() / "S010_004_00000017.png"
    face.parent.mkdir(parents=True)
    face.write_bytes(PICTURE)
    made = {"skip_bad": True, "contempt": True, "peak_frames": 1, "cache": False}
    assert ckplus.load(face.parent.parent, **made).class_names == (name,)
    table = tmp_path / "ckextended.csv"
    table.write_text(f"emotion,pixels,Usage\n{word},{PIXELS},Training\n")
    assert ckplus.load(table, **made).class_names == (name,)
    if name == "contempt":
        return
    table = tmp_path / "fer2013.csv"
    table.write_text(f"emotion,pixels,Usage\n{word},{PIXELS},Training\n")
    folder = tmp_path / "fer2013" / "train" / word.title()
    folder.mkdir(parents=True)
    (folder / "face.png").write_bytes(PICTURE)
    for path in (table, folder.parent.parent):
        faces = fer2013.load(path, skip_bad=True, cache=False)
        assert [fer2013.CLASS_NAMES[label] for label in faces.labels] == [name]


def test_fer2013s_classes_come_first():
    assert EXPRESSIONS[:-1] == fer2013.CLASS_NAMES
    assert EXPRESSIONS[-1] == "contempt"
