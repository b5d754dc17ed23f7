"""Test the search for near-duplicates on generated faces and on distorted copies of them."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_lib import cli
from fer_lib.datasets import corpus, fer2013, near_duplicates, quality
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.synthetic import writers
from fer_lib.errors import FerError
from fer_lib.settings import DataSettings, change


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated")
    writers.write_fer2013_csv(folder, n=600, seed=5)
    return fer2013.load(folder, cache=False).images


def moved(image, *, down=0, right=0, scale=1.0):
    turn = cv2.getRotationMatrix2D((23.5, 23.5), 0, scale)
    turn[:, 2] += [right, down]
    return cv2.warpAffine(image, turn, (48, 48), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def mirrored(image):
    return np.ascontiguousarray(image[:, ::-1])


def compressed(image, quality):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)


DISTORTIONS = {
    "equal": lambda image: image,
    "shifted": lambda image: moved(image, down=3, right=-2),
    "smaller": lambda image: moved(image, scale=0.93),
    "larger": lambda image: moved(image, scale=1.07, right=1),
    "mirrored": mirrored,
    "mirrored and shifted": lambda image: mirrored(moved(image, down=-2, right=2)),
    "compressed": lambda image: compressed(image, 50),
    "brighter": lambda image: (40 + image * 0.7).astype(np.uint8),
    "all of it": lambda image: compressed(mirrored(moved(image, down=2, right=1, scale=0.95)), 70),
}


@pytest.mark.parametrize("name", DISTORTIONS)
def test_a_distorted_copy_is_found(faces, name):
    originals = faces[:40]
    copies = np.stack([DISTORTIONS[name](image) for image in originals])
    found = near_duplicates.pairs(copies, originals)
    own = found.faces == found.references
    as_asked = found.mirrored == ("mirrored" in name or name == "all of it")
    assert len(set(found.faces[own & as_asked].tolist())) == 40
    assert found.scores[own].min() >= near_duplicates.THRESHOLD
    assert (found.faces[own] == np.sort(found.faces[own])).all()


def test_the_threshold_is_above_every_pair_of_different_faces(faces):
    found = near_duplicates.pairs(faces[:300], faces[300:], threshold=0.5)
    assert 0.85 < found.scores.max() < near_duplicates.THRESHOLD
    assert not len(near_duplicates.pairs(faces[:300], faces[300:]).faces)


def test_no_faces_and_blank_faces_have_no_pair(faces):
    blank = np.full((3, 48, 48), 9, np.uint8)
    for one, other in ((blank, faces), (faces[:5], blank), (faces[:0], faces), (blank, blank)):
        assert not len(near_duplicates.pairs(one, other).faces)


@pytest.fixture
def dataset(faces):
    """Four training faces, of which PublicTest has a copy of the first and PrivateTest copies of the second."""
    training = [*faces[:3], np.full((48, 48), 9, np.uint8)]
    public = [moved(faces[0], right=2), faces[10]]
    private = [mirrored(faces[1]), faces[1], faces[11], np.full((48, 48), 9, np.uint8)]
    splits = ["Training"] * 4 + ["PublicTest"] * 2 + ["PrivateTest"] * 4
    meta = pd.DataFrame({"label": 0, "split": splits})
    return FaceDataset(np.stack([*training, *public, *private]), meta, ("angry",), "fer2013")


def test_pairs_are_listed_counted_and_left_out_of_training(dataset):
    table = quality.near_duplicates(dataset)
    columns = ["split", "face", "training face", "mirrored"]
    assert table[columns].to_numpy().tolist() == [
        ["PublicTest", 4, 0, False],
        ["PrivateTest", 6, 1, True],
        ["PrivateTest", 7, 1, False],
    ]
    near = quality.near_duplicate_counts(dataset, table)["nearly the same"]
    assert near.to_dict() == {"PublicTest": 1, "PrivateTest": 3}  # the blank picture too, which is equal
    clean = quality.drop_near_duplicates(dataset)
    assert clean.notes["near_duplicates_dropped"] == 3
    assert clean.counts()["total"].to_dict() == {"Training": 1, "PublicTest": 2, "PrivateTest": 4}
    assert np.array_equal(clean.images[0], dataset.images[2])
    with pytest.raises(FerError, match=r"has no split 'PublcTest' \(did you mean 'PublicTest'\?\)"):
        quality.near_duplicates(dataset, ["PublcTest"])


def test_the_counts_of_each_part_are_those_of_the_pairs_and_of_equal_pictures(dataset):
    found = quality.near_duplicates(dataset)
    counts = quality.near_duplicate_counts(dataset, found)
    assert list(counts.index) == [split for split in quality.TEST_SPLITS if split in set(dataset.meta["split"])]
    for split, row in counts.iterrows():
        assert row["faces"] == (dataset.meta["split"] == split).sum()
        alone = quality.near_duplicate_counts(dataset, quality.near_duplicates(dataset, [split]), [split])
        pd.testing.assert_frame_equal(alone, counts.loc[[split]])
        assert row["nearly the same"] >= row["same picture"] == quality.leaks(dataset).loc[split, "Training"]
    assert counts["nearly the same"].sum() > 0
    left = quality.drop_near_duplicates(dataset).notes["near_duplicates_dropped"]
    assert counts["training faces"].max() <= left <= counts["training faces"].sum()


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A data folder whose last PrivateTest row has a moved copy of the first Training row's face; both rows, from 1."""
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "cache"))
    data = tmp_path / "data"
    writers.write_fer2013_csv(data / "fer2013", n=140, seed=5)
    file = data / "fer2013" / "fer2013.csv"
    rows = file.read_text().splitlines()
    first = next(number for number, row in enumerate(rows) if row.endswith("Training"))
    pixels = np.array(rows[first].split(",")[1].split(), np.uint8).reshape(48, 48)
    copy = " ".join(map(str, moved(pixels, down=1, right=2).ravel().tolist()))
    last = max(number for number, row in enumerate(rows) if row.endswith("PrivateTest"))
    rows[last] = f"{rows[last].split(',')[0]},{copy},PrivateTest"
    file.write_text("\n".join(rows) + "\n")
    return data, last, first


def test_the_setting_leaves_them_out_and_the_check_counts_them(copied, capsys):
    data, _, first = copied
    plain = corpus.load_fer2013(DataSettings(), str(data))
    clean = corpus.load_fer2013(change(DataSettings(), drop_near_duplicates=True), str(data))
    assert set(plain.meta["source"]) - set(clean.meta["source"]) == {f"row {first}"}
    assert clean.notes["near_duplicates_dropped"] == 1
    assert "near_duplicates_dropped" not in plain.notes
    assert cli.main(["data", "check", str(data)]) == 0
    said = capsys.readouterr().out.splitlines()
    (place,) = [number for number, line in enumerate(said) if line.startswith("PrivateTest near-duplicates")]
    assert said[place].split() == ["PrivateTest", "near-duplicates", "in", "Training", "1"]
    assert said[place + 1].startswith("(--near-duplicates FILE.csv lists them")


def test_the_check_lists_them_by_the_rows_of_the_csv(copied, tmp_path, capsys):
    data, last, first = copied
    listed = tmp_path / "pairs.csv"
    asked = ["data", "check", str(data), "--near-duplicates", str(listed)]
    assert cli.main(asked) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == f"1 pair of a face of PublicTest or PrivateTest and one of Training: {listed}"
    (pair,) = pd.read_csv(listed).to_dict("records")
    assert (pair["split"], pair["source"], pair["training source"]) == ("PrivateTest", f"row {last}", f"row {first}")
    assert (pair["mirrored"], pair["data"]) == (False, "SYNTHETIC")
    assert near_duplicates.THRESHOLD <= pair["score"] <= 1
    found = quality.near_duplicates(corpus.load_fer2013(DataSettings(), str(data)))
    assert found[["face", "training face"]].to_numpy().tolist() == [[pair["face"], pair["training face"]]]
    assert cli.main(asked) == 2
    assert "pairs.csv exists already; name another file" in capsys.readouterr().err


def test_the_images_for_pretraining_are_listed_by_their_files_with_both_classes(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "cache"))
    images, rng = tmp_path / "images", np.random.default_rng(0)
    (images / "val" / "dog").mkdir(parents=True)
    (images / "train" / "dog").mkdir(parents=True)
    (images / "train" / "cat").mkdir(parents=True)
    for name in ("train/cat/a.png", "train/cat/b.png", "train/dog/c.png", "val/dog/d.png"):
        coarse = rng.integers(0, 255, (6, 6, 3), np.uint8)
        Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC).save(images / name)
    with Image.open(images / "train" / "cat" / "b.png") as copy:
        copy.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(images / "val" / "dog" / "copy.jpeg", quality=90)
    (images / "train" / "cat" / "aa.png").write_bytes(b"no picture")
    listed = tmp_path / "pairs.csv"
    assert cli.main(["data", "check", str(images), "--near-duplicates", str(listed), "--skip-bad"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-2] == f"1 pair of a validation image and a training image: {listed}"
    assert said[-1] == "validation images in these pairs: 1; those with another class in training: 1"
    (pair,) = pd.read_csv(listed).to_dict("records")
    assert (pair["image"], pair["class"]) == ("val/dog/copy.jpeg", "dog")
    assert (pair["training image"], pair["training class"]) == ("train/cat/b.png", "cat")
    assert pair["mirrored"]
    assert near_duplicates.THRESHOLD <= pair["score"] <= 1
    assert "data" not in pair


def test_a_list_without_fer2013_or_its_test_parts_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "cache"))
    writers.write_ckplus48(tmp_path / "ckplus", subjects=12, seed=1)
    writers.write_fer2013_csv(tmp_path / "half", n=140, seed=5)
    file = tmp_path / "half" / "fer2013.csv"
    rows = [row for row in file.read_text().splitlines(keepends=True) if "Test" not in row]
    file.write_text("".join(rows))
    for place, words in (("ckplus", "The corpus 'fer2013' is not in"), ("half", "has no test part")):
        asked = ["data", "check", str(tmp_path / place), "--near-duplicates", str(tmp_path / "pairs.csv")]
        assert cli.main(asked) == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / "pairs.csv").exists()
