"""liu2023's evaluation on toy features: divisions, leaks that are really there, resumption, smiles, claims."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from fer_lib import artifacts, files, generalisation, protocols, report_liu2023, svm, tables_liu2023
from fer_lib.datasets import FaceDataset
from fer_lib.errors import FerError
from fer_lib.settings import CkPlusSettings, ResNet50SvmSettings

CLASSES = ("angry", "happy", "sad")
DIVISION = CkPlusSettings(train_per_class=12, test_per_class=4, repeats=2, folds=3)
SETTINGS = ResNet50SvmSettings(kernels=("rbf",), c_grid=(1.0, 10.0), gamma_grid=(1.0,), search_folds=2)
SUBJECTS, FRAMES = 12, 3


@pytest.fixture(scope="module")
def people() -> FaceDataset:
    """Twelve people with one sequence of each class; their pictures are noise."""
    meta = pd.DataFrame(
        [
            {
                "label": label,
                "split": "all",
                "subject": f"S{who:03d}",
                "sequence": f"S{who:03d}_{label}",
                "frame": frame,
            }
            for who in range(SUBJECTS)
            for label in range(len(CLASSES))
            for frame in range(FRAMES)
        ]
    )
    images = np.random.default_rng(0).integers(0, 256, (len(meta), 6, 6), dtype=np.uint8)
    return FaceDataset(images, meta, CLASSES, "toy")


@pytest.fixture(scope="module")
def examples(people) -> svm.Examples:
    """Features that know the sequence and nothing of the class: all that is right about them is a leak."""
    rng = np.random.default_rng(1)
    sequences = pd.factorize(people.meta["sequence"])[0]
    own = rng.normal(size=(sequences.max() + 1, 20))[sequences] + 0.01 * rng.normal(size=(len(people), 20))
    views = np.stack([own, own + 0.01], axis=1)
    return svm.Examples(own, people.labels, pd.factorize(people.meta["subject"])[0], views)


@pytest.fixture(scope="module")
def found(people):
    return protocols.divisions(people, DIVISION, seed=0)


@pytest.fixture(scope="module")
def predictions(found, examples, people, tmp_path_factory):
    return protocols.run(found, examples, people, SETTINGS, checkpoints=tmp_path_factory.mktemp("kept"))


def test_divisions_are_all_there_and_equally_large(found, people):
    assert [(each.protocol, each.separation, each.draw) for each in found] == [
        *(("per class", name, draw) for draw in (0, 1) for name in ("frames", "sequences", "subjects")),
        *(("folds", name, 0) for name in ("frames", "sequences", "subjects")),
    ]
    for protocol in ("per class", "folds"):
        sizes = {len(fold.train) for each in found if each.protocol == protocol for fold in each.folds}
        assert len(sizes) == 1
    counts = protocols.class_counts(found[0], people)
    assert counts["training"].tolist() == [12] * 3
    assert counts["testing"].tolist() == [4] * 3


def test_what_the_parts_share_is_counted(found, people):
    table = protocols.sizes(found, people).set_index(["protocol", "kept apart"])
    assert table.loc[("folds", "frames"), "sequences in both parts"] > 5
    assert table.loc[("folds", "sequences"), "sequences in both parts"] == 0
    assert table.loc[("folds", "sequences"), "subjects in both parts"] > 5
    assert table.loc[("folds", "subjects"), "subjects in both parts"] == 0


def test_a_feature_that_knows_only_the_sequence_is_right_by_the_leak_alone(predictions, people):
    scores = protocols.scores(predictions, people).set_index(["protocol", "separation", "classifier"])
    assert scores.loc[("folds", "frames", "resnet50_svm_rbf"), "accuracy"] > 0.8
    assert scores.loc[("folds", "subjects", "resnet50_svm_rbf"), "accuracy"] < 0.65
    # of 56 + 14 faces not every test face has a neighbour of its sequence in training
    own = scores["accuracy"].unstack("separation").loc[("per class", "resnet50_svm_rbf")]  # noqa: PD010
    assert own["frames"] > own["subjects"]
    leaks = protocols.leaks(predictions, people).set_index(["protocol", "classifier", "separation"])
    drawn = leaks.loc[("per class", "resnet50_svm_rbf", "subjects")]
    assert drawn["difference"] == pytest.approx(own["frames"] - own["subjects"])
    assert np.isnan(drawn["p_value"])
    row = leaks.loc[("folds", "resnet50_svm_rbf", "subjects")]
    assert row["low"] > 0.2
    assert row["p_value"] < 0.01
    assert row["low"] <= row["difference"] <= row["high"]


def test_every_face_is_tested_once_in_the_folds_and_scores_are_counts(predictions, people):
    own = predictions[(predictions["protocol"] == "folds") & (predictions["classifier"] == "pixels_svm")]
    for _, part in own.groupby("separation"):
        assert sorted(part["face"]) == list(range(len(people)))
        np.testing.assert_array_equal(part["label"], people.labels[part["face"]])
    scores = protocols.scores(predictions, people)
    np.testing.assert_allclose(scores["accuracy"], 1 - scores["wrong"] / scores["faces"])


def test_the_difference_of_two_classifiers_is_that_of_their_scores(predictions, people):
    scores = protocols.scores(predictions, people).set_index(["protocol", "separation", "classifier"])["accuracy"]
    for row in protocols.paired(predictions, people, first="resnet50_svm_rbf", second="class_priors").itertuples():
        where = (row.protocol, row.separation)
        expected = scores[(*where, "resnet50_svm_rbf")] - scores[(*where, "class_priors")]
        assert row.difference == pytest.approx(expected)


def test_a_second_run_trains_nothing_and_a_killed_one_goes_on(
    found, examples, people, predictions, tmp_path, monkeypatch
):
    trained, fit = [], svm.fit

    def counting(*words, **options):
        if len(trained) == 11:
            raise KeyboardInterrupt
        trained.append(words[0])
        return fit(*words, **options)

    monkeypatch.setattr(svm, "fit", counting)
    with pytest.raises(KeyboardInterrupt):
        protocols.run(found, examples, people, SETTINGS, checkpoints=tmp_path)
    whole = len(list(tmp_path.glob("*.csv")))
    assert whole == 2  # four classifiers a fold
    monkeypatch.setattr(svm, "fit", fit)
    pd.testing.assert_frame_equal(protocols.run(found, examples, people, SETTINGS, checkpoints=tmp_path), predictions)
    monkeypatch.setattr(svm, "fit", None)
    pd.testing.assert_frame_equal(protocols.run(found, examples, people, SETTINGS, checkpoints=tmp_path), predictions)


def test_whole_test_counts_and_pairs():
    labels = np.array([0, 1, 2, 0])
    right = np.eye(3)[labels]
    rows = protocols.whole_test({"a": right, "b": np.eye(3)[[0, 1, 2, 1]]}, labels).set_index("model")
    assert rows.loc["a", "wrong"] == 0
    assert rows.loc["b", "accuracy"] == 0.75
    assert rows.loc["b", "difference"] == -0.25
    assert np.isnan(rows.loc["a", "difference"])


# --- smiles -----------------------------------------------------------------------------------------------------------


def photos(smiling: list[int], kinds: list[str]) -> FaceDataset:
    count = len(smiling)
    meta = pd.DataFrame({"label": smiling, "split": "all", "yaw": np.linspace(-0.4, 0.4, count), "face_found": kinds})
    return FaceDataset(np.zeros((count, 2, 2), np.uint8), meta, ("not smiling", "smiling"), "genki4k")


def test_a_margin_is_above_zero_exactly_where_happy_comes_first():
    decisions = np.array([[0.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    assert generalisation.happy_margins(decisions, CLASSES).tolist() == [1.0, -1.0]


def test_smiles_are_scored_by_pose_and_by_what_mtcnn_found():
    some = photos([1, 0, 1, 0, 1, 0], ["found"] * 5 + ["no face"])
    rows = generalisation.smile_rows({"CK+": np.array([1.0, -1, 1, -1, -1, -1])}, some).set_index("group")
    assert rows.loc["all", "accuracy"] == pytest.approx(5 / 6)
    assert rows.loc["MTCNN: found", "photos"] == 5
    assert rows.loc["MTCNN: no face", "photos"] == 1
    assert sum(rows.loc[[name for name in rows.index if "yaw" in name], "photos"]) == 6


def test_without_photos_nothing_is_scored():
    none = photos([], [])
    assert generalisation.smile_rows({"CK+": np.zeros(0)}, none).empty
    assert generalisation.roc_curves({"CK+": np.zeros(0)}, none) == {}


# --- claims and files -------------------------------------------------------------------------------------------------


def test_each_claim_says_what_was_measured_of_it(predictions, people):
    scores = protocols.scores(predictions, people)
    paired = protocols.paired(predictions, people, first="resnet50_svm_rbf", second="resnet50_softmax")
    tested = protocols.whole_test({"resnet50_svm_rbf": np.eye(3)}, np.arange(3))
    said = report_liu2023.claims(scores, paired, tested, pd.DataFrame())
    assert set(said) <= set(tables_liu2023.CLAIMS)
    assert said["accuracy_ckplus"].count("%") == 3
    assert "frames at random" in said["accuracy_ckplus"]
    assert said["accuracy_fer2013"].startswith("100.00")
    assert "generalisation" not in said


def test_an_array_is_built_once(tmp_path):
    built = []

    def build() -> np.ndarray:
        built.append(1)
        return np.arange(6.0).reshape(2, 3)

    first, again = (files.cached_array(tmp_path / "a" / "x.npy", build) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len(built) == 1


def gathered(tmp_path, seeds: dict[int, dict], synthetic: bool = True) -> report_liu2023.Liu2023:
    run = artifacts.start("08_replication_report", seed=None, output_dir=str(tmp_path))
    for seed, values in seeds.items():
        origin = {"origin": "none: random", "sha256": None, "tests_transfer_claim": False}
        data = {"ckplus": {"fingerprint": "f", "notes": {"neutral": False}}}
        made = {"seed": seed, "weights": origin, "data": data, "settings": {"a": values.pop("setting", 1)}}
        content = {"name": "x", "synthetic": synthetic, "values": values, "provenance": made}
        files.write_text(run.results / "metrics" / f"resnet50_svm_seed{seed}.json", json.dumps(content))
    return report_liu2023.gather(run)


@pytest.fixture
def measured(predictions, people):
    scores, leaks = protocols.scores(predictions, people), protocols.leaks(predictions, people)
    paired = protocols.paired(predictions, people, first="resnet50_svm_rbf", second="resnet50_softmax")
    alone = protocols.whole_test({"resnet50_svm_rbf": np.eye(3)}, np.arange(3))
    smiles = generalisation.smile_rows({}, photos([], []))
    frames = {"scores": scores, "leaks": leaks, "svm_softmax": paired, "fer2013": alone, "genki4k": smiles}
    return json.loads(json.dumps(artifacts.plain(frames)))


def test_the_report_reads_two_seeds_and_a_folder_without_genki4k(tmp_path, measured):
    results = gathered(tmp_path, {1: dict(measured), 0: dict(measured)})
    glance = results.glance_table()
    assert "seed 0; seeds 1 have tables of their own" in glance.title
    assert any("no neutral faces" in note for note in glance.notes)
    for table in [
        glance,
        *results.ckplus_tables(),
        results.fer2013_table(),
        results.genki_table(),
        results.claims_table(),
    ]:
        assert "SYNTHETIC" in table.to_markdown()
    assert results.separation_figure() is not None
    assert results.lenet_figure() is not None


def test_seeds_that_were_not_run_alike_are_refused(tmp_path, measured):
    with pytest.raises(FerError, match="were not run alike"):
        gathered(tmp_path, {0: dict(measured), 1: dict(measured) | {"setting": 2}})


def test_a_report_without_results_says_so(tmp_path):
    results = gathered(tmp_path, {})
    assert "not measured yet" in results.glance_table().title
    for table in [*results.ckplus_tables(), results.genki_table(), *results.lenet_tables(), results.claims_table()]:
        table.to_markdown()
