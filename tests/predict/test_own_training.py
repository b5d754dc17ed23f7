"""Test `fer-lib train`: what it reads, the held-out faces, a kill and its continuation, and one sentence a fault."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_lib.cli import main
from fer_lib.datasets.fer2013 import CLASS_NAMES
from fer_lib.datasets.synthetic import writers
from fer_lib.errors import FerError
from fer_lib.faces.geometry import Detection
from fer_lib.predict import export, models as saved_models, own_training, shelf, training_faces
from fer_lib.predict.training_request import checked
from fer_lib.tables.base import crops_of
from fer_lib.utils.checkpoints import Checkpoints

SMALL = ("--network", "baseline_cnn", "--size", "32", "--epochs", "2")
CLASSES = ("angry", "happy", "pain")


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "cache"))


def write_album(root, names=("Happiness", "angry", "pain"), faces=10, side=40):
    """Pictures whose bright third tells the class."""
    for place, name in enumerate(sorted(names)):
        (root / name).mkdir(parents=True)
        for number in range(faces):
            image = np.random.default_rng([place, number]).integers(0, 90, (side, side + 10))
            image[place * side // 3 : (place + 1) * side // 3] += 150
            Image.fromarray(image.astype(np.uint8)).save(root / name / f"{number}.png")
    return root


@pytest.fixture
def album(tmp_path):
    return write_album(tmp_path / "album")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model that was trained without a break."""
    place = tmp_path_factory.mktemp("whole")
    album = write_album(place / "album")
    assert main(["train", str(album), *SMALL, "--out", str(place / "mine")]) == 0
    return place / "mine"


def refusal(capsys, *words):
    """The one sentence of a run that fails."""
    assert main([str(word) for word in words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("fer-lib: error: ")
    assert err.count("\n") == 1
    return err


# --- training ---------------------------------------------------------------------------------------------------------


def test_a_model_is_written_that_all_commands_read_without_options(trained, album, capsys, monkeypatch):
    assert sorted(path.name for path in trained.iterdir()) == ["model.json", "network.keras"]
    card = json.loads((trained / "model.json").read_text())
    assert (card["held_out"]["faces"], card["held_out"]["training_faces"]) == (6, 24)
    assert set(card["held_out"]["recall"]) == set(CLASSES)
    face = str(album / "pain" / "0.png")
    for model in (trained, trained / "network.keras"):
        assert main(["predict", face, "--model", str(model), "--already-cropped", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)[0]
        assert (found["class_order"], found["class_order_from"], found["scaling_from"]) == (
            [*CLASSES],
            "card",
            "card",
        )
        assert found["trained_on"] == "own faces"
    assert main(["evaluate", str(album), "--model", str(trained), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["faces"] == 30
    (listed,) = [one for one in shelf.list_models(trained.parent) if one.path == trained]
    assert (listed.classes, listed.corpus, listed.synthetic) == (CLASSES, "own faces", False)
    assert listed.scores[0].value == card["held_out"]["categorical_accuracy"][0]
    assert (listed.scores[0].measured_on, listed.scores[0].n) == ("faces held out", 6)
    seen = []
    monkeypatch.setattr(export, "_convert", lambda source, to, made: seen.append(source) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["export", str(trained), "--to", "litert"])
    assert seen == [trained / "network.keras"]


def test_a_killed_training_continues_to_the_same_network(trained, album, capsys, monkeypatch):
    save, saved = Checkpoints.save, []

    def killed(self, model, tables):
        save(self, model, tables)
        saved.append(self.folder)
        raise KeyboardInterrupt

    words = ["train", str(album), *SMALL, "--out", "again"]
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", killed)
        assert main(words) == 130
    assert capsys.readouterr().err.endswith("fer-lib: interrupted.\n")
    assert sorted(path.name for path in saved[0].parent.iterdir()) == ["checkpoints", "training.json"]
    assert len(saved) == 1
    assert "epochs 2 and not 3" in refusal(capsys, *words, "--epochs", 3)
    assert main(words) == 0
    assert "Wrote again." in capsys.readouterr().out
    whole, broken = (saved_models.load(path).network.get_weights() for path in (trained, "again"))
    assert all(np.array_equal(one, other) for one, other in zip(whole, broken, strict=True))
    assert main(words) == 0
    assert "Already trained: again." in capsys.readouterr().out
    assert "seed 0 and not 1" in refusal(capsys, *words, "--seed", 1)
    (album / "pain" / "0.png").unlink()
    assert "again contains a model that was trained with faces" in refusal(capsys, *words)


def test_a_training_that_ended_before_its_first_epoch_is_no_obstacle(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "training.json").write_text('{"epochs": 3}')
    assert own_training._earlier(tmp_path / "mine", {"epochs": 2}) is None
    (tmp_path / "mine" / "checkpoints").mkdir()
    with pytest.raises(FerError, match="an unfinished training with epochs 3 and not 2"):
        own_training._earlier(tmp_path / "mine", {"epochs": 2})


def test_held_out_faces_are_no_copies_and_no_subjects_of_those_learnt_from(album):
    for name in ("happy2", "angry2"):
        shutil.copytree(album / "pain", album / name)
    faces = training_faces.read(album, size=32)
    request = checked("baseline_cnn", image_size=32, validation=0.25)
    settings = own_training._comparator(request).settings()
    learn, held_out = own_training._divided(faces, settings, request)
    pixels = [{image.tobytes() for image in part.images} for part in (learn, held_out)]
    assert not pixels[0] & pixels[1]
    people = np.arange(len(faces)) % 8
    named = replace(faces, meta=faces.meta.assign(subject=[f"S{number}" for number in people]))
    learn, held_out = own_training._divided(named, settings, request)
    assert not set(learn.meta["subject"]) & set(held_out.meta["subject"])
    assert (len(learn) + len(held_out), len(set(held_out.meta["subject"]))) == (50, 2)


def test_the_modern_recipe_trains_each_network():
    for network, rate in (("resnet50_modern", 0.0003), ("baseline_cnn", 0.001)):
        settings = own_training._comparator(checked(network)).settings()
        assert (settings.optimizer, settings.schedule, settings.label_smoothing) == ("adamw", "cosine", 0.1)
        assert (settings.learning_rate, settings.horizontal_flip, settings.validation_share) == (rate, True, 0.2)
    assert own_training._comparator(checked("resnet50_modern", weights="none")).settings().learning_rate == 0.001


# --- faces ------------------------------------------------------------------------------------------------------------


def test_class_folders_get_this_projects_names_and_an_order_of_their_own(album):
    faces = training_faces.read(album, size=32)
    assert (faces.class_names, faces.images.shape, faces.synthetic) == (CLASSES, (30, 32, 32), False)
    assert crops_of(faces) == "already cropped"
    for number, file in enumerate(sorted((album / "pain").iterdir(), reverse=True)):
        file.rename(file.with_name(f"x{number}.png"))
    assert training_faces.read(album, size=32).fingerprint == faces.fingerprint


def test_only_the_training_part_of_fer2013_is_learnt_from(tmp_path):
    writers.write_fer2013_csv(tmp_path / "data", n=140, seed=1)
    faces = training_faces.read(tmp_path / "data", size=32)
    assert set(faces.meta["split"]) == {"Training"}
    assert (faces.class_names, faces.images.shape[1:], faces.synthetic) == (CLASS_NAMES, (48, 48), True)
    assert (training_faces.groups(faces) >= 0).all()


def test_cropped_ckplus_in_class_folders_names_its_subjects(tmp_path):
    writers.write_ckplus48(tmp_path / "faces", subjects=12, seed=1)
    faces = training_faces.read(tmp_path / "faces", size=32)
    assert faces.corpus == "ckplus"
    assert "angry" in faces.class_names
    assert pd.Series(training_faces.groups(faces)).nunique() == faces.meta["subject"].nunique() <= 12


def test_pictures_are_searched_on_request_and_those_without_a_face_counted(album, monkeypatch):
    def detect(pictures, settings):
        face = Detection((5.0, 5.0, 20.0, 20.0), 0.99, *[(9.0, 9.0)] * 5)
        return [[] if number == 3 else [face] for number, _ in enumerate(pictures)]

    monkeypatch.setattr(training_faces, "detect", detect)
    faces = training_faces.read(album, size=32, search=True)
    assert (len(faces), faces.notes) == (29, {"left out": {"without a sure face": 1}, "faces": {"searched": 30}})
    assert crops_of(faces) == "found by MTCNN"


def test_photos_of_a_corpus_are_searched(tmp_path, monkeypatch):
    writers.write_genki4k(tmp_path / "data", n=6, seed=1)
    monkeypatch.setattr(
        training_faces,
        "face_crops",
        lambda photos, settings, **asked: (_ for _ in ()).throw(FerError(f"{photos.corpus} {settings.size} {asked}")),
    )
    with pytest.raises(FerError, match="genki4k 32"):
        training_faces.read(tmp_path / "data", size=32)


def test_bad_pictures_stop_or_are_counted(album, capsys):
    (album / "pain" / "broken.png").write_bytes(b"no picture")
    assert "broken.png" in (said := refusal(capsys, "train", album, *SMALL))
    assert "--skip-bad" in said
    assert training_faces.read(album, size=32, skip_bad=True).notes["left out"] == {"unreadable": 1}


# --- one sentence -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--validation", "0.9"], "Found --validation 0.9; expected the share"),
        (["--validation", "nan"], "Found --validation nan; expected the share"),
        (["--validation", "0.05"], "The class angry has 10 different faces, and --validation 0.05 needs 20"),
        (["--epochs", "0"], "Found --epochs 0; expected 1 or more"),
        (["--size", "8"], "Found --size 8; expected 32 to 512 pixels"),
        (["--seed", "-1"], "Found --seed -1"),
        (["--weights", "imagenet"], "Found --weights for baseline_cnn"),
        (["--network", "resnet50_modern", "--weights", "none.h5"], "No such weights file: none.h5"),
        (["--out", "mine.keras"], "Found --out mine.keras, which is no folder"),
        (["--out", "album/model"], "album/model is in the folder of the faces"),
        (["--out", "full"], "full contains something else than a training"),
    ],
)
def test_a_wrong_option_is_one_sentence(album, tmp_path, capsys, options, words):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    assert words in refusal(capsys, "train", "album", *SMALL, *options)


def test_a_path_without_faces_of_two_classes_is_one_sentence(album, tmp_path, capsys):
    assert "No such file or folder: nowhere" in refusal(capsys, "train", "nowhere", *SMALL)
    shutil.rmtree(album / "pain")
    shutil.rmtree(album / "angry")
    assert "album has only the class happy" in refusal(capsys, "train", album, *SMALL)
    (tmp_path / "empty").mkdir()
    assert "is none of FER-2013" in refusal(capsys, "train", "empty", *SMALL)
    writers.write_olivetti(tmp_path / "people", people=40, seed=1)
    assert "contains the Olivetti faces, which have no expressions" in refusal(capsys, "train", "people", *SMALL)


def test_a_class_may_not_have_the_name_of_a_column(album, capsys):
    (album / "pain").rename(album / "label")
    assert "has a class called 'label'" in refusal(capsys, "train", album, *SMALL)


def test_corpora_are_told_apart(tmp_path, capsys):
    writers.write_fer2013_csv(tmp_path / "data" / "fer2013", n=70, seed=1)
    assert "Found --find-faces for FER-2013" in refusal(capsys, "train", "data", *SMALL, "--find-faces")
    writers.write_genki4k(tmp_path / "data" / "genki4k", n=6, seed=1)
    assert "give one of these paths" in refusal(capsys, "train", "data", *SMALL)
