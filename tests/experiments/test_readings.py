"""Test the readings of liu2023's 98.60 % on toy faces whose features tell the face, and nothing of its class."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from fer_lib.augmentation import expand, view_names
from fer_lib.datasets import corpus
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.splits import Fold, groups_of
from fer_lib.datasets.synthetic import writers
from fer_lib.experiments import contempt as contempt_photos, protocols, readings
from fer_lib.models import resnet50_svm
from fer_lib.settings import CkPlusSettings, DataSettings, ExpansionSettings, FaceSettings, ResNet50SvmSettings
from fer_lib.svm import classifiers
from fer_lib.tables import svm as svm_tables

CLASSES = ("angry", "happy", "sad")
SUBJECTS = 16
DIVISION = CkPlusSettings(train_per_class=12, test_per_class=3, repeats=2, folds=2)
SETTINGS = ResNet50SvmSettings(c_grid=(1.0, 10.0), gamma_grid=(0.1, 1.0), grid_steps=1, search_folds=2, search_views=2)


def features(pictures: np.ndarray) -> np.ndarray:
    """Every other pixel of the picture, as float32: fewer features than there are pixels."""
    return pictures.reshape(*pictures.shape[:-2], -1)[..., ::2].astype(np.float32)


@pytest.fixture(scope="module")
def people() -> FaceDataset:
    """A face of each class for each of sixteen subjects; the images are smooth noise."""
    meta = pd.DataFrame(
        [
            {"label": label, "split": "all", "subject": f"S{who:03d}", "sequence": f"S{who:03d}_{label}", "frame": 0}
            for who in range(SUBJECTS)
            for label in range(len(CLASSES))
        ]
    )
    coarse = np.random.default_rng(0).integers(0, 256, (len(meta), 4, 4), dtype=np.uint8)
    return FaceDataset(np.repeat(np.repeat(coarse, 4, axis=1), 4, axis=2), meta, CLASSES, "toy")


def of(people: FaceDataset, cross_cut: str) -> tuple[classifiers.Examples, ExpansionSettings]:
    expanding = ExpansionSettings(cross_cut=cross_cut)
    views = features(expand(people.images, expanding))
    return (
        classifiers.Examples(features(people.images), people.labels, groups_of(people, "subjects"), views),
        expanding,
    )


@pytest.fixture(scope="module")
def found(people):
    return protocols.divisions(people, DIVISION, seed=0)


@pytest.fixture(scope="module")
def given(people, found, tmp_path_factory):
    examples, expanding = of(people, "none")
    folder = tmp_path_factory.mktemp("features")
    return readings.material(examples, people, found, expanding, features=features, checkpoints=folder)


@pytest.fixture(scope="module")
def contempt(given):
    """Seven faces of contempt, two of them of a subject that shows no other class; the control doubles all features."""
    rng = np.random.default_rng(5)
    own = rng.normal(400, 5, (7, 128)).astype(np.float32)
    more = classifiers.Examples(own, np.zeros(7, int), None, np.stack([own] * 12, axis=1))
    own = given.examples
    double = dataclasses.replace(own, originals=2 * own.originals, views=2 * own.views)
    return readings.with_contempt(dataclasses.replace(given, control=double), more, ["S003"] * 5 + ["S999"] * 2)


@pytest.fixture(scope="module")
def answers(found, contempt, tmp_path_factory):
    return readings.run(found, contempt, SETTINGS, checkpoints=tmp_path_factory.mktemp("kept"))


@pytest.mark.parametrize("cross_cut", ["none", "originals", "each_copy"])
def test_views_that_the_run_has_are_taken_and_the_others_computed(people, found, cross_cut, tmp_path):
    examples, expanding = of(people, cross_cut)
    asked = []

    def counting(pictures):
        asked.append(pictures.shape[1])
        return features(pictures)

    made = readings.material(examples, people, found, expanding, features=counting, checkpoints=tmp_path)
    drawn = np.unique(np.concatenate([np.r_[fold.train, fold.test] for _, fold in readings.draws(found)]))
    whole = features(expand(people.images, ExpansionSettings(cross_cut="originals")))
    assert asked == {"none": [5], "originals": [], "each_copy": [12]}[cross_cut]
    assert made.views.shape == whole.shape == (len(people), 17, 128)
    np.testing.assert_array_equal(made.views[drawn], whole[drawn])
    np.testing.assert_array_equal(made.copies, made.views[:, :12])
    assert made.pixels.shape == (len(people), 12, 256)
    np.testing.assert_allclose(made.pixels[drawn][..., ::2], whole[drawn, :12] / 255, rtol=1e-6)
    again = readings.material(examples, people, found, expanding, features=counting, checkpoints=tmp_path)
    np.testing.assert_array_equal(again.views, made.views)
    assert len(asked) <= 1


def test_every_reading_tests_as_many_pictures_as_it_says(answers):
    rows = readings.scores(answers).set_index("reading")
    assert tuple(rows.index) == readings.READINGS
    assert rows["draws"].unique().tolist() == [2]
    assert rows.loc["as_run", ["learnt", "tested"]].to_list() == [36 * 12, 9]
    assert rows.loc["five_crops", ["learnt", "tested"]].to_list() == [36 * 12, 9 * 5]
    assert rows.loc["copies_divided", ["learnt", "tested"]].to_list() == [432, 108]  # 8:2 of 45 faces, 12 copies each
    assert rows.loc["pixels_copies_divided", ["learnt", "tested"]].to_list() == [432, 108]
    assert rows.loc["pixels", ["learnt", "tested"]].to_list() == [36, 9]
    assert rows.loc["contempt", ["learnt", "tested"]].to_list() == [(36 + 6) * 12, 10]
    assert rows.loc["fit_on_faces", ["learnt", "tested"]].to_list() == [36, 9]
    assert rows.loc["seventeen_views", ["learnt", "tested"]].to_list() == [36 * 17, 9]
    assert rows["views"].isna().to_dict() == {
        name: name in ("copies_divided", "pixels", "pixels_copies_divided", "fit_on_faces") for name in rows.index
    }


def test_copies_on_both_sides_are_recognised_where_no_class_can_be(answers):
    rows = readings.scores(answers).set_index("reading")
    for leaky, clean in (("copies_divided", "as_run"), ("pixels_copies_divided", "pixels")):
        assert rows.loc[leaky, "testing"] > 0.9
        assert rows.loc[clean, "testing"] < 0.7
    np.testing.assert_allclose(rows["testing"], 1 - rows["wrong"] / (rows["tested"] * rows["draws"]), atol=1e-12)
    assert (rows["testing_min"] <= rows["testing"]).all()
    assert (rows["testing"] <= rows["testing_max"]).all()
    assert ((rows["testing_low"] <= 0.986) & (rows["testing_high"] >= 0.986)).equals(rows["holds_printed"])


def test_a_choice_on_the_test_faces_is_the_best_of_the_grid(found, given, answers):
    draw, fold = readings.draws(found)[0]
    best, table = classifiers.search("resnet50_svm_rbf", given.examples, settings=SETTINGS, seed=draw, folds=[fold])
    own = answers[(answers["reading"] == "chosen_on_test") & (answers["draw"] == draw)]
    assert own[["C", "gamma_multiple"]].drop_duplicates().to_numpy().tolist() == [list(best.values())]
    accuracies = [
        (classifiers.predict(fitted, given.examples.originals[fold.test]) == given.examples.labels[fold.test]).mean()
        for fitted in [
            classifiers.fit_with(
                "resnet50_svm_rbf",
                given.examples.take(fold.train).some_views(2),
                parameters={"C": row.C, "gamma_multiple": row.gamma_multiple},
                settings=SETTINGS,
            )
            for row in table.itertuples()
        ]
    ]
    np.testing.assert_allclose(table["accuracy"], accuracies)


def test_as_run_is_the_runs_own_classifier(found, given, answers, tmp_path):
    own = protocols.run(found[:1], given.examples, given.faces, SETTINGS, checkpoints=tmp_path)
    own = own[(own["classifier"] == "resnet50_svm_rbf") & (own["part"] == "testing")]
    assert (own["draw"].unique(), own["separation"].unique()) == ([0], ["frames"])
    same = answers[(answers["reading"] == "as_run") & (answers["draw"] == 0)]
    np.testing.assert_array_equal(own["predicted"], same["predicted"])
    assert own["views_accuracy"].iloc[0] == pytest.approx(same["views"].iloc[0])


def test_contempt_is_one_more_class_and_its_subjects_are_the_corpuss(given, contempt, answers):
    assert contempt.contempt.labels.tolist() == [3] * 7
    assert contempt.contempt.groups.tolist() == [3] * 5 + [SUBJECTS] * 2
    own = answers[answers["reading"] == "contempt"]
    assert (own["label"] == 3).sum() == 2  # one a draw
    assert (own.loc[own["label"] == 3, "predicted"] == 3).all()
    assert given.contempt is None


def test_faces_of_contempt_are_those_that_the_corpus_leaves_out(tmp_path):
    writers.write_ckplus48(tmp_path / "ckplus", subjects=6)
    data, every = DataSettings(source="folder"), {"ckplus": CkPlusSettings(), "faces": FaceSettings()}
    without = corpus.load_ckplus(every["ckplus"], data, str(tmp_path))
    contempt = contempt_photos.faces(every, data, str(tmp_path))
    assert "contempt" not in without.class_names
    assert len(contempt) > 0
    assert {contempt.class_names[label] for label in contempt.labels} == {"contempt"}
    assert not set(contempt.meta["source"]) & set(without.meta["source"])
    kept = {**every, "ckplus": CkPlusSettings(contempt=True)}
    assert contempt_photos.faces(kept, data, str(tmp_path)) is None


def test_gathered_features_are_those_of_the_network(people, found, tmp_path, monkeypatch):
    """The network's features are every other pixel here; three faces of contempt join as one more class."""
    monkeypatch.setattr(resnet50_svm, "features", lambda model, pictures, *, settings: features(pictures))
    examples, expanding = of(people, "none")
    every = {"resnet50_svm": SETTINGS, "expansion": expanding}
    given = {"every": every, "checkpoints": tmp_path}
    three = people.take(np.array([0, 1, 5]))
    made = readings.gather(None, examples, people, found, contempt=three, **given)
    np.testing.assert_array_equal(made.contempt.originals, features(three.images))
    assert made.contempt.views.shape == (3, 12, 128)
    assert (made.contempt.labels.tolist(), made.contempt.groups.tolist()) == ([3, 3, 3], [0, 0, 1])
    assert made.control is None
    alone = readings.gather(None, examples, people, found, contempt=None, control="other", **given)
    assert alone.contempt is None
    np.testing.assert_array_equal(alone.control.views, examples.views)
    assert (tmp_path / "control" / "views.npy").is_file()


def test_without_contempt_its_reading_is_left_out(found, given, tmp_path):
    alone = readings.run([each for each in found if each.draw == 0], given, SETTINGS, checkpoints=tmp_path)
    assert "contempt" not in set(alone["reading"])
    assert set(alone["draw"]) == {0}


def test_a_control_of_the_same_network_answers_as_the_run_does(answers):
    own = {name: part["predicted"].tolist() for name, part in answers.groupby("reading")}
    assert own["other_fine_tuning"] == own["as_run"]  # γ is a multiple of one over the features' variance
    assert own["other_fine_tuning"] != own["fit_on_faces"]


def test_a_finished_draw_is_read_back(found, contempt, answers, tmp_path, monkeypatch):
    first = readings.run([found[0]], contempt, SETTINGS, checkpoints=tmp_path)
    pd.testing.assert_frame_equal(first, answers[answers["draw"] == 0])
    monkeypatch.setattr(readings, "_readings", None)
    pd.testing.assert_frame_equal(readings.run([found[0]], contempt, SETTINGS, checkpoints=tmp_path), first)


def test_no_more_faces_of_contempt_are_drawn_than_of_another_class(given, contempt):
    fold = Fold(np.arange(0, 12), np.arange(12, 15))  # five faces a class
    tested = readings._with_one_more_class(contempt, fold, SETTINGS, seed=0)
    assert (tested.learnt.labels == 3).sum() == 4
    assert (tested.labels == 3).sum() == 1
    assert dataclasses.replace(contempt, contempt=None).contempt is None


def test_the_table_names_every_reading(answers):
    table = svm_tables.readings(readings.scores(answers))
    assert len(table.frame) == len(readings.READINGS)
    assert set(svm_tables.READINGS) == set(readings.READINGS)
    assert view_names(ExpansionSettings(cross_cut="originals"))[-5:][0] == "original, crop centre"
