"""Test that data attached to a hosted notebook are found, on Kaggle by content and on a drive by names."""

from __future__ import annotations

import os
import shutil

import pytest

from fer_lib.datasets import attached, finder
from fer_lib.datasets.readers import locate
from fer_lib.datasets.synthetic import writers


@pytest.fixture(autouse=True)
def places(monkeypatch, tmp_path):
    monkeypatch.setenv("FER_DATA", "")  # restored at the end, whatever the test sets
    monkeypatch.delenv("FER_DATA")
    monkeypatch.setattr(attached, "KAGGLE", tmp_path / "kaggle" / "input")
    monkeypatch.setattr(attached, "COLAB", (tmp_path / "drive" / "MyDrive", tmp_path / "content"))
    return tmp_path


def test_elsewhere_nothing_is_said_or_set():
    assert attached.use() is None
    assert "FER_DATA" not in os.environ


def test_kaggles_data_sets_are_known_by_content(places):
    writers.write_fer2013_csv(attached.KAGGLE / "facial-expressions" / "deeper", n=70, seed=1)
    assert attached.use().endswith("(FER-2013); the profiles quick and paper use it.")
    assert finder.find(os.environ["FER_DATA"], "fer2013").path.exists()


def test_the_folder_with_most_corpora_is_taken(places):
    writers.write_fer2013_csv(attached.KAGGLE / "mine" / "fer2013", n=70, seed=1)
    writers.write_ckplus48(attached.KAGGLE / "mine" / "ckplus", subjects=12, seed=1)
    said = attached.use()
    assert "(FER-2013, CK+)" in said
    assert {"fer2013", "ckplus"} <= set(finder.find_all(os.environ["FER_DATA"]))


def test_a_mounted_drive_is_searched_by_name_and_no_file_is_opened(places, monkeypatch):
    folder = attached.COLAB[0] / "faces"
    folder.mkdir(parents=True)
    (folder / "fer2013.zip").write_bytes(b"not opened")
    monkeypatch.setattr(finder, "find_all", lambda path: 1 / 0)
    assert attached.use() == f"Data: {folder} (FER-2013); the profiles quick and paper use it."
    assert os.environ["FER_DATA"] == str(folder)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("icml_face_data.csv", "FER-2013"),
        ("icml_face_data.csv.zip", "FER-2013"),
        ("CK+48", "CK+"),
        ("CK+48.zip", "CK+"),
        ("ckextended.csv", "CK+"),
        ("cohn-kanade-images", "CK+"),
    ],
)
def test_usual_downloads_on_a_drive_are_known_by_name(places, monkeypatch, name, title):
    folder = attached.COLAB[0] / "faces"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(b"not opened") if "." in name else (folder / name).mkdir()
    (folder / "notes.csv").write_text("emotion,pixels,Usage\n")
    monkeypatch.setattr(locate, "open_source", lambda path: 1 / 0)
    assert attached.use() == f"Data: {folder} ({title}); the profiles quick and paper use it."


@pytest.mark.parametrize("name", ["archive.zip", "archive (2).zip", "Archive(1).zip"])
def test_an_archive_of_a_name_for_anything_is_known_by_content(places, name):
    folder = attached.COLAB[0] / "downloads"
    folder.mkdir(parents=True)
    (attached.COLAB[0] / "archive.zip").write_bytes(b"damaged")
    crops = writers.write_ckplus48(places / "crops", subjects=12, seed=1)
    shutil.move(shutil.make_archive(places / "made", "zip", crops), folder / name)
    assert attached.use() == f"Data: {folder} (CK+); the profiles quick and paper use it."
    assert finder.find(os.environ["FER_DATA"], "ckplus").path.exists()


def test_a_train_csv_is_fer2013_by_its_columns_alone(places):
    passengers, faces = attached.COLAB[0] / "passengers", attached.COLAB[0] / "z"
    for folder, text in ((passengers, "PassengerId,Survived\n1,0\n"), (faces, f"emotion,pixels\n0,{'7 ' * 2304}\n")):
        folder.mkdir(parents=True)
        (folder / "train.csv").write_text(text)
    assert attached.use() == f"Data: {faces} (FER-2013); the profiles quick and paper use it."
    (faces / "train.csv").unlink()
    os.environ.pop("FER_DATA")
    assert attached.use().startswith("No corpus is attached")


def test_without_data_the_sentence_says_so(places):
    attached.KAGGLE.mkdir(parents=True)
    (attached.KAGGLE / "notes").mkdir()
    (attached.KAGGLE / "notes" / "archive.zip").write_bytes(b"damaged")
    assert attached.use().startswith("No corpus is attached")
    assert "FER_DATA" not in os.environ


def test_a_data_folder_that_is_set_stays(places, monkeypatch):
    attached.KAGGLE.mkdir(parents=True)
    monkeypatch.setenv("FER_DATA", "elsewhere")
    assert attached.use() == "FER_DATA is elsewhere."
    assert os.environ["FER_DATA"] == "elsewhere"
