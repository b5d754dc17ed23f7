"""Test face crops: MTCNN on generated faces, the crop's geometry, the rules for misses, the cache."""

import dataclasses
import hashlib
import math
import os
import random
import subprocess
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.synthetic import writers
from fer_lib.datasets.synthetic.people import activations, sample_identities, studio_conditions
from fer_lib.datasets.synthetic.render import render_faces
from fer_lib.errors import FerError
from fer_lib.faces import crops, mtcnn as mtcnn_engine
from fer_lib.faces.crops import detect, face_crops, summary
from fer_lib.faces.geometry import Detection, annotate, choose, crop, crop_matrix
from fer_lib.settings import FaceSettings, change

PLAIN = FaceSettings(margin=0.0, align=False)
BLANK = np.full((120, 120), 128, np.uint8)


@dataclasses.dataclass(frozen=True)
class Album:
    """The parts of a PhotoSet that face_crops needs, from images in memory."""

    pictures: list
    meta: pd.DataFrame
    content_key: str
    path: Path
    class_names: tuple = ("calm", "smile")
    corpus: str = "album"
    synthetic: bool = True
    notes: dict = dataclasses.field(default_factory=lambda: {"layout": "album"})

    def __len__(self):
        return len(self.pictures)

    def photo(self, i):
        return self.pictures[i]


@pytest.fixture
def album(tmp_path):
    """Make an Album of some images, whose crops are cached in the test's own folder."""
    return partial(_album, tmp_path)


def _album(path, pictures):
    sources = [f"photo{i}" for i in range(len(pictures))]
    meta = pd.DataFrame({"label": [i % 2 for i in range(len(pictures))], "split": "all", "source": sources})
    content = hashlib.sha256(b"".join(picture.tobytes() for picture in pictures)).hexdigest()
    return Album(list(pictures), meta, content, path)


def portrait(size=160, *, person=4, roll=0.0, scale=0.8):
    """A grey generated face, noiseless and frontal."""
    return render_faces(
        sample_identities(person + 1, 1).take([person]),
        activations(["neutral"], 1.0),
        conditions=studio_conditions(1, roll=roll, scale=scale),
        size=size,
    )[0]


def detection(left=0, top=0, width=40, height=40, *, confidence=0.99, roll=0.0):
    """A face whose eyes stand a quarter of its width beside the centre, on a line turned by ``roll`` radians."""
    x, y = left + width / 2, top + height / 2
    dx, dy = width / 4 * math.cos(roll), width / 4 * math.sin(roll)
    return Detection(
        box=(left, top, width, height),
        confidence=confidence,
        left_eye=(x - dx, y - dy),
        right_eye=(x + dx, y + dy),
        nose=(x, y),
        mouth_left=(x - 5, y + 10),
        mouth_right=(x + 5, y + 10),
    )


@pytest.fixture(autouse=True)
def _no_cache_from_outside(monkeypatch):
    monkeypatch.delenv("FER_CACHE", raising=False)


@pytest.fixture(scope="session")
def networks():
    """MTCNN's networks, built once; whether that left Keras and Python's random numbers as they were."""
    from fer_lib.backend import keras

    random.seed(5)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        engine = mtcnn_engine.engine()
        untouched = keras.config.dtype_policy().name == "mixed_float16" and random.random() == random.Random(5).random()
    finally:
        keras.config.set_dtype_policy("float32")
    return engine, untouched


@pytest.fixture(scope="session")
def photo(networks):
    """A grey photo of 240 × 200 pixels with one face a little left of the middle, and what is found in it."""
    picture = cv2.copyMakeBorder(portrait(160), 30, 50, 10, 30, cv2.BORDER_REPLICATE)
    return picture, detect([picture], PLAIN)[0]


@pytest.fixture
def no_networks(monkeypatch):
    def refuse():
        raise AssertionError("the detector was asked for")

    monkeypatch.setattr(mtcnn_engine, "engine", refuse)


@pytest.fixture
def counted(monkeypatch):
    """A stand-in for the networks that finds one face in a bright picture, an unsure one in a grey one."""
    calls = []

    def engine(batch, threshold):
        calls.append(len(batch))
        means = batch.reshape(len(batch), -1).mean(axis=1)
        level = {True: 0.99, False: 0.5}
        points = [60, 100, 80, 65, 95, 60, 60, 80, 100, 100]
        rows = [[i, 40, 30, 120, 130, level[bool(m > 150)], *points] for i, m in enumerate(means) if m > 80]
        return np.array(rows, float).reshape(-1, 16)

    monkeypatch.setattr(mtcnn_engine, "engine", lambda: engine)
    return calls


# --- detection ---------------------------------------------------------------------------------------------------


def test_importing_does_not_import_tensorflow():
    heavy = ("tensorflow", "keras", "mtcnn")
    code = f"import sys, fer_lib.faces.crops; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_building_the_networks_changes_no_setting(networks):
    assert networks[1]
    stage = networks[0]._stages[0] if hasattr(networks[0], "_stages") else None
    assert stage is None or stage.model.compute_dtype == "float32"


def test_finds_the_face_in_plain_numbers(photo):
    (face,) = photo[1]
    assert face.confidence > 0.9
    for value in (*face.box, face.confidence, *face.left_eye, *face.nose, *face.mouth_right):
        assert type(value) is float
    x, y = face.centre
    assert abs(x - 90) < 12
    assert abs(y - 110) < 16
    assert face.left_eye[0] < face.nose[0] < face.right_eye[0]
    assert face.left_eye[1] < face.nose[1] < face.mouth_left[1]
    assert abs(math.degrees(face.roll)) < 6


def test_grey_and_colour_give_the_same_box(photo):
    picture, (face,) = photo
    (again,) = detect([cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)], PLAIN)[0]
    assert again == face
    tinted = np.stack([picture, picture * 0.9, picture * 0.8], axis=-1).astype(np.uint8)
    (other,) = detect([tinted], PLAIN)[0]
    np.testing.assert_allclose(other.box, face.box, atol=4)


@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_coordinates_are_those_of_the_picture_as_given(photo, factor):
    picture, (face,) = photo
    other = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    (found,) = detect([other], PLAIN)[0]
    np.testing.assert_allclose(np.array(found.box) / factor, face.box, atol=10)
    np.testing.assert_allclose(np.array(found.left_eye) / factor, face.left_eye, atol=6)
    np.testing.assert_allclose(np.array(found.right_eye) / factor, face.right_eye, atol=6)


def test_a_batch_of_several_sizes_gives_what_each_picture_gives_alone(photo):
    picture = photo[0]
    pictures = [BLANK, picture, portrait(96), picture[:, 5:], BLANK[:1, :1], portrait(170, person=2)]
    together = detect(pictures, PLAIN)
    assert [len(some) for some in together] == [0, 1, 1, 1, 0, 1]
    for one, alone in zip(together, [detect([picture], PLAIN)[0] for picture in pictures], strict=True):
        assert len(one) == len(alone)
        for a, b in zip(one, alone, strict=True):
            np.testing.assert_allclose(a.box, b.box, atol=0.05)
            np.testing.assert_allclose(a.confidence, b.confidence, atol=1e-3)
    assert detect(pictures, PLAIN) == together


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 1, 3), (2, 3), (7, 5, 3), (1, 3000), (3000, 2), (11, 40), (12, 12), (33, 31, 3)]
)
def test_tiny_and_thin_pictures_hold_no_face(shape, networks):
    picture = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    assert detect([picture], PLAIN) == [[]]
    assert crop(picture, None, PLAIN).shape == (48, 48)


def test_a_photo_of_40_megapixels(networks):
    canvas = np.full((5000, 8000), 120, np.uint8)
    canvas[1000:3400, 4000:6400] = cv2.resize(portrait(240), (2400, 2400), interpolation=cv2.INTER_LINEAR)
    (face,) = detect([canvas], PLAIN)[0]
    assert abs(face.centre[0] - 5200) < 250
    assert abs(face.centre[1] - 2200) < 300
    big = crop(canvas, face, PLAIN)
    (reference,) = detect([portrait(240)], PLAIN)[0]
    difference = big.astype(float) - crop(portrait(240), reference, PLAIN)
    assert np.abs(difference).mean() < 12


def test_two_faces_in_one_photo(networks):
    picture = np.full((200, 420), 120, np.uint8)
    picture[20:180, 10:170] = portrait(160)
    picture[60:160, 200:300] = portrait(100, person=2)
    found = detect([picture], PLAIN)[0]
    assert len(found) == 2
    largest = choose(found, picture.shape, PLAIN)
    central = choose(found, picture.shape, change(PLAIN, choice="most_central"))
    assert largest.centre[0] < 180 < central.centre[0]


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.ones((9, 9)), "float64"),
        (np.ones((9, 9), np.float32), "0-255"),
        (np.ones((9, 9), np.int64), "int64"),
        (np.ones((9, 9), bool), "bool"),
        (np.ones((9, 9, 4), np.uint8), r"\(9, 9, 4\)"),
        (np.ones((9, 9, 1), np.uint8), r"\(9, 9, 1\)"),
        (np.ones((2, 9, 9, 3), np.uint8), "H, W"),
        (np.ones((0, 9), np.uint8), "at least 1"),
        ([[1, 2], [3, 4]], "list"),
    ],
)
def test_other_pictures_are_refused(picture, words, no_networks):
    for use in (lambda p: detect([p], PLAIN), lambda p: crop(p, None, PLAIN), annotate_alone):
        with pytest.raises(ValueError, match=words):
            use(picture)


def annotate_alone(picture):
    return annotate(picture, None, "")


def test_nothing_to_search(no_networks):
    assert detect([], PLAIN) == []


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_errors_of_the_networks_are_not_taken_for_no_face(stage, photo, networks, monkeypatch):
    if not hasattr(networks[0], "_stages"):
        pytest.skip("the networks run in another process")
    import tensorflow as tf

    def fail(**kwargs):
        raise tf.errors.InvalidArgumentError(None, None, "planted")

    stages = list(networks[0]._stages)
    stages[stage] = fail
    monkeypatch.setattr(networks[0], "_stages", stages)
    with pytest.raises(tf.errors.InvalidArgumentError, match="planted"):
        detect([photo[0]], PLAIN)


def test_weights_are_the_package_s_own_whatever_the_folder_holds(tmp_path, monkeypatch, networks):
    monkeypatch.chdir(tmp_path)
    for name in ("pnet", "rnet", "onet"):
        (tmp_path / f"{name}.lz4").write_bytes(b"not weights")
    if hasattr(networks[0], "_stages"):
        mtcnn_engine._Networks()


def test_the_other_process_finds_the_same(photo, monkeypatch):
    # What another Keras backend uses; it must not inherit that backend.
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    worker = mtcnn_engine._Worker()
    monkeypatch.setattr(mtcnn_engine, "engine", lambda: worker)
    monkeypatch.setattr(mtcnn_engine.engine, "cache_clear", lambda: None, raising=False)
    try:
        (face,) = detect([photo[0]], PLAIN)[0]
        np.testing.assert_allclose(face.box, photo[1][0].box, atol=0.05)
        with pytest.raises(RuntimeError, match="MTCNN failed"):
            worker("not a batch", 0.8)
        assert len(detect([photo[0]], PLAIN)[0]) == 1  # the error did not end it
        worker._process.kill()
        with pytest.raises(FerError, match="exit status -9"):
            detect([photo[0]], PLAIN)
    finally:
        worker.close()


def test_without_mtcnn(monkeypatch):
    monkeypatch.setattr(mtcnn_engine, "find_spec", lambda name: None)
    with pytest.raises(FerError, match=r"No module named 'mtcnn'.*pip install") as raised:
        mtcnn_engine.weights_folder()
    assert "\n" not in str(raised.value)


# --- choosing and cropping ---------------------------------------------------------------------------------------


def test_the_chosen_face():
    large, central = detection(0, 0, 60, 60), detection(80, 80, 40, 40)
    unsure = detection(50, 50, 150, 150, confidence=0.85)
    shape = (200, 200, 3)
    assert choose([], shape, PLAIN) is None
    assert choose([central, large], shape, PLAIN) is large
    assert choose([large, central], shape, change(PLAIN, choice="most_central")) is central
    assert choose([unsure, central], shape, PLAIN) is central  # a sure face goes first
    assert choose([unsure], shape, PLAIN) is unsure
    assert choose([unsure, central], shape, change(PLAIN, min_confidence=0.8)) is unsure


@pytest.mark.parametrize("roll", [-0.6, -0.2, 0.0, 0.3, 1.0])
def test_eyes_are_level_after_the_crop(roll):
    face = detection(30, 20, 50, 60, roll=roll)
    matrix = crop_matrix(face, change(PLAIN, align=True, margin=0.2))
    to_crop = cv2.invertAffineTransform(matrix)
    left, right = (to_crop @ [*eye, 1] for eye in (face.left_eye, face.right_eye))
    assert abs(left[1] - right[1]) < 1e-9
    assert left[0] < right[0]
    np.testing.assert_allclose(matrix @ [24, 24, 1], face.centre)
    upright = cv2.invertAffineTransform(crop_matrix(face, PLAIN))
    assert math.isclose(math.atan2(*((upright @ [*face.right_eye, 1]) - (upright @ [*face.left_eye, 1]))[::-1]), roll)


def test_a_profile_is_not_turned():
    face = dataclasses.replace(detection(0, 0, 40, 40), left_eye=(20, 15), right_eye=(20.5, 18))
    assert face.roll == 0.0


@pytest.mark.parametrize("roll", [-0.35, 0.35])
def test_a_turned_face_is_found_upright_in_its_crop(networks, roll):
    picture = cv2.copyMakeBorder(portrait(160, roll=roll), *(40,) * 4, cv2.BORDER_REPLICATE)
    (face,) = detect([picture], PLAIN)[0]
    assert 12 < abs(math.degrees(face.roll)) < 28
    settings = FaceSettings(size=160, margin=0.4)
    (turned,) = detect([crop(picture, face, change(settings, align=False))], PLAIN)[0]
    (level,) = detect([crop(picture, face, settings)], PLAIN)[0]
    assert abs(math.degrees(level.roll)) < 5 < abs(math.degrees(turned.roll))


def test_an_unmoved_crop_is_exact():
    picture = np.random.default_rng(2).integers(0, 256, (100, 120), dtype=np.uint8)
    np.testing.assert_array_equal(crop(picture, detection(30, 20, 48, 48), PLAIN), picture[20:68, 30:78])
    doubled = picture.repeat(2, axis=0).repeat(2, axis=1)  # each pixel four times: averaging gives them back
    np.testing.assert_array_equal(crop(doubled, detection(60, 40, 96, 96), PLAIN), picture[20:68, 30:78])
    colour = np.stack([picture, picture.T[:100].repeat(2, 1)[:, :120], picture[::-1]], axis=-1)
    grey = cv2.cvtColor(np.ascontiguousarray(colour), cv2.COLOR_RGB2GRAY)
    np.testing.assert_array_equal(crop(colour, detection(30, 20, 48, 48), PLAIN), grey[20:68, 30:78])


@pytest.mark.parametrize("period", [2, 3, 5])
@pytest.mark.parametrize("roll", [0.0, 0.4])
def test_shrinking_averages_and_does_not_sample(period, roll):
    stripes = np.where(np.arange(800) % (2 * period) < period, 0, 255).astype(np.uint8)
    picture = np.tile(stripes, (800, 1))
    cut = crop(picture, detection(150, 150, 500, 500, roll=roll), FaceSettings(margin=0.0))
    assert abs(cut.mean() - 127.5) < 4
    assert cut.std() < 26  # sampled stripes have 127


def test_margin_is_on_each_side():
    picture = np.zeros((200, 200), np.uint8)
    picture[60:140, 60:140] = 255
    face = detection(60, 60, 80, 80)
    assert crop(picture, face, PLAIN)[1:-1, 1:-1].min() == 255
    cut = crop(picture, face, change(PLAIN, margin=0.25))  # 80 pixels of 120: a sixth is dark on each side
    assert (cut[24] > 127).sum() == 32
    assert (cut[:, 24] > 127).sum() == 32


def test_beyond_the_border_the_photo_s_edge_is_repeated():
    picture = np.tile(np.arange(100, dtype=np.uint8), (100, 1))
    cut = crop(picture, detection(-30, 20, 60, 60), PLAIN)
    assert (cut[:, :20] == 0).all()
    assert cut[10, -1] > 25
    assert np.unique(crop(picture, detection(300, 300, 60, 60), PLAIN)).tolist() == [99]


def test_a_whole_photo_keeps_its_proportions():
    picture = np.zeros((60, 180), np.uint8)
    picture[:, 60:120] = 255  # a square: 16 of 48 pixels wide, and its columns go on above and below
    cut = crop(picture, None, PLAIN)
    assert (cut[24] > 127).sum() == 16
    assert (cut == cut[0]).all()
    assert crop(np.zeros((10, 40_000), np.uint8), None, PLAIN).shape == (48, 48)


# --- a corpus ----------------------------------------------------------------------------------------------------


def test_a_folder_of_photos(networks, tmp_path, album):
    writers.write_genki4k(tmp_path / "genki", n=6, seed=3)
    files = sorted((tmp_path / "genki" / "files").glob("*.jpg"))
    pictures = [*(cv2.imread(str(path))[..., ::-1] for path in files), BLANK, BLANK[:1, :1]]
    result = face_crops(album(pictures), FaceSettings())
    assert isinstance(result, FaceDataset)
    assert result.images.shape == (8, 48, 48)
    assert result.synthetic
    assert result.corpus == "album"
    assert result.meta["face_found"].tolist() == ["found"] * 6 + ["no face"] * 2
    assert result.meta["source"].tolist() == [f"photo{i}" for i in range(8)]
    assert result.meta["faces_in_photo"].tolist() == [1] * 6 + [0] * 2
    assert (result.meta["confidence"][:6] > 0.9).all()
    assert result.meta.loc[6:, ["confidence", "box_left", "box_height"]].isna().all(axis=None)
    assert np.unique(result.images[6]).tolist() == [128]
    assert result.notes["layout"] == "album"
    table = summary(result)
    assert table.loc["total"].tolist() == [8, 6, 0, 2, 0.25]
    assert table.loc["calm", "photos"] == 4


def test_miss_rules(counted, album):
    bright, grey, dark = (np.full((160, 160), level, np.uint8) for level in (200, 120, 20))
    photos = album([bright, grey, dark, bright])
    kept = face_crops(photos, FaceSettings())
    assert kept.meta["face_found"].tolist() == ["found", "low confidence", "no face", "found"]
    assert kept.meta["faces_in_photo"].tolist() == [1, 0, 0, 1]
    assert kept.meta["confidence"].tolist()[:2] == [0.99, 0.5]
    assert kept.meta["box_width"].tolist()[:2] == [80.0, 80.0]
    notes = kept.notes["faces"]
    assert [notes[kind] for kind in crops.KINDS] == [2, 1, 1]
    assert notes["missed"] == ["photo1 (low confidence)", "photo2 (no face)"]
    assert "kept whole" in notes["rule"]
    assert notes["left out"] == 0
    dropped = face_crops(photos, FaceSettings(misses="drop"))
    assert dropped.meta["source"].tolist() == ["photo0", "photo3"]
    assert dropped.notes["faces"]["left out"] == 2
    pd.testing.assert_frame_equal(summary(dropped), summary(kept))
    assert face_crops(photos, FaceSettings(min_confidence=0.4)).meta["face_found"].tolist().count("found") == 3
    with pytest.raises(FerError, match=r"any of the 2 photos of album \(1 of low confidence, 1 of no face\)"):
        face_crops(album([grey, dark]), FaceSettings(misses="drop"))
    many = face_crops(album([dark] * 70), FaceSettings()).notes["faces"]
    assert (len(many["missed"]), many["missed, not listed"]) == (50, 20)


def test_photos_are_read_a_few_at_a_time(counted, monkeypatch, album):
    monkeypatch.setattr(crops, "_HELD_PIXELS", 2 * 160 * 160)
    face_crops(album([np.full((160, 160), 200, np.uint8)] * 5), FaceSettings())
    assert counted == [2, 2, 1]


def test_large_pictures_go_through_the_networks_a_few_at_a_time(counted):
    detect([np.full((1024, 1024), 200, np.uint8)] * 3 + [np.full((64, 64), 200, np.uint8)] * 40, PLAIN)
    assert counted == [1, 1, 1, 32, 8]


def test_a_second_run_costs_nothing(counted, tmp_path, monkeypatch, album):
    photos = album([np.full((160, 160), level, np.uint8) for level in (200, 120, 20)])
    first = face_crops(photos, FaceSettings())
    calls = len(counted)

    def refuse(*args, **kwargs):
        raise AssertionError("detected again")

    monkeypatch.setattr(crops, "detect", refuse)
    again = face_crops(photos, FaceSettings())
    assert again.fingerprint == first.fingerprint
    pd.testing.assert_frame_equal(again.meta, first.meta)
    assert again.notes == first.notes
    assert len(face_crops(photos, FaceSettings(misses="drop"))) == 1
    assert len(counted) == calls
    for other in (dataclasses.replace(photos, content_key="b" * 64), photos):
        with pytest.raises(AssertionError, match="detected again"):
            face_crops(other, FaceSettings(margin=0.3 if other is photos else 0.1))
    monkeypatch.setenv("FER_CACHE", str(tmp_path / ".fer-cache"))
    elsewhere = dataclasses.replace(photos, path=tmp_path / "elsewhere")
    assert face_crops(elsewhere, FaceSettings()).fingerprint == first.fingerprint


def test_nothing_is_kept_of_an_absent_corpus(album, tmp_path):
    empty = face_crops(dataclasses.replace(album([]), path=Path(os.devnull)), FaceSettings())
    assert len(empty) == 0
    assert not os.listdir(tmp_path)


def test_a_killed_run_goes_on_where_it_stopped(counted, tmp_path, monkeypatch, album):
    monkeypatch.setattr(crops, "CHUNK", 4)
    rng = np.random.default_rng(0)
    photos = album([rng.integers(lowest, 256, (160, 160), dtype=np.uint8) for lowest in range(0, 200, 20)])
    whole = face_crops(dataclasses.replace(photos, path=tmp_path / "elsewhere" / "photos"), FaceSettings())
    real, searched = crops.detect, []

    def interrupted(pictures, settings):
        if len(searched) == 8:
            raise KeyboardInterrupt
        searched.extend(pictures)
        return real(pictures, settings)

    monkeypatch.setattr(crops, "detect", interrupted)
    with pytest.raises(KeyboardInterrupt):
        face_crops(photos, FaceSettings())
    resumed = []
    monkeypatch.setattr(
        crops, "detect", lambda pictures, settings: resumed.extend(pictures) or real(pictures, settings)
    )
    result = face_crops(photos, FaceSettings())
    assert len(resumed) == 2
    assert result.fingerprint == whole.fingerprint
    pd.testing.assert_frame_equal(result.meta, whole.meta)


def test_faces_that_came_cropped_are_not_searched_and_say_so(counted):
    meta = pd.DataFrame({"label": [0, 1, 1], "split": "all"})
    faces = FaceDataset(np.zeros((3, 48, 48), np.uint8), meta, ("calm", "smile"), "dark")
    assert face_crops(faces, FaceSettings()) is faces
    assert not counted
    assert "faces" not in faces.notes
    with pytest.raises(ValueError, match="not from face_crops"):
        summary(faces)


def test_a_photo_that_cannot_be_read_stops_the_run(counted, monkeypatch, album):
    def gone(self, i):
        raise FerError("file0001.jpg is gone; fetch the corpus again.")

    monkeypatch.setattr(Album, "photo", gone)
    with pytest.raises(FerError, match="is gone"):
        face_crops(album([BLANK]), FaceSettings())


# --- drawing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(48, 48), (64, 64, 3), (490, 640), (3000, 2000, 3), (1, 1), (20, 900)])
def test_annotated_pictures_can_be_seen(shape):
    picture = np.full(shape, 90, np.uint8)
    before = picture.copy()
    height, width = shape[:2]
    face = detection(width * 0.2, height * 0.2, width * 0.5, height * 0.5)
    drawn = annotate(picture, face, "smile 0.99 – sûr")
    np.testing.assert_array_equal(picture, before)
    assert drawn.dtype == np.uint8
    assert drawn.ndim == 3
    assert 320 <= max(drawn.shape) <= 1024
    assert (drawn != 90).any()
    assert (annotate(picture, None, "no face") != 90).any()
    np.testing.assert_array_equal(annotate(drawn, None), drawn)
