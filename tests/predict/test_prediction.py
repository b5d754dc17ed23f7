"""Test predictions for photos: reading, choice of faces, messages about the other photos, output."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_lib import cli
from fer_lib.backend import keras
from fer_lib.cli import main
from fer_lib.datasets import fer2013
from fer_lib.datasets.synthetic import writers
from fer_lib.datasets.synthetic.people import activations, sample_identities, studio_conditions
from fer_lib.datasets.synthetic.render import render_faces
from fer_lib.errors import FerError
from fer_lib.faces import crops, geometry
from fer_lib.faces.geometry import Detection, crop
from fer_lib.models import resnet50_svm
from fer_lib.predict import answers, models as saved_models, photo_files, photos as prediction
from fer_lib.predict.models import SavedModel
from fer_lib.predict.networks import Reading
from fer_lib.predict.photo_files import find_photos
from fer_lib.predict.photos import Prediction, drawing_files, predict_photos
from fer_lib.settings import FaceSettings, ResNet50SvmSettings, settings_dict
from fer_lib.svm import classifiers

CLASSES = ("dark", "bright", "never seen")


@pytest.fixture(autouse=True)
def _no_cache_from_outside(monkeypatch):
    monkeypatch.delenv("FER_CACHE", raising=False)


class StubModel:
    """Stub of a SavedModel that tells dark faces from bright ones by their median and keeps the faces it was given."""

    score_kind = "decision value"
    class_names = CLASSES
    reading = Reading("unit")

    def __init__(self, size=8, synthetic=None, **face_settings):
        self.image_size = (size, size) if isinstance(size, int) else size
        self.face_settings = face_settings
        self.provenance = {} if synthetic is None else {"data": {"ckplus": {"synthetic": synthetic}}}
        self.seen = []

    def predict(self, images):
        assert images.dtype == np.uint8
        assert images.shape[1:] == self.image_size
        self.seen.append(images)
        level = np.median(images, axis=(1, 2)).astype(np.float32)
        scores = np.column_stack([128 - level, level - 128, np.full(len(level), -np.inf, np.float32)])
        frame = pd.DataFrame(scores, columns=list(CLASSES))
        frame.insert(0, "label", [CLASSES[place] for place in scores.argmax(axis=1)])
        return frame


def face(left, top, side, confidence):
    def point(x, y):
        return left + x * side, top + y * side

    return Detection(
        box=(left, top, side, side),
        confidence=confidence,
        left_eye=point(0.3, 0.4),
        right_eye=point(0.7, 0.4),
        nose=point(0.5, 0.6),
        mouth_left=point(0.35, 0.8),
        mouth_right=point(0.65, 0.8),
    )


def squares(picture):
    """A detector for pictures of black and white squares on grey: the surer, the farther right its square starts."""
    grey = picture if picture.ndim == 2 else picture[..., 0]
    found = []
    for level, confidence in ((0, 0.95), (255, 0.99), (200, 0.85)):
        rows, columns = np.nonzero(np.abs(grey.astype(int) - level) < 3)
        if len(rows):
            found.append(face(int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, confidence))
    return sorted(found, key=lambda one: -one.confidence)


@pytest.fixture
def detector(monkeypatch):
    """Replace MTCNN by a stub, and list the number of images and the settings of each call."""
    calls = []

    def detect(images, settings):
        calls.append((len(images), settings))
        return [squares(image) for image in images]

    monkeypatch.setattr(prediction, "detect", detect)
    return calls


def picture(*levels, height=100, width=200):
    """Grey, with a square of 60, 30, ... pixels of each level."""
    image = np.full((height, width), 128, np.uint8)
    for number, level in enumerate(levels):
        side = 60 // (number + 1)
        image[10 : 10 + side, 10 + 90 * number : 10 + 90 * number + side] = level
    return image


def write(name, image, **options):
    Image.fromarray(image).save(name, **options)
    return name


def only(predictions):
    (one,) = predictions
    return one


# --- which files ------------------------------------------------------------------------------------------------------


def test_folders_give_their_pictures_by_name_and_each_once(tmp_path):
    folder = tmp_path / "album"
    (folder / "sub").mkdir(parents=True)
    for name in ("b.PNG", "a.jpg", "notes.txt", ".hidden.jpg", "Thumbs.db", "sub/c.jpg"):
        (folder / name).touch()
    (folder / "folder.jpg").mkdir()
    (tmp_path / "z.dat").touch()
    photos = find_photos([tmp_path / "z.dat", folder, folder / "a.jpg", "none.jpg"])
    assert photos[:3] == [tmp_path / "z.dat", folder / "a.jpg", folder / "b.PNG"]
    assert [str(path) for path in photos[3:]] == ["none.jpg"]


def test_nothing_at_any_path_is_told_at_once(tmp_path):
    with pytest.raises(FerError, match=r"No such file or folder: a\.jpg \(nor any of the 1 other paths\)"):
        find_photos(["a.jpg", "b.jpg"])


# --- faces and answers ------------------------------------------------------------------------------------------------


def test_the_largest_sure_face_is_classified(detector):
    model = StubModel(size=16, margin=0.0)
    write("two.png", picture(0, 255))
    one = only(predict_photos(model, ["two.png"]))
    assert (one.file, one.outcome, one.face, one.label, one.problem) == ("two.png", "found", 1, "dark", None)
    assert one.scores == {"dark": 128.0, "bright": -128.0, "never seen": None}
    assert one.confidence == 0.95
    assert one.box == (10, 10, 60, 60)
    assert one.landmarks["left_eye"] == (28, 34)
    assert not one.missed
    assert not one.failed
    expected = crop(picture(0, 255), face(10, 10, 60, 0.95), FaceSettings(size=16, margin=0.0))
    np.testing.assert_array_equal(model.seen[0], expected[np.newaxis])


def test_arrays_are_predicted_as_files_are(detector):
    grey, colour = picture(0, 255), np.dstack([picture(255)] * 3)
    write("a.png", grey)
    write("b.png", colour)
    from_files = list(predict_photos(StubModel(margin=0.0), ["a.png", "b.png"], all_faces=True))
    for pictures in ([grey, colour], iter([grey, colour])):
        found = list(
            prediction.predict_arrays(StubModel(margin=0.0), pictures, names=["a.png", "b.png"], all_faces=True)
        )
        assert found == from_files
    one = only(prediction.predict_arrays(StubModel(), np.zeros((1, 20, 30), np.uint8), already_cropped=True))
    assert (one.file, one.outcome, one.label) == ("picture 1", "given as a crop", "dark")
    large = np.repeat(np.repeat(picture(0), 20, axis=0), 20, axis=1)
    one = only(prediction.predict_arrays(StubModel(), [large]))
    assert one.box == pytest.approx((200, 200, 1200, 1200), abs=40)


@pytest.mark.parametrize(
    "bad", [np.zeros((20, 20)), np.zeros((20, 20, 4), np.uint8), np.zeros((4, 20), np.uint8), [[1, 2]], np.uint8(1)]
)
def test_arrays_of_another_kind_are_refused(bad):
    with pytest.raises(FerError, match=r"picture 1 is \w+ of shape .* expected uint8"):
        list(prediction.predict_arrays(StubModel(), [bad]))
    with pytest.raises(FerError, match="more pictures than the 1 names"):
        list(prediction.predict_arrays(StubModel(), [picture(), picture()], names=["a"], already_cropped=True))


def test_all_faces_are_numbered_by_size_and_unsure_ones_left_out(detector):
    write("three.png", picture(0, 255, 200, width=300))
    found = list(predict_photos(StubModel(margin=0.0), ["three.png"], all_faces=True))
    assert [(one.face, one.label, one.confidence) for one in found] == [(1, "dark", 0.95), (2, "bright", 0.99)]
    unsure = StubModel(margin=0.0, min_confidence=0.5)
    assert len(list(predict_photos(unsure, ["three.png"], all_faces=True))) == 3


def test_the_models_face_settings_are_used(detector):
    model = StubModel(size=24, margin=0.3, align=False, choice="most_central", size_of="x")
    with pytest.raises(FerError, match="unknown key 'size_of'"):
        list(predict_photos(model, ["x.png"]))
    del model.face_settings["size_of"]
    write("a.png", picture(0))
    list(predict_photos(model, ["a.png"]))
    assert detector[-1][1] == FaceSettings(size=24, margin=0.3, align=False, choice="most_central")
    list(predict_photos(StubModel(size=48), ["a.png"]))
    assert detector[-1][1] == FaceSettings()


def test_a_model_of_no_fixed_size_is_refused(detector):
    with pytest.raises(FerError, match="expected faces of a fixed size"):
        list(predict_photos(StubModel(size=(None, None)), ["a.png"]))


def test_a_model_of_faces_that_are_not_square_gets_squeezed_ones(detector):
    model = StubModel(size=(16, 12), margin=0.0)
    write("two.png", picture(0, 255))
    assert only(predict_photos(model, ["two.png"])).label == "dark"
    assert model.seen[0].shape == (1, 16, 12)


def test_no_face_and_an_unsure_one_are_told_apart(detector):
    model = StubModel()
    write("blank.png", picture())
    write("unsure.png", picture(200))
    blank, unsure = predict_photos(model, ["blank.png", "unsure.png"])
    assert (blank.outcome, blank.label, blank.confidence, blank.missed) == ("no face", None, None, True)
    assert (unsure.outcome, unsure.label, unsure.confidence, unsure.missed) == ("low confidence", None, 0.85, True)
    assert blank.problem.startswith("blank.png: no face was found")
    assert "0.850, below 0.9" in unsure.problem
    assert not blank.failed
    assert model.seen == []


def test_crops_are_never_searched_and_taken_whole(detector):
    model = StubModel(size=16)
    write("unsure.png", picture(200)[:60, :60])
    write("sure.png", picture(0))
    found = list(predict_photos(model, ["unsure.png", "sure.png", "gone.png"], already_cropped=True))
    assert detector == []
    for one in found[:2]:
        assert (one.outcome, one.searched, one.face, one.box) == ("given as a crop", False, 1, None)
        assert (one.confidence, one.problem, one.missed, one.failed) == (None, None, False, False)
    assert [one.label for one in found] == ["bright", "dark", None]
    assert found[2].outcome == "unreadable"
    for seen, given in zip(model.seen[0], (picture(200)[:60, :60], picture(0)), strict=True):
        np.testing.assert_array_equal(seen, crop(given, None, FaceSettings(size=16)))


@pytest.mark.parametrize(("left", "top"), [(-10, -5), (170, 60), (150.4, 55.6)])
def test_boxes_are_clipped_to_the_picture_and_crops_are_not(monkeypatch, left, top):
    beyond, drawn = face(left, top, 50, 0.97), []

    def draw(image, one, text=""):
        drawn.append((one, image.shape))
        return geometry.annotate(image, one, text)

    monkeypatch.setattr(prediction, "detect", lambda images, settings: [[beyond]])
    monkeypatch.setattr(prediction, "annotate", draw)
    photos = find_photos([write("edge.png", picture())])
    model = StubModel(size=16)
    one = only(predict_photos(model, photos, drawings=drawing_files(photos, "drawn")))
    x, y, width, height = one.box
    assert x == max(left, 0)
    assert y == max(top, 0)
    np.testing.assert_allclose((x + width, y + height), (min(left + 50, 200), min(top + 50, 100)), atol=0.011)
    row = [float(value) for value in answers.table([one], model, "m")[2].split("  ")[-1].split(",")]
    assert row[0] + row[2] <= 200
    assert row[1] + row[3] <= 100
    shown, shape = drawn[1]
    np.testing.assert_allclose(np.array(shown.box) * 200 / shape[1], one.box, atol=0.02)
    np.testing.assert_array_equal(model.seen[0][0], crop(picture(), beyond, FaceSettings(size=16)))


def test_boxes_are_in_pixels_of_the_upright_photo(detector):
    small = picture(0, height=100, width=400)
    large = np.asarray(Image.fromarray(small).resize((4000, 1000), Image.Resampling.NEAREST))
    turned = Image.fromarray(np.rot90(large))  # 1000 x 4000 in the file
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise on reading
    turned.save("turned.png", exif=exif)
    one = only(predict_photos(StubModel(), ["turned.png"]))
    np.testing.assert_allclose(one.box, (100, 100, 600, 600), atol=6)


def test_many_photos_are_done_in_batches_and_in_order(detector, monkeypatch):
    monkeypatch.setattr(prediction, "TOGETHER", 4)
    monkeypatch.setattr(prediction, "HELD_PIXELS", 3 * 200 * 100)
    names = [write(f"{k}.png", picture(255 * (k % 2))) for k in range(7)]
    found = list(predict_photos(StubModel(), [*names[:2], "gone.png", *names[2:]]))
    assert [one.file for one in found] == [*names[:2], "gone.png", *names[2:]]
    assert [one.label for one in found if one.label] == ["dark", "bright"] * 3 + ["dark"]
    assert [count for count, _ in detector] == [3, 3, 1]


# --- bad pictures -----------------------------------------------------------------------------------------------------


def test_every_bad_picture_has_its_own_sentence_and_the_others_are_done(detector, tmp_path):
    (tmp_path / "text.jpg").write_text("I am no picture.\n")
    (tmp_path / "empty.jpg").touch()
    write("dot.png", np.zeros((1, 1), np.uint8))
    write("good.png", picture(0))
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:90])
    (tmp_path / "nothing").mkdir()
    Image.new("L", (9000, 6000)).save("huge.png")
    os.mkfifo("pipe.png")
    words = {
        "gone.jpg": "no such file",
        "text.jpg": "cannot be decoded as a picture",
        "empty.jpg": "the file is empty",
        "dot.png": "1 x 1 pixels",
        "cut.png": "truncated or damaged",
        "nothing": "the folder contains no photo",
        "huge.png": "more than the 50 megapixels",
        "pipe.png": "not a regular file",
    }
    found = list(predict_photos(StubModel(), find_photos([*words, "good.png"])))
    for one, (name, said) in zip(found, words.items(), strict=False):
        assert (one.file, one.outcome, one.label, one.failed) == (name, "unreadable", None, True)
        assert one.problem.startswith(f"{name}: ")
        assert said in one.problem
        assert one.problem.count("\n") == 0
    assert found[-1].label == "dark"
    assert len(found) == len(words) + 1


def test_40_megapixels_are_read(detector):
    Image.new("L", (8000, 5000), 0).save("large.png")
    one = only(predict_photos(StubModel(), ["large.png"]))
    assert one.label == "dark"
    np.testing.assert_allclose(one.box[2], 8000, atol=5)


def test_a_file_that_may_not_be_read_or_is_too_long(detector, tmp_path, monkeypatch):
    write("good.png", picture(0))
    monkeypatch.setattr(photo_files, "MEMBER_LIMIT", 2**20)
    (tmp_path / "film.jpg").write_bytes(bytes(2**20 + 1))
    film, good = predict_photos(StubModel(), ["film.jpg", "good.png"])
    assert "larger than the limit of 1 MiB" in film.problem
    assert good.label == "dark"

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(photo_files, "open", refuse, raising=False)
    assert "cannot be read (Permission denied)" in only(predict_photos(StubModel(), ["good.png"])).problem


# --- drawings ---------------------------------------------------------------------------------------------------------


def test_drawings_show_every_face_and_leave_the_photos_alone(detector, tmp_path):
    write("two.png", picture(0, 255))
    write("blank.png", picture())
    before = (tmp_path / "two.png").read_bytes()
    photos = find_photos(["two.png", "blank.png", "gone.png"])
    files = drawing_files(photos, "drawn")
    found = list(predict_photos(StubModel(synthetic=True), photos, all_faces=True, drawings=files))
    assert [one.drawing for one in found] == ["drawn/two.png", "drawn/two.png", "drawn/blank.png", None]
    assert sorted(os.listdir("drawn")) == ["blank.png", "two.png"]
    assert (tmp_path / "two.png").read_bytes() == before
    drawn = np.asarray(Image.open("drawn/two.png"))
    assert drawn.shape == (160, 320, 3)
    for x, y, side in ((10, 10, 60), (100, 10, 30)):  # both boxes' lower edges, at 1.6 times the size
        edge = drawn[round((y + side) * 1.6) - 1 : round((y + side) * 1.6) + 2, round((x + side / 2) * 1.6)]
        assert (np.abs(edge.astype(int) - (80, 250, 120)).max(axis=1) < 40).any()
    assert (drawn[140:] == 255).any()  # the SYNTHETIC banner below


def test_the_text_on_drawings(detector, monkeypatch):
    texts = []
    monkeypatch.setattr(
        prediction, "annotate", lambda image, one, text="": texts.append(text) or geometry.annotate(image, one, text)
    )
    for name, image in (("face", picture(0)), ("blank", picture()), ("unsure", picture(200))):
        write(f"{name}.png", image)
    photos = find_photos(["face.png", "blank.png", "unsure.png"])
    list(predict_photos(StubModel(synthetic=True), photos, drawings=drawing_files(photos, "drawn")))
    mark = "Model: SYNTHETIC: generated faces (ckplus)"
    assert texts == [mark, "dark 128.000", f"(no face). {mark}", f"(low confidence). {mark}", ""]
    texts.clear()
    list(predict_photos(StubModel(), photos[1:2], already_cropped=True, drawings=drawing_files(photos, "drawn")))
    assert texts == ["(given as a crop) dark 0.000"]


def test_numbers_on_drawings_are_those_of_the_table(detector, monkeypatch):
    texts = []
    monkeypatch.setattr(
        prediction, "annotate", lambda image, one, text="": texts.append(text) or geometry.annotate(image, one, text)
    )
    photos = find_photos([write("two.png", picture(0, 255))])
    model = StubModel()
    found = list(predict_photos(model, photos, all_faces=True, drawings=drawing_files(photos, "drawn")))
    rows = [line.split() for line in answers.table(found, model, "m")[2:4]]
    assert sorted(filter(None, texts)) == [f"{row[1]}: {row[3]} {row[4]}" for row in rows]


def test_drawings_never_replace_what_others_wrote(detector, tmp_path):
    for folder in ("a", "b", "drawn"):
        (tmp_path / folder).mkdir()
    for name in ("a/x.png", "b/x.jpg", "b/x.png", "drawn/y.png"):
        write(name, picture(0))
    (tmp_path / "drawn" / "x_2.png").write_text("notes")
    (tmp_path / "y.png").symlink_to("a/x.png")
    photos = find_photos(["a", "b", "y.png"])
    for _ in range(2):  # the second run replaces the first one's, and nothing else
        files = drawing_files(photos, "drawn")
        assert [path.name for path in files.values()] == ["x.png", "x_3.png", "x_4.png", "y_2.png"]
        assert all(one.drawing for one in predict_photos(StubModel(), photos, drawings=files))
    assert (tmp_path / "drawn" / "x_2.png").read_text() == "notes"
    assert Image.open("drawn/y.png").mode == "L"
    alike = drawing_files([tmp_path / "a" / "x.png", tmp_path / "b" / "X.png"], "new")
    assert [path.name for path in alike.values()] == ["x.png", "X_2.png"]  # where a disk takes x for X
    with pytest.raises(FerError, match="a contains the photos themselves"):
        drawing_files(find_photos(["y.png"]), "a")
    with pytest.raises(FerError, match="is a file; name a folder"):
        drawing_files(photos, "a/x.png")


def test_a_drawing_that_cannot_be_written_keeps_the_answer(detector, monkeypatch):
    photos = find_photos([write("a.png", picture(0))])
    files = drawing_files(photos, "drawn")
    monkeypatch.setattr(Image.Image, "save", lambda *a, **k: (_ for _ in ()).throw(OSError(28, "No space left")))
    one = only(predict_photos(StubModel(), photos, drawings=files))
    assert (one.label, one.drawing, one.failed) == ("dark", None, True)
    assert one.problem.startswith("a.png: the drawing drawn/a.png cannot be written (No space left)")
    assert os.listdir("drawn") == []


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_the_table_says_what_its_numbers_are(detector):
    photos = [write("two.png", picture(0, 255)), write("blank.png", picture()), "odd\nname.png"]
    model = StubModel(margin=0.0)
    lines = answers.table(list(predict_photos(model, photos)), model, "m")
    rows = [" ".join(line.split()) for line in lines]
    assert rows[0].startswith("file face outcome label score second best score MTCNN box")
    assert rows[2] == "two.png 1 found dark 128.000 bright -128.000 0.950 10, 10, 60, 60"
    assert rows[3] == "blank.png no face"
    assert rows[4] == "'odd\\nname.png' unreadable"
    assert "Class order: dark, bright, never seen (card): as its model.json says." in rows
    assert "Pixels: grey, 8 x 8, 3 equal channels, divided by 255, from 0 to 1 (card): as its model.json says." in rows
    assert "Model: m; trained on: unknown." in rows
    assert "not probabilities" in rows[-1]
    model.score_kind = "probability"
    whole = answers.table(list(predict_photos(model, ["blank.png"], already_cropped=True)), model, "m")
    assert whole[2].split()[:6] == ["blank.png", "1", "given", "as", "a", "crop"]
    assert whole[-2].startswith("Scores are the network's class probabilities")
    assert "were not searched" in whole[-1]


def test_the_second_best_class_follows_the_label():
    one = Prediction("x", "found", label="b", scores={"a": -3.0, "b": 2.0, "c": 2.0, "d": 1.0, "e": None})
    assert one.ranked() == [("b", 2.0), ("c", 2.0), ("d", 1.0), ("a", -3.0)]


@pytest.mark.parametrize(
    ("provenance", "said"),
    [
        ({}, "unknown"),
        ({"data": None}, "unknown"),
        ({"data": {"ckplus": {}, "x": 3}}, "unknown"),
        ({"data": {"ckplus": {"synthetic": False}}}, "ckplus"),
        ({"data": {"olivetti": {"synthetic": False}, "ckplus": {"synthetic": True}}}, None),
    ],
)
def test_where_a_model_comes_from(provenance, said):
    model = StubModel()
    model.provenance = provenance
    assert prediction.trained_on(model) == (said or "SYNTHETIC: generated faces (ckplus, olivetti)")
    lines = answers.table([Prediction("x", "no face")], model, "m")
    assert lines[0].startswith("SYNTHETIC") == (said is None)


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def stub(monkeypatch, detector):
    model = StubModel(margin=0.0, synthetic=True)
    monkeypatch.setattr(saved_models, "load", lambda path, **given: model)
    return model


def test_the_command_prints_all_and_tells_the_rest(stub, capsys, tmp_path):
    write("a.png", picture(0))
    assert main(["predict", "a.png", "--model", "m"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("SYNTHETIC: generated faces (ckplus): the model was trained on drawings")
    assert "Model: m; trained on: SYNTHETIC" in out

    write("blank.png", picture())
    assert main(["predict", "blank.png", "a.png", "--model", "m"]) == 1
    out, err = capsys.readouterr()
    assert "dark" in out
    assert err.startswith("fer-lib: blank.png: no face was found")
    assert main(["predict", "blank.png", "--model", "m", "--already-cropped"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["predict", "blank.png", "--model", "m", "--whole-image"]) == 0
    out, err = capsys.readouterr()
    assert "given as a crop" in out
    assert err == "fer-lib: --whole-image is now --already-cropped: no photo is searched for faces.\n"
    assert main(["predict", "blank.png", "--model", "m", "--already-cropped", "--all-faces"]) == 2
    assert "leave one of them out" in capsys.readouterr().err

    (tmp_path / "text.jpg").write_text("no picture")
    assert main(["predict", "text.jpg", "blank.png", "gone.png", "a.png", "--model", "m"]) == 2
    out, err = capsys.readouterr()
    assert "dark" in out
    assert [line.split(": ")[:3][1:] for line in err.splitlines()] == [
        ["error", "text.jpg"],
        ["blank.png", "no face was found, so it was not classified"],
        ["error", "gone.png"],
    ]


def test_every_picture_of_a_folder_is_answered_or_named(stub, capsys, tmp_path):
    album = tmp_path / "album"
    (album / "deep").mkdir(parents=True)
    for name in ("a.jpg", "b.gif", "c.jp2", "d.webp", "e.tiff", "f.bmp", "deep/g.png"):
        write(album / name, picture(0))
    Image.fromarray(picture(0)).save(album / "h.jfif", "JPEG")
    (album / "notes.txt").write_text("no picture")
    assert main(["predict", "album", "--model", "m", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    names = ["a.jpg", "b.gif", "c.jp2", "d.webp", "e.tiff", "f.bmp", "h.jfif"]
    assert [(one["file"], one["label"]) for one in found] == [(f"album/{name}", "dark") for name in names]
    (album / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(50))
    assert main(["predict", "album", "--model", "m", "--json", "--recursive"]) == 2
    out, err = capsys.readouterr()
    assert [one["file"] for one in json.loads(out) if one["label"]] == [
        *(f"album/{name}" for name in names),
        "album/deep/g.png",
    ]
    assert err.startswith("fer-lib: error: album/IMG_1.HEIC: HEIC pictures cannot be read here; convert it to JPEG")
    assert err.count("\n") == 1
    assert main(["predict", "album", "--model", "m", "--recursive", "--annotate", "album/drawn"]) == 2
    assert "searched with its subfolders" in capsys.readouterr().err


def test_the_command_prints_json(stub, capsys):
    write("two.png", picture(0, 255))
    assert main(["predict", "two.png", "gone.png", "--model", "m", "--json", "--all-faces"]) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    first, second, gone = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert first == {
        "file": "two.png",
        "seconds": None,
        "outcome": "found",
        "searched": True,
        "face": 1,
        "label": "dark",
        "score": 128.0,
        "scores": {"dark": 128.0, "bright": -128.0, "never seen": None},
        "confidence": 0.95,
        "box": [10, 10, 60, 60],
        "landmarks": first["landmarks"],
        "drawing": None,
        "problem": None,
        "model": "m",
        "trained_on": "SYNTHETIC: generated faces (ckplus)",
        "score_kind": "decision value",
        "class_order": list(CLASSES),
        "class_order_from": "card",
        "class_order_why": "as its model.json says",
        "scaling": "unit",
        "scaling_from": "card",
        "scaling_why": "as its model.json says",
        "channels": 3,
        "outputs": "probabilities",
    }
    assert second["label"] == "bright"
    assert gone["outcome"] == "unreadable"
    assert gone["problem"] in err


def test_an_interrupted_run_shows_what_it_has(stub, capsys, monkeypatch):
    monkeypatch.setattr(prediction, "TOGETHER", 1)
    write("a.png", picture(0))
    write("b.png", picture(255))
    search = prediction.detect

    def interrupted(images, settings):
        if (images[0] == 255).any():
            raise KeyboardInterrupt
        return search(images, settings)

    monkeypatch.setattr(prediction, "detect", interrupted)
    assert main(["predict", "a.png", "b.png", "--model", "m", "--json"]) == cli.INTERRUPTED
    out, err = capsys.readouterr()
    assert [one["file"] for one in json.loads(out)] == ["a.png"]
    assert "interrupted" in err
    Path("old.csv").write_text("an earlier table")
    assert main(["predict", "b.png", "--model", "m", "--csv", "old.csv"]) == cli.INTERRUPTED
    assert Path("old.csv").read_text() == "an earlier table"  # not replaced by a heading alone


def test_the_model_that_was_used_is_named_and_a_missing_one_told(stub, capsys, monkeypatch, tmp_path):
    write("a.png", picture(0))
    assert main(["predict", "a.png"]) == 2
    assert "no model under results/*/models" in capsys.readouterr().err
    (tmp_path / "results" / "quick" / "models" / "only").mkdir(parents=True)
    assert main(["predict", "a.png"]) == 0
    assert "Model: results/quick/models/only" in capsys.readouterr().out
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    for path, words in (("none", "No such file or folder: none"), ("results/quick/models/only", "lacks model.json")):
        assert main(["predict", "a.png", "--model", path]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert words in err
        assert err.count("\n") == 1


def test_help_and_wrong_paths_answer_without_keras():
    program = (
        "import sys, fer_lib.cli\n"
        "try:\n    status = fer_lib.cli.main({})\n"
        "except SystemExit as exit:\n    status = exit.code\n"
        "heavy = {{'tensorflow', 'keras', {}}} & set(sys.modules)\n"
        "sys.exit(f'imported {{heavy}}' if heavy else status)"
    )
    helped = program.format(["predict", "--help"], "'numpy', 'cv2', 'pandas'")
    done = subprocess.run([sys.executable, "-c", helped], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    options = ("--already-cropped", "--classes NAMES", "--recursive", "--all-faces", "--annotate FOLDER")
    for word in (*options, "Exit status: 0", "1 if", "2 for an error"):
        assert word in " ".join(done.stdout.split())
    wrong = program.format(["predict", "gone.jpg"], "'torch'")
    done = subprocess.run([sys.executable, "-c", wrong], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "fer-lib: error: No such file or folder: gone.jpg; check the path.\n"


# --- the whole way ----------------------------------------------------------------------------------------------------


def portrait(size=160, person=4):
    return render_faces(
        sample_identities(person + 1, 1).take([person]),
        activations(["happy"], 1.0),
        conditions=studio_conditions(1, scale=0.8),
        size=size,
    )[0]


@pytest.fixture
def saved(tmp_path):
    """A tiny trunk and its SVM, fitted on generated faces, under results/ as notebook 04 leaves one."""
    settings = ResNet50SvmSettings(search_folds=2, scaling="unit")
    generated = fer2013.load(writers.write_fer2013_csv(tmp_path / "faces", n=140, seed=3))
    keras.utils.set_random_seed(0)
    photo = keras.Input((48, 48, 3))
    trunk = keras.Model(photo, keras.layers.Conv2D(6, 5, strides=12)(photo), name=resnet50_svm.TRUNK)
    features = resnet50_svm.features(trunk, generated.images, settings=settings)
    examples = classifiers.Examples(features, generated.labels, np.arange(len(generated)))
    fitted = classifiers.fit("resnet50_svm_rbf", examples, settings=settings)
    provenance = {"data": {"ckplus": {"synthetic": True}}}
    model = SavedModel(
        trunk, generated.class_names, fitted, settings_dict(settings), settings_dict(FaceSettings()), provenance
    )
    return saved_models.save(tmp_path / "results" / "smoke" / "models" / "resnet50_svm", model)


def test_generated_photos_with_the_real_detector_and_a_saved_model(saved, capsys, tmp_path):
    two = np.hstack([portrait(), portrait(person=1)])
    write("two.jpg", np.stack([two] * 3, axis=-1), quality=95)
    write("crop.png", portrait(48))
    write("blank.png", np.full((120, 120), 128, np.uint8))
    write("strip.png", np.full((16, 3000, 3), 128, np.uint8))
    (tmp_path / "text.jpg").write_text("no picture")
    names = ["two.jpg", "crop.png", "blank.png", "strip.png", "text.jpg"]
    assert main(["predict", *names, "--json", "--all-faces", "--annotate", "drawn"]) == 2
    out, err = capsys.readouterr()
    found = json.loads(out)
    outcomes = [(one["file"], one["face"], one["outcome"]) for one in found]
    assert outcomes == [
        ("two.jpg", 1, "found"),
        ("two.jpg", 2, "found"),
        ("crop.png", 1, "found"),
        ("blank.png", None, "no face"),
        ("strip.png", None, "no face"),
        ("text.jpg", None, "unreadable"),
    ]
    assert [line.split()[1:3] for line in err.splitlines() if "text.jpg" in line] == [["error:", "text.jpg:"]]
    model = saved_models.load(saved)
    settings = FaceSettings()
    picture = np.asarray(Image.open("two.jpg"))
    detections = {round(one.confidence, 6): one for one in crops.detect([picture], settings)[0]}
    for one in found[:2]:
        face = crop(picture, detections[one["confidence"]], settings)
        expected = model.predict(face[np.newaxis]).iloc[0]
        assert one["label"] == expected["label"] == max(one["scores"], key=lambda name: one["scores"][name])
        np.testing.assert_allclose(one["score"], expected[expected["label"]], rtol=1e-5)
        assert one["score_kind"] == "decision value"
        assert one["model"] == "results/smoke/models/resnet50_svm"
        assert one["trained_on"].startswith("SYNTHETIC")
    assert abs(found[0]["box"][0] - found[1]["box"][0]) > 100
    assert sorted(os.listdir("drawn")) == ["blank.png", "crop.png", "strip.png", "two.png"]
    assert np.asarray(Image.open("drawn/two.png")).shape == (160, 320, 3)

    (saved / "svm.skops").write_bytes(b"broken")
    assert main(["predict", "two.jpg"]) == 2
    assert "is not the file that model.json names" in capsys.readouterr().err
    shutil.rmtree(saved)
