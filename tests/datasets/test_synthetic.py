"""Test the synthetic faces: reproducible bytes, expressions as FACS describes them, every corpus' own format."""

import errno
import hashlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_lib.datasets import fer2013
from fer_lib.datasets.synthetic import writers
from fer_lib.datasets.synthetic.faces import FER2013_CLASSES, draw_corpus, draw_faces
from fer_lib.datasets.synthetic.people import ACTION_UNITS, UNITS, activations, sample_identities, studio_conditions
from fer_lib.datasets.synthetic.render import render_faces
from fer_lib.errors import FerError

MIXED = list(ACTION_UNITS)


def portrait(expression, *, person=4, intensity=1.0, side="right", **fixed):
    """One face of 96 pixels as signed integers, noiseless and frontal unless ``fixed`` says otherwise."""
    face = render_faces(
        sample_identities(person + 1, 1).take([person]),
        activations([expression], intensity, side=side),
        conditions=studio_conditions(1, **fixed),
        size=96,
    )
    return face[0].astype(int)


def change(expression, rows, columns=slice(None), **kwargs):
    """Compute the mean absolute change from the neutral face of the same subject inside a window."""
    return np.abs(portrait(expression, **kwargs) - portrait("neutral"))[rows, columns].mean()


HAPPY = activations(["happy"], 1.0)
BROWS, EYES, MOUTH = slice(30, 42), slice(43, 54), slice(66, 90)


def test_bytes_are_the_same_on_every_machine():
    # A change here means another drawing: raise writers.DRAWING with it.
    digest = hashlib.sha256(draw_faces(MIXED * 4, 7).tobytes()).hexdigest()
    assert digest == "55d0b29dfd82858d45dad369b92a3d4f7dfd2eb3828d69875aa68a2a21b4e739"
    digest = hashlib.sha256(draw_faces(MIXED, 7, size=(100, 120)).tobytes()).hexdigest()
    assert digest == "58398ad96898a32ba8fff7bb2d8d50d74295e7602ba5f193bc21544de095c086"


def test_a_face_depends_on_its_number_and_not_on_its_neighbours():
    many = draw_faces(MIXED * 3, 3)
    np.testing.assert_array_equal(many[:5], draw_faces(MIXED[:5], 3))
    assert (many[0] != draw_faces(MIXED[:1], 4)[0]).mean() > 0.5
    assert (many[0] != many[8]).mean() > 0.5  # same expression, another person
    people = sample_identities(6, 3)
    np.testing.assert_array_equal(people.skin[4:], sample_identities(2, 3, first=4).skin)


def test_faces_are_grey_bytes_with_contrast():
    faces = draw_faces(MIXED * 4, 11, size=(40, 56))
    assert faces.dtype == np.uint8
    assert faces.shape == (32, 40, 56)
    assert faces.reshape(32, -1).std(axis=1).min() > 8
    assert len(np.unique(faces.reshape(32, -1), axis=0)) == 32


def test_table_follows_facs():
    assert set(ACTION_UNITS["happy"]) == {"AU6", "AU12"}
    assert set(ACTION_UNITS["surprise"]) == {"AU1", "AU2", "AU5", "AU26"}
    assert ACTION_UNITS["neutral"] == {}
    units = activations(["happy", "contempt", "neutral"], [0.5, 1, 1])
    assert units.shape == (3, len(UNITS), 2)
    np.testing.assert_array_equal(units[0, UNITS.index("AU12")], [0.5, 0.5])
    np.testing.assert_array_equal(units[1, UNITS.index("AU14")], [0, 1])
    assert not units[2].any()


def test_each_expression_moves_the_parts_that_its_units_move():
    assert change("happy", MOUTH) > 3 * change("happy", BROWS)
    assert change("surprise", BROWS) > 3
    assert change("angry", BROWS) > 2 * change("happy", BROWS)
    assert change("neutral", slice(None)) == 0
    for expression in MIXED:
        if expression != "neutral":
            weak, full = (change(expression, slice(30, 90), intensity=i) for i in (0.3, 1.0))
            assert 0.1 < weak < full, expression


def test_surprise_opens_the_mouth():
    middle = (slice(66, 92), slice(46, 50))
    black = [(portrait(expression)[middle] < 45).any(axis=1).sum() for expression in ("neutral", "surprise")]
    assert black[0] <= 2
    assert black[1] >= 6


def test_smile_lifts_and_sadness_lowers_the_corners_of_the_mouth():
    def lowest_corner(expression):
        # The darkest pixel of the columns at the corner, counted downwards.
        return portrait(expression)[66:86, 36:38].mean(axis=1).argmin()

    assert lowest_corner("happy") < lowest_corner("neutral") < lowest_corner("sad")


@pytest.mark.parametrize("side", ["left", "right"])
def test_contempt_is_on_one_side(side):
    left, right = (
        change("contempt", MOUTH, slice(0, 46), side=side),
        change("contempt", MOUTH, slice(50, 96), side=side),
    )
    strong, weak = (left, right) if side == "left" else (right, left)
    assert strong > 5 * weak
    happy = [change("happy", MOUTH, half) for half in (slice(0, 46), slice(50, 96))]
    assert 0.6 < happy[0] / happy[1] < 1.6


def test_light_and_pose_have_their_signs():
    left, right = slice(16, 40), slice(56, 80)
    lit = portrait("neutral", light_azimuth=0.9)
    assert lit[40:70, right].mean() > lit[40:70, left].mean() + 20
    frontal, turned = portrait("neutral"), portrait("neutral", yaw=0.4)

    def darkest_nostril(face):
        return face[60:66, 34:62].min(axis=0).argmin() + 34

    assert abs(darkest_nostril(frontal) - 47.5) < 8
    assert darkest_nostril(turned) > darkest_nostril(frontal[:, ::-1]) - 1
    tilted = portrait("neutral", roll=0.3)
    assert np.abs(tilted - frontal).mean() > 5
    assert portrait("neutral", noise=8.0).std() > frontal.std()
    sharp, soft = (np.abs(np.diff(portrait("neutral", blur=b), axis=1)).max() for b in (0.0, 0.9))
    assert soft < 0.6 * sharp


def test_a_generated_corpus_has_the_shape_of_fer2013(tmp_path):
    faces = fer2013.load(writers.write_fer2013_csv(tmp_path, n=420, seed=2))
    assert faces.images.shape == (420, 48, 48)
    assert faces.synthetic
    assert faces.class_names == FER2013_CLASSES
    counts = faces.counts()
    assert list(counts.index) == ["Training", "PublicTest", "PrivateTest"]
    assert counts.loc["Training", "total"] / 420 == pytest.approx(0.8, abs=0.03)
    assert counts[list(FER2013_CLASSES)].to_numpy().min() >= 2
    totals = counts.sum()
    assert totals.idxmax() == "total"
    assert totals.drop("total").idxmax() == "happy"
    assert totals.drop("total").idxmin() == "disgust"
    images = draw_corpus(420, 2)[0]
    np.testing.assert_array_equal(images, draw_corpus(420, 2)[0])
    assert not np.array_equal(images, draw_corpus(420, 3)[0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: draw_faces(["hapy"], 0), "did you mean 'happy'"),
        (lambda: draw_faces(["happy"], 0, intensity=1.5), "expected numbers from 0 to 1"),
        (lambda: draw_faces(["happy"], -1), "the seed -1"),
        (lambda: draw_faces(["happy"], 0, size=8), "16 x 16"),
        (lambda: render_faces(sample_identities(2, 0), HAPPY, conditions=studio_conditions(1)), "2 identities"),
        (lambda: draw_corpus(20, 0), "20 faces for 7 classes"),
        (lambda: studio_conditions(1, yav=0.1), "did you mean 'yaw'"),
    ],
)
def test_mistakes_are_named(call, words):
    with pytest.raises(FerError, match=words):
        call()


@pytest.mark.parametrize("icml", [False, True])
def test_fer2013_csv(tmp_path, icml):
    path = writers.write_fer2013_csv(tmp_path / "fer", n=60, seed=5, icml=icml)
    header = path.read_text().splitlines()[0]
    assert (path.name, header) == (
        ("icml_face_data.csv", "emotion, Usage, pixels") if icml else ("fer2013.csv", "emotion,pixels,Usage")
    )
    table = pd.read_csv(path).rename(columns=str.strip)
    pixels = np.array([row.split() for row in table["pixels"]], dtype=int)
    assert pixels.shape == (60, 2304)
    assert table["Usage"].isin(["Training", "PublicTest", "PrivateTest"]).all()
    images, labels, splits = draw_corpus(60, 5)
    assert table["Usage"].tolist() == splits
    written = {row.tobytes(): label for row, label in zip(pixels.astype(np.uint8), table["emotion"], strict=True)}
    assert written == {im.tobytes(): k for im, k in zip(images, labels, strict=True)}
    assert "SYNTHETIC" in (tmp_path / "fer" / "SYNTHETIC.txt").read_text()


def test_fer2013_folders(tmp_path):
    folder = writers.write_fer2013_folders(tmp_path, n=60, seed=5)
    files = sorted(p.relative_to(folder).parts for p in folder.rglob("*.jpg"))
    assert len(files) == 60
    assert {(part, emotion) for part, emotion, _ in files} == {
        (p, e) for p in ("train", "test") for e in FER2013_CLASSES
    }
    assert {name.split("_")[0] for part, _, name in files if part == "train"} == {"Training"}
    assert {name.split("_")[0] for part, _, name in files if part == "test"} == {"PublicTest", "PrivateTest"}
    assert len({name for *_, name in files}) == 60
    images = draw_corpus(60, 5)[0]
    part, emotion, name = files[0]
    image = cv2.imread(str(folder / part / emotion / name), cv2.IMREAD_UNCHANGED).astype(int)
    assert image.shape == (48, 48)
    assert np.abs(images.astype(int) - image).mean(axis=(1, 2)).min() < 3  # JPEG loses a little


def test_ckplus(tmp_path):
    folder = writers.write_ckplus(tmp_path / "ck", subjects=3, sequences=5, seed=1, size=(60, 80))
    codes = []
    for subject in ("S005", "S010", "S015"):
        for session in ("001", "002", "003", "004", "005"):
            frames = sorted((folder / "cohn-kanade-images" / subject / session).iterdir())
            names = [f"{subject}_{session}_{k:08d}.png" for k in range(1, len(frames) + 1)]
            assert [f.name for f in frames] == names
            labels = list((folder / "Emotion" / subject / session).iterdir())
            if (subject, session) == ("S015", "005"):
                assert labels == []
                continue
            assert [f.name for f in labels] == [names[-1].replace(".png", "_emotion.txt")]
            assert labels[0].read_text().startswith("   ")
            codes.append(float(labels[0].read_text()))
    assert set(codes) == set(range(1, 8))
    assert len(set(codes[:5])) == 5  # a subject does not repeat an emotion
    place = folder / "cohn-kanade-images" / "S005"
    starts = [cv2.imread(str(place / f"00{s}" / f"S005_00{s}_00000001.png"), cv2.IMREAD_UNCHANGED) for s in (1, 2)]
    assert starts[0].shape == (60, 80)
    apex = cv2.imread(str(max((place / "001").iterdir())), cv2.IMREAD_UNCHANGED)
    other = cv2.imread(
        str(folder / "cohn-kanade-images" / "S010" / "001" / "S010_001_00000001.png"), cv2.IMREAD_UNCHANGED
    )
    near, far, elsewhere = (np.abs(starts[0].astype(int) - x).mean() for x in (starts[1], apex, other))
    assert near < 0.6 * far < far < elsewhere  # one person, neutral twice; moved; somebody else


def test_genki4k(tmp_path):
    folder = writers.write_genki4k(tmp_path / "genki", n=10, seed=1)
    assert sorted(p.name for p in (folder / "files").iterdir()) == [f"file{k:04d}.jpg" for k in range(1, 11)]
    labels = np.loadtxt(folder / "labels.txt")
    assert labels.shape == (10, 4)
    assert labels[:, 0].tolist() == [1] * 5 + [0] * 5
    assert 0 < np.abs(labels[:, 1:]).max() < 0.6
    sizes = {cv2.imread(str(p), cv2.IMREAD_UNCHANGED).shape for p in (folder / "files").iterdir()}
    assert len(sizes) > 1


def test_ckplus48_holds_the_last_three_frames_of_the_labelled_sequences(tmp_path):
    tree = writers.write_ckplus(tmp_path / "tree", subjects=3, sequences=5, seed=1, size=(60, 80))
    folder = writers.write_ckplus48(tmp_path / "48", subjects=3, sequences=5, seed=1)
    names = {"1": "anger", "2": "contempt", "3": "disgust", "4": "fear", "5": "happy", "6": "sadness", "7": "surprise"}
    expected = set()
    for label in (tree / "Emotion").rglob("*.txt"):
        stem, last = label.name.removesuffix("_emotion.txt").rsplit("_", 1)
        place = names[label.read_text().strip()[0]]
        expected |= {f"{place}/{stem}_{frame:08d}.png" for frame in range(int(last) - 2, int(last) + 1)}
    assert {p.relative_to(folder / "CK+48").as_posix() for p in folder.rglob("*.png")} == expected
    assert len(expected) == 3 * 14
    assert {cv2.imread(str(p), cv2.IMREAD_UNCHANGED).shape for p in folder.rglob("*.png")} == {(48, 48)}


def test_the_tree_of_ckplus_is_drawn_as_ever(tmp_path):
    # Another digest means another drawing: raise writers.DRAWING with it.
    folder = writers.write_ckplus(tmp_path, subjects=1, sequences=2, seed=4, size=(60, 80))
    files = sorted(folder.rglob("*.png"))
    pixels = b"".join(cv2.imread(str(p), cv2.IMREAD_UNCHANGED).tobytes() for p in files)
    assert (len(files), hashlib.sha256(pixels).hexdigest()) == (
        17,
        "ff413ba70a1af79b53bc70f0ab18b569bdfc6887977a91b010ee707e238df582",
    )


def test_olivetti(tmp_path):
    path = writers.write_olivetti(tmp_path / "o", people=4, seed=1)
    with Image.open(path) as picture:
        pixels = np.array(picture.convert("L"))
    assert pixels.shape == (114, 942)
    assert (pixels[:, 940:] == 255).all()
    tiles = pixels[:, :940].reshape(2, 57, 20, 47).swapaxes(1, 2).reshape(40, 57, 47).astype(int)
    assert len(np.unique(tiles.reshape(40, -1), axis=0)) == 40
    people = tiles.reshape(4, 10, -1)
    within = np.abs(people[:, :5] - people[:, 5:]).mean()
    between = np.abs(people[:2] - people[2:]).mean()
    assert within < 0.75 * between
    assert "SYNTHETIC" in (tmp_path / "o" / "SYNTHETIC.txt").read_text()
    before = path.read_bytes()
    assert writers.write_olivetti(tmp_path / "o", people=4, seed=1).read_bytes() == before
    for people in (0, 3, 42):
        with pytest.raises(FerError, match=f"people={people}"):
            writers.write_olivetti(tmp_path / "none", people=people)
    assert not (tmp_path / "none").exists()


def test_writers_repeat_themselves_and_spare_other_folders(tmp_path):
    folder = tmp_path / "genki"
    writers.write_genki4k(folder, n=3)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    writers.write_genki4k(folder, n=3)
    assert before == {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    with pytest.raises(FerError, match="did not write"):
        writers.write_genki4k(folder, n=4)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").write_bytes(b"")
    with pytest.raises(FerError, match="new or empty folder"):
        writers.write_fer2013_csv(tmp_path / "mine", n=60)
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["photo.jpg"]
    with pytest.raises(FerError, match="expected a folder"):
        writers.write_ckplus(tmp_path / "mine" / "photo.jpg", subjects=1)
    with pytest.raises(FerError, match="0 subjects"):
        writers.write_ckplus(tmp_path / "none", subjects=0)
    with pytest.raises(FerError, match="n=1"):
        writers.write_genki4k(tmp_path / "none", n=1)
    assert not (tmp_path / "none").exists()


def test_mtcnn_finds_the_faces():
    mtcnn = pytest.importorskip("mtcnn")
    detector = mtcnn.MTCNN()
    faces = draw_faces(MIXED * 3, 12, size=160)
    found = [len(detector.detect_faces(cv2.cvtColor(face, cv2.COLOR_GRAY2RGB))) for face in faces]
    assert np.mean(np.array(found) == 1) >= 0.95


def test_a_full_disk_leaves_no_cut_picture(tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(FerError, match="No space left"):
        writers.write_image(tmp_path / "face.png", np.zeros((48, 48), np.uint8))
    assert list(tmp_path.iterdir()) == []
