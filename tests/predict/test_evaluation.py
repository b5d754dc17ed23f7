"""Test the scores of any model on labelled faces of a user."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from fer_lib.backend import keras
from fer_lib.cli import main
from fer_lib.datasets.fer2013 import CLASS_NAMES
from fer_lib.datasets.synthetic import writers
from fer_lib.errors import FerError
from fer_lib.evaluation.metrics import wilson
from fer_lib.predict import evaluation, labelled, models as saved_models, photos
from fer_lib.predict.labelled import class_of
from fer_lib.predict.models import SavedModel

layers = keras.layers
LEVELS = tuple(round(255 * place / 6) for place in range(7))  # of the faces of class 0 to 6


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "cache"))


def by_brightness(classes=7, sureness=1000.0, activation="softmax", side=8):
    """A network that finds the class whose level is nearest to the mean brightness, and is as sure as is asked."""
    centres = np.arange(classes) / 6
    face = keras.Input((side, side, 1))
    last = layers.Dense(classes, activation=activation)
    network = keras.Model(face, last(layers.GlobalAveragePooling2D()(face)))
    last.set_weights([sureness * 2 * centres[np.newaxis], -sureness * centres**2])
    return network


@pytest.fixture
def model(tmp_path):
    by_brightness().save(tmp_path / "mine.keras")
    return tmp_path / "mine.keras"


def write(folder, levels, shape=(48, 48)):
    folder.mkdir(parents=True, exist_ok=True)
    for number, level in enumerate(levels):
        Image.fromarray(np.full(shape, level, np.uint8)).save(folder / f"{number}.png")
    return folder


def album(root, names=CLASS_NAMES):
    """Four faces of each class; one of angry looks happy, two of sad look neutral."""
    for place, name in enumerate(names):
        looks = [LEVELS[place]] * 4
        if name in ("angry", "anger"):
            looks[0] = LEVELS[3]
        if name in ("sad", "Sadness"):
            looks[:2] = [LEVELS[6]] * 2
        write(root / name, looks)
    return root


def scored(path, capsys, *options, status=0):
    assert main(["evaluate", str(path), "--model", "mine.keras", "--json", *options]) == status
    out, err = capsys.readouterr()
    return json.loads(out), err


@pytest.mark.parametrize(
    "names",
    [CLASS_NAMES, ("anger", "Disgusted", "FEARFUL", "happiness", "Sadness", "surprised", "neutral")],
)
def test_a_folder_for_each_class_is_scored(model, tmp_path, capsys, names):
    found, err = scored(album(tmp_path / "album", names), capsys)
    assert err == ""
    assert (found["faces"], found["classes"]) == (28, list(CLASS_NAMES))
    low, high = wilson(25, 28)
    assert found["categorical_accuracy"] == {
        "value": 25 / 28,
        "low": low,
        "high": high,
        "n": 28,
        "interval": "wilson",
    }
    # 25 faces have all 7 decisions right, 3 have 2 of them wrong
    assert found["binary_accuracy"]["value"] == pytest.approx((28 * 7 - 3 * 2) / (28 * 7))
    assert found["binary_accuracy"]["low"] < found["binary_accuracy"]["value"] < found["binary_accuracy"]["high"]
    assert {name: row["value"] for name, row in found["recall"].items()} == dict.fromkeys(CLASS_NAMES, 1) | {
        "angry": 0.75,
        "sad": 0.5,
    }
    assert found["recall"]["sad"]["low"] == wilson(2, 4)[0]
    assert found["confusion"]["sad"] == dict.fromkeys(CLASS_NAMES, 0) | {"sad": 2, "neutral": 2}
    assert found["without_answer"] == []
    assert "each picture is a face crop" in found["data"]


def test_the_two_accuracies_are_told_apart_in_words(tmp_path, capsys):
    by_brightness(sureness=20.0).save(tmp_path / "mine.keras")  # right as before, but never surer than 0.5
    assert main(["evaluate", str(album(tmp_path / "album")), "--model", "mine.keras"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert any(line.startswith("categorical accuracy 89.29 [72.80, 96.29]") for line in lines)
    binary = next(line for line in lines if line.startswith("binary accuracy"))
    assert "Keras' BinaryAccuracy: of 7 yes/no decisions a face, 85.71 % for a model that is never sure" in binary
    assert not binary.startswith("binary accuracy 89.29")
    assert "sad 50.00 [15.00, 85.00] 4" in lines
    assert "sad 0 0 0 0 2 0 2" in lines
    assert any(line.startswith("Class order: angry, disgust") and "(assumed)" in line for line in lines)


def test_binary_accuracy_is_that_of_keras(model, tmp_path):
    by_brightness(sureness=30.0).save(model)
    loaded = saved_models.load(model)
    data = labelled.read(album(tmp_path / "album"), loaded.class_names)
    found = evaluation.evaluate(loaded, data)
    truth = [CLASS_NAMES.index(name) for name in data.truth]
    outputs = [[one.scores[name] for name in CLASS_NAMES] for one in data.predict(loaded)]
    theirs = keras.metrics.BinaryAccuracy()
    theirs.update_state(keras.utils.to_categorical(truth, 7), np.array(outputs))
    ours = found.scores.set_index("metric").loc["binary_accuracy", "value"]
    assert ours == pytest.approx(float(theirs.result()), abs=1e-6)


def test_decision_values_have_no_binary_accuracy(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(SavedModel, "score_kind", property(lambda self: "decision value"))
    found, _ = scored(album(tmp_path / "album"), capsys)
    assert found["binary_accuracy"] is None
    assert found["categorical_accuracy"]["value"] == 25 / 28
    assert main(["evaluate", "album", "--model", "mine.keras"]) == 0
    assert "not defined: the scores are decision values" in capsys.readouterr().out


def test_a_class_that_an_svm_never_learnt_is_unknown_to_it():
    svm = SimpleNamespace(score_kind="decision value", class_names=("happy", "sad", "contempt"))

    def answer(label):
        scores = {"happy": -1.0, "sad": -1.0, "contempt": None} | {label: 0.5}
        return photos.Prediction("a", photos.CROP, face=1, label=label, scores=scores)

    answers = [answer(label) for label in ("happy", "happy", "sad")]
    data = labelled.Labelled("x", ("happy", "sad", "contempt"), lambda model: iter(answers))
    found = evaluation.evaluate(svm, data)
    rows = found.scores.set_index("metric")
    assert "binary_accuracy" not in rows.index
    assert rows.loc["categorical_accuracy", "value"] == 1 / 3
    assert found.confusion.loc["contempt"].tolist() == [0, 1, 0]
    assert found.unknown == {"contempt": 1}
    assert found.known_accuracy["value"] == 1 / 2


def test_a_class_that_the_model_does_not_know_counts_as_wrong_and_is_said(tmp_path, capsys):
    by_brightness(classes=6).save(tmp_path / "mine.keras")
    six = ",".join(CLASS_NAMES[:6])
    write(tmp_path / "album" / "happy", [LEVELS[3]] * 3)
    write(tmp_path / "album" / "neutral", [LEVELS[5]] * 2)
    found, _ = scored(tmp_path / "album", capsys, "--classes", six)
    assert found["classes"] == [*CLASS_NAMES[:6], "neutral"]
    assert found["categorical_accuracy"]["value"] == 3 / 5
    assert found["categorical_accuracy_of_known_classes"]["value"] == 1
    assert found["confusion"]["neutral"]["surprise"] == 2
    assert found["recall"]["angry"]["value"] is None
    assert any("does not know the class neutral: its 2 faces count as wrong" in note for note in found["notes"])


def test_own_classes_of_a_model(tmp_path, capsys):
    by_brightness(classes=2).save(tmp_path / "mine.keras")
    write(tmp_path / "album" / "No_Smile", [0])
    write(tmp_path / "album" / "smile", [LEVELS[1], 0])
    found, _ = scored(tmp_path / "album", capsys, "--classes", "no smile,smile")
    assert found["categorical_accuracy"]["value"] == 2 / 3


def test_a_class_of_two_words_is_known_by_its_folder():
    known = ("happy", "not_sure", "Very Sad")
    assert [class_of(word, known) for word in ("not_sure", "Not sure", "very_sad", "happiness")] == [
        *("not_sure", "not_sure", "Very Sad", "happy")
    ]
    assert class_of("unsure", known) is None


def write_csv(path, usages):
    """A SYNTHETIC fer2013.csv: for each usage a face of each class, of which the last is taken for angry."""
    lines = ["emotion,pixels,Usage"]
    for usage in usages:
        for label in range(7):
            level = LEVELS[0] if label == 6 else LEVELS[label]
            lines.append(f"{label},{' '.join([str(level)] * 2304)},{usage}")
    path.parent.mkdir(exist_ok=True)
    (path.parent / "SYNTHETIC.txt").write_text("generated by a test\n")
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(
    ("options", "faces", "words"),
    [
        ([], 7, "FER-2013, split PrivateTest (7 of 28 faces"),
        (["--split", "publictest"], 7, "FER-2013, split PublicTest (7 of 28 faces"),
        (["--split", "all"], 28, "FER-2013, splits Training, PublicTest, PrivateTest"),
    ],
)
def test_a_csv_of_fer2013_is_scored_by_its_test_part(model, tmp_path, capsys, options, faces, words):
    path = write_csv(tmp_path / "data" / "mine.csv", ["Training", "Training", "PublicTest", "PrivateTest"])
    found, _ = scored(path, capsys, *options)
    assert found["faces"] == faces
    assert found["data"].startswith(words)
    assert found["categorical_accuracy"]["value"] == pytest.approx(6 / 7)
    assert found["confusion"]["neutral"]["angry"] == faces / 7
    assert found["synthetic"]
    assert found == scored(path.parent, capsys, *options)[0] | {"data": found["data"]}


def test_a_csv_without_test_parts_is_scored_whole(model, tmp_path, capsys):
    found, _ = scored(write_csv(tmp_path / "data" / "mine.csv", ["Training"]), capsys)
    assert (found["faces"], found["data"]) == (7, "FER-2013, splits Training")


def write_ckplus_csv(path):
    """A SYNTHETIC ckextended.csv: two faces of each class and one of contempt; one happy face is taken for angry."""
    lines = ["emotion,pixels,Usage"]
    for label, level in [*enumerate(LEVELS), *enumerate(LEVELS), (7, LEVELS[6])]:
        taken = LEVELS[0] if label == 3 and len(lines) < 7 else level
        lines.append(f"{label},{' '.join([str(taken)] * 2304)},Training")
    path.parent.mkdir()
    (path.parent / "SYNTHETIC.txt").write_text("generated by a test\n")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_ckplus_as_a_csv_is_scored(model, tmp_path, capsys):
    path = write_ckplus_csv(tmp_path / "data" / "ckextended.csv")
    found, err = scored(path, capsys)
    assert (err, found["faces"], found["data"], found["synthetic"]) == ("", 15, "CK+, all faces", True)
    assert found["classes"] == [*CLASS_NAMES, "contempt"]
    assert found["categorical_accuracy"]["value"] == pytest.approx(13 / 15)
    assert found["categorical_accuracy_of_known_classes"]["value"] == pytest.approx(13 / 14)
    assert found["recall"]["happy"]["value"] == 0.5
    assert found["confusion"]["contempt"]["neutral"] == 1
    assert found == scored(path.parent, capsys)[0]
    for option, words in (("--find-faces", "Found --find-faces for CK+"), ("--split=Test", "but CK+ has no splits")):
        assert main(["evaluate", str(path), "--model", "mine.keras", option]) == 2
        assert words in capsys.readouterr().err


def test_ckplus_in_an_archive_is_scored_and_its_whole_photos_are_not(model, tmp_path, capsys):
    crops = shutil.make_archive(tmp_path / "ck48", "zip", writers.write_ckplus48(tmp_path / "crops", subjects=3))
    faces = len(list((tmp_path / "crops").rglob("*.png")))
    assert scored(crops, capsys)[0]["faces"] == faces
    photos = writers.write_ckplus(tmp_path / "photos", subjects=3)
    assert main(["evaluate", str(photos), "--model", "mine.keras"]) == 2
    assert "has CK+ as whole photos; give its face crops: the 48 x 48 release" in capsys.readouterr().err


def test_a_model_that_learnt_ckplus_is_not_tested_on_it(tmp_path):
    by_brightness().save(tmp_path / "mine.keras")
    (tmp_path / "model.json").write_text(json.dumps({"provenance": {"data": {"ckplus": {"synthetic": True}}}}))
    loaded = saved_models.load(tmp_path / "mine.keras")
    data = labelled.read(write_ckplus_csv(tmp_path / "data" / "ckextended.csv"), loaded.class_names)
    said = evaluation.notes(evaluation.evaluate(loaded, data), loaded, data)
    assert any("this is no test" in note for note in said)


def test_other_pictures_in_a_data_folder_are_no_classes(model, tmp_path, capsys):
    path = write_csv(tmp_path / "data" / "fer2013.csv", ["Training", "PrivateTest"])
    write(path.parent / "holiday", [0, 1])
    assert scored(path.parent, capsys)[0]["data"].startswith("FER-2013, split PrivateTest")


def test_folders_of_fer2013_are_read_as_fer2013(model, tmp_path, capsys):
    root = writers.write_fer2013_folders(tmp_path / "faces", n=49, seed=0)
    found, _ = scored(root, capsys)
    assert found["data"].startswith("FER-2013, split")
    part = next(entry for entry in root.rglob("*") if entry.name in ("test", "PrivateTest"))
    assert scored(part, capsys)[0]["data"].endswith("a folder for each class, each picture is a face crop")


def test_training_faces_of_the_models_own_corpus_are_no_test(tmp_path):
    by_brightness().save(tmp_path / "mine.keras")
    card = {"provenance": {"data": {"fer2013": {"synthetic": True}}}}
    (tmp_path / "model.json").write_text(json.dumps(card))
    loaded = saved_models.load(tmp_path / "mine.keras")
    path = write_csv(tmp_path / "data" / "mine.csv", ["Training", "PrivateTest"])
    for split, warned in ((None, False), ("Training", True), ("all", True)):
        data = labelled.read(path, loaded.class_names, split=split)
        said = evaluation.notes(evaluation.evaluate(loaded, data), loaded, data)
        assert any("this is no test" in note for note in said) == warned


def test_pictures_that_cannot_be_read_are_named_and_left_out(model, tmp_path, capsys):
    root = album(tmp_path / "album")
    (root / "happy" / "0.png").write_bytes(b"<html>")
    found, err = scored(root, capsys, status=2)
    assert found["faces"] == 27
    assert found["without_answer"][0]["outcome"] == "unreadable"
    assert err.startswith("fer-lib: error: ")
    assert "happy/0.png" in err
    assert any("without an answer, which are in no score: 1." in note for note in found["notes"])


def test_photos_are_searched_only_on_request(model, tmp_path, capsys, monkeypatch):
    calls = []

    def detect(images, settings):
        calls.append(len(images))
        return [[] for _ in images]

    monkeypatch.setattr(photos, "detect", detect)
    root = album(tmp_path / "album")
    scored(root, capsys)
    assert not calls
    assert main(["evaluate", str(root), "--model", "mine.keras", "--find-faces"]) == 2
    assert calls == [28]
    assert "None of the 28 pictures has an answer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (lambda root: None, [], "No such file or folder"),
        (lambda root: root.mkdir(), [], "no folder with pictures for each class"),
        (lambda root: write(root / "hapy", [0]), [], "hapy is no class of the model"),
        (lambda root: write(root / "hapy", [0]), [], "did you mean 'happy'?"),
        (lambda root: (write(root / "sad", [0]), write(root / "happy" / "new", [0])), [], "happy are in subfolders"),
        (lambda root: album(root), ["--split", "PrivateTest"], "Found --split PrivateTest for"),
        (lambda root: write_csv(root / "a.csv", ["Training"]), ["--split", "Test"], "the splits here are Training"),
        (lambda root: write_csv(root / "a.csv", ["Training"]), ["--find-faces"], "Found --find-faces for FER-2013"),
        (lambda root: write(root / "happy", [0]), ["--classes", "a,b,c,d,e,f,g"], "none is the same"),
        (lambda root: album(root), ["--classes", "angry,hapy"], "did you mean 'happy'?"),
        (lambda root: (root.mkdir(), (root / "a.csv").write_text("x,y\n1,2\n")), [], "no folder with pictures"),
    ],
)
def test_problems_are_one_sentence(model, tmp_path, capsys, make, options, words):
    make(tmp_path / "album")
    assert main(["evaluate", str(tmp_path / "album"), "--model", "mine.keras", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


def test_a_file_of_another_kind_is_refused(model, tmp_path, capsys):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    assert main(["evaluate", "a.csv", "--model", "mine.keras"]) == 2
    assert "expected fer2013.csv" in capsys.readouterr().err


def test_the_default_model_is_the_first_of_the_list(model, tmp_path, capsys):
    kept = tmp_path / "results" / "quick" / "models"
    kept.mkdir(parents=True)
    shutil.move(model, kept / "mine.keras")
    assert main(["evaluate", str(album(tmp_path / "album"))]) == 0
    assert "Model: results/quick/models/mine.keras" in capsys.readouterr().out


def test_no_faces_at_all_is_an_error(model):
    loaded = saved_models.load(model)
    with pytest.raises(FerError, match="none is the same"):
        evaluation.evaluate(loaded, labelled.Labelled("nothing", (), lambda model: iter(())))
