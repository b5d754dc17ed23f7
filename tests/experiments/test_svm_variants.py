"""Test the comparison of SVM classifiers: on the same faces, in pairs, and read back when finished."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.splits import groups_of
from fer_lib.evaluation import metrics
from fer_lib.experiments import protocol_scores, protocols, svm_variants
from fer_lib.settings import CkPlusSettings, ResNet50SvmSettings, change
from fer_lib.settings.names import VARIANTS
from fer_lib.svm import classifiers
from fer_lib.tables import svm as svm_tables

CLASSES = ("angry", "happy", "sad")
SETTINGS = ResNet50SvmSettings(
    c_grid=(1.0, 10.0),
    gamma_grid=(0.1, 1.0),
    degree_grid=(2, 3),
    nu_grid=(0.1, 0.3),
    grid_steps=0,
    search_folds=2,
    search_views=1,
    variants_views=1,
    variants_fer2013_faces=40,
    variants_fer2013_components=3,
)
DIVISION = CkPlusSettings(train_per_class=6, test_per_class=2, repeats=1, folds=2)


@pytest.fixture(scope="module")
def people() -> FaceDataset:
    meta = pd.DataFrame(
        [
            {"label": label, "split": "all", "subject": f"S{who:03d}", "sequence": f"S{who:03d}_{label}", "frame": 0}
            for who in range(12)
            for label in range(len(CLASSES))
        ]
    )
    return FaceDataset(np.arange(36 * 4, dtype=np.uint8).reshape(36, 2, 2), meta, CLASSES, "toy")


@pytest.fixture(scope="module")
def examples(people) -> classifiers.Examples:
    """Two features in which one class lies between the two others, so that no plane parts it from both."""
    rng = np.random.default_rng(0)
    own = np.stack([people.labels - 1.0, rng.normal(0, 1, 36)], axis=1) + rng.normal(0, 0.25, (36, 2))
    views = own[:, np.newaxis] + rng.normal(0, 0.05, (36, 3, 2))
    return classifiers.Examples(own, people.labels, groups_of(people, "subjects"), views)


@pytest.fixture(scope="module")
def found(people):
    return protocols.divisions(people, DIVISION, seed=0)


@pytest.fixture(scope="module")
def answers(found, examples, tmp_path_factory):
    return svm_variants.run(found, examples, SETTINGS, checkpoints=tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="module")
def fer2013():
    rng = np.random.default_rng(3)
    labels = np.arange(150) % 3
    features = rng.normal(size=(150, 6)) + 1.5 * rng.normal(size=(3, 6))[labels]
    return (features[:90], labels[:90]), (features[90:], labels[90:])


def test_every_variant_tests_every_face_once_with_its_subject_apart(answers, people):
    assert list(answers["classifier"].unique()) == list(VARIANTS)
    tested = protocol_scores.testing(answers)
    for _, own in tested.groupby("classifier"):
        assert sorted(own["face"]) == list(range(len(people)))
    subjects = groups_of(people, "subjects")
    for _, own in answers.groupby(["classifier", "fold"]):
        parts = {part: set(subjects[rows["face"]]) for part, rows in own.groupby("part")}
        assert not parts["training"] & parts["testing"]
    assert (answers["protocol"].unique(), answers["separation"].unique()) == (["folds"], ["subjects"])


def test_all_variants_learn_equally_many_views(found, examples, monkeypatch, tmp_path):
    learnt, fit = [], classifiers.fit

    def counting(name, taught, **options):
        learnt.append(None if taught.views is None else taught.views.shape[1])
        return fit(name, taught, **options)

    monkeypatch.setattr(classifiers, "fit", counting)
    for views in (0, 2):
        settings = change(SETTINGS, variants=("linear",), variants_views=views)
        svm_variants.run(found, examples, settings, checkpoints=tmp_path / str(views))
    assert learnt == [None] * 4 + [2] * 4  # the RBF kernel is always there, as the reference; two folds


def test_each_variant_is_compared_with_the_rbf_svm(answers, people):
    rows = svm_variants.compare(answers, people).set_index("classifier")
    scores = protocol_scores.scores(answers, people).set_index("classifier")
    assert list(rows.index) == list(VARIANTS)
    assert rows.loc["resnet50_svm_rbf", ["difference", "p_value"]].isna().all()
    for name in list(VARIANTS)[1:]:
        expected = scores.loc[name, "accuracy"] - scores.loc["resnet50_svm_rbf", "accuracy"]
        assert rows.loc[name, "difference"] == pytest.approx(expected)
        assert rows.loc[name, "difference_low"] <= expected <= rows.loc[name, "difference_high"]
        assert 0 < rows.loc[name, "p_value"] <= 1
    assert "degree" in rows.loc["resnet50_svm_poly", "chosen"]
    assert "ν" in rows.loc["resnet50_svm_nu", "chosen"]
    assert "γ" not in rows.loc["resnet50_svm_linear", "chosen"]
    # between two others no plane cuts a class out, so a linear one-vs-rest is the one that fails
    assert rows.loc["resnet50_svm_linear_ovr", "accuracy"] < rows.loc["resnet50_svm_rbf_ovr", "accuracy"] - 0.1


def test_a_finished_variant_is_not_trained_again(found, examples, answers, fer2013, tmp_path, monkeypatch):
    settings = change(SETTINGS, variants=("linear",))
    first = svm_variants.run(found, examples, settings, checkpoints=tmp_path)
    kept = answers[answers["classifier"].isin(["resnet50_svm_rbf", "resnet50_svm_linear"])]
    assert first["predicted"].tolist() == kept["predicted"].tolist()
    rows, answered = svm_variants.fer2013(*fer2013, settings, checkpoints=tmp_path)
    monkeypatch.setattr(classifiers, "fit", None)
    pd.testing.assert_frame_equal(svm_variants.run(found, examples, settings, checkpoints=tmp_path), first)
    again = svm_variants.fer2013(*fer2013, settings, checkpoints=tmp_path)
    pd.testing.assert_frame_equal(again[0], rows)
    pd.testing.assert_frame_equal(again[1], answered)


def test_fer2013s_variants_learn_the_same_sample(fer2013, tmp_path):
    rows, answered = svm_variants.fer2013(*fer2013, SETTINGS, checkpoints=tmp_path)
    rows = rows.set_index("model")
    assert list(rows.index) == list(VARIANTS)
    assert rows["learnt"].unique().tolist() == [40]
    assert rows["faces"].unique().tolist() == [60]
    with np.load(tmp_path / "variant-resnet50_svm_nu-fer2013.npz") as kept:
        right = (kept["values"].argmax(axis=1) == fer2013[1][1]).mean()
    assert rows.loc["resnet50_svm_nu", "accuracy"] == pytest.approx(right)
    assert list(answered) == ["label", *VARIANTS]
    agreed = answered.drop(columns="label").eq(answered["label"], axis=0).mean()
    assert agreed.to_list() == pytest.approx(rows["accuracy"].to_list())
    assert (rows["accuracy"] > 0.5).all()
    assert (rows["training"] >= rows["accuracy"] - 0.2).all()
    table = svm_tables.variants_fer2013(rows.reset_index(), SETTINGS)
    assert table.frame["Holm's p"].iloc[1:].to_list() == [
        svm_tables.p_value(value) for value in metrics.holm(rows["p_value"])[1:]
    ]
    assert "the same 40 training faces" in table.notes[0]
    assert "3 principal components" in table.notes[0]


def test_without_variants_or_folds_nothing_is_trained(found, examples, people, fer2013, tmp_path):
    none = change(SETTINGS, variants=())
    assert svm_variants.run(found, examples, none, checkpoints=tmp_path).empty
    rows, answered = svm_variants.fer2013(*fer2013, none, checkpoints=tmp_path)
    assert rows.empty
    assert list(answered) == ["label"]
    assert svm_variants.run(found[:1], examples, SETTINGS, checkpoints=tmp_path).empty
    assert svm_variants.compare(pd.DataFrame(), people).empty
    for table in (svm_tables.variants, svm_tables.variants_fer2013):
        assert "Left out." in table(pd.DataFrame(), SETTINGS).to_markdown()
