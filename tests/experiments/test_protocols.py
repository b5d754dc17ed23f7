"""Test liu2023's evaluation on toy features: divisions, planted leaks, resuming, smiles, claims."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fer_lib import artifacts
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.splits import Fold
from fer_lib.errors import FerError
from fer_lib.evaluation import smiles as generalisation
from fer_lib.experiments import protocol_scores, protocols
from fer_lib.figures import hypotheses as hypotheses_figures
from fer_lib.report import liu2023 as report_liu2023, liu2023_claims
from fer_lib.settings import CkPlusSettings, ResNet50SvmSettings
from fer_lib.svm import classifiers, grid
from fer_lib.tables import liu2023 as liu2023_tables, svm as svm_tables
from fer_lib.utils import files, packed

CLASSES = ("angry", "happy", "sad")
DIVISION = CkPlusSettings(train_per_class=12, test_per_class=4, three_parts=(12, 2, 2), repeats=2, folds=3)
SETTINGS = ResNet50SvmSettings(kernels=("rbf",), c_grid=(1.0, 10.0), gamma_grid=(1.0,), search_folds=2)
SUBJECTS, FRAMES = 12, 3


@pytest.fixture(scope="module")
def people() -> FaceDataset:
    """Twelve subjects with one sequence of each class; their images are noise."""
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
def examples(people) -> classifiers.Examples:
    """Features that tell the sequence but not the class, so that every right answer comes from a leak."""
    rng = np.random.default_rng(1)
    sequences = pd.factorize(people.meta["sequence"])[0]
    own = rng.normal(size=(sequences.max() + 1, 20))[sequences] + 0.01 * rng.normal(size=(len(people), 20))
    views = np.stack([own, own + 0.01], axis=1)
    return classifiers.Examples(own, people.labels, pd.factorize(people.meta["subject"])[0], views)


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


def test_one_separation_alone_leaks_nothing_and_says_so(predictions, people):
    alone = predictions[predictions["separation"] == "frames"]
    for part in (alone, predictions[predictions["separation"] != "frames"]):
        found = protocol_scores.leaks(part, people)
        assert (len(found), list(found.columns)) == (0, protocol_scores.LEAKS)
    assert "Holm" in liu2023_tables.leaks(found).to_markdown()
    together = protocol_scores.together(alone, people)
    assert set(together["separation"]) == {"frames"}
    assert hypotheses_figures.hypothesis2(together) is not None


def test_a_feature_that_knows_only_the_sequence_is_right_by_the_leak_alone(predictions, people):
    scores = protocol_scores.scores(predictions, people).set_index(["protocol", "separation", "classifier"])
    assert scores.loc[("folds", "frames", "resnet50_svm_rbf"), "accuracy"] > 0.8
    assert scores.loc[("folds", "subjects", "resnet50_svm_rbf"), "accuracy"] < 0.65
    # of 56 + 14 faces not every test face has a neighbour of its sequence in training
    own = scores["accuracy"].unstack("separation").loc[("per class", "resnet50_svm_rbf")]  # noqa: PD010
    assert own["frames"] > own["subjects"]
    leaks = protocol_scores.leaks(predictions, people).set_index(["protocol", "classifier", "separation"])
    drawn = leaks.loc[("per class", "resnet50_svm_rbf", "subjects")]
    assert drawn["difference"] == pytest.approx(own["frames"] - own["subjects"])
    assert np.isnan(drawn["p_value"])
    row = leaks.loc[("folds", "resnet50_svm_rbf", "subjects")]
    assert row["low"] > 0.2
    assert row["p_value"] < 0.01
    assert row["low"] <= row["difference"] <= row["high"]


def test_every_face_is_tested_once_in_the_folds_and_scores_are_counts(predictions, people):
    tested = protocol_scores.testing(predictions)
    own = tested[(tested["protocol"] == "folds") & (tested["classifier"] == "pixels_svm")]
    for _, part in own.groupby("separation"):
        assert sorted(part["face"]) == list(range(len(people)))
        np.testing.assert_array_equal(part["label"], people.labels[part["face"]])
    scores = protocol_scores.scores(predictions, people)
    np.testing.assert_allclose(scores["accuracy"], 1 - scores["wrong"] / scores["faces"])


def test_the_difference_of_two_classifiers_is_that_of_their_scores(predictions, people):
    scores = protocol_scores.scores(predictions, people).set_index(["protocol", "separation", "classifier"])["accuracy"]
    for row in protocol_scores.paired(
        predictions, people, first="resnet50_svm_rbf", second="class_priors"
    ).itertuples():
        where = (row.protocol, row.separation)
        expected = scores[(*where, "resnet50_svm_rbf")] - scores[(*where, "class_priors")]
        assert row.difference == pytest.approx(expected)


def test_a_second_run_trains_nothing_and_a_killed_one_goes_on(
    found, examples, people, predictions, tmp_path, monkeypatch
):
    trained, fit = [], classifiers.fit

    def counting(*words, **options):
        if len(trained) == 11:
            raise KeyboardInterrupt
        trained.append(words[0])
        return fit(*words, **options)

    monkeypatch.setattr(classifiers, "fit", counting)
    with pytest.raises(KeyboardInterrupt):
        protocols.run(found, examples, people, SETTINGS, checkpoints=tmp_path)
    whole = len(list(tmp_path.glob("*.csv")))
    assert whole == 2  # four classifiers a fold
    monkeypatch.setattr(classifiers, "fit", fit)
    pd.testing.assert_frame_equal(protocols.run(found, examples, people, SETTINGS, checkpoints=tmp_path), predictions)
    monkeypatch.setattr(classifiers, "fit", None)
    pd.testing.assert_frame_equal(protocols.run(found, examples, people, SETTINGS, checkpoints=tmp_path), predictions)


# --- training and test faces together ---------------------------------------------------------------------------------


def answers(people: FaceDataset, right: dict[str, list[bool]], *, first_face: int = 0, **where) -> pd.DataFrame:
    """Answers of one classifier about successive faces, right or wrong as given for each part."""
    frames, face = [], first_face
    for part, hits in right.items():
        rows = np.arange(face, face := face + len(hits))
        labels = people.labels[rows]
        predicted = np.where(hits, labels, (labels + 1) % len(CLASSES))
        frames.append(pd.DataFrame({"face": rows, "label": labels, "predicted": predicted, "part": part}))
    key = {"protocol": "per class", "separation": "frames", "draw": 0, "fold": 0, "classifier": "pixels_svm"}
    return pd.concat(frames, ignore_index=True).assign(**key | where)


def test_each_fold_answers_for_exactly_its_own_training_faces(found, predictions):
    for division in found:
        for number, fold in enumerate(division.folds):
            where = (predictions["protocol"] == division.protocol) & (predictions["fold"] == number)
            where &= (predictions["separation"] == division.separation) & (predictions["draw"] == division.draw)
            own = predictions[where & (predictions["classifier"] == "resnet50_svm_rbf")]
            for part, rows in (("training", fold.train), ("testing", fold.test)):
                assert sorted(own[own["part"] == part]["face"]) == sorted(rows)


def test_answers_about_training_faces_are_the_fitted_machines_on_the_originals(found, examples, predictions):
    fold = found[0].folds[0]
    fitted = classifiers.fit("resnet50_svm_rbf", examples.take(fold.train), settings=SETTINGS, seed=0)
    own = predictions[(predictions["protocol"] == "per class") & (predictions["separation"] == "frames")]
    own = own[(own["draw"] == 0) & (own["classifier"] == "resnet50_svm_rbf") & (own["part"] == "training")]
    expected = classifiers.predict(fitted, examples.originals[fold.train])
    np.testing.assert_array_equal(own.set_index("face").loc[fold.train, "predicted"], expected)


def test_every_answer_is_kept_in_a_small_file(predictions, people, tmp_path):
    every = protocol_scores.every_answer(predictions, pd.DataFrame())
    assert len(every) == len(predictions)
    packed.write(every, tmp_path / "a.npz")
    kept = packed.read(tmp_path / "a.npz")
    for score in (protocol_scores.scores, protocol_scores.together):
        pd.testing.assert_frame_equal(score(kept, people), score(predictions, people))


@pytest.fixture(scope="module")
def three(people):
    return protocols.three_parts(people, DIVISION, seed=0)


def test_three_parts_have_their_faces_of_each_class_and_nothing_in_common(three, people):
    assert [(each.separation, each.draw) for each in three] == [
        (name, draw) for draw in (0, 1) for name in ("frames", "sequences", "subjects")
    ]
    subjects = pd.factorize(people.meta["subject"])[0]
    for each in three:
        parts = (each.folds[0].train, each.validation, each.folds[0].test)
        for rows, count in zip(parts, (12, 2, 2), strict=True):
            assert np.bincount(people.labels[rows]).tolist() == [count] * 3
        assert len(np.unique(np.concatenate(parts))) == 3 * 16
        if each.separation == "subjects":
            assert len(np.unique(np.concatenate([np.unique(subjects[rows]) for rows in parts]))) == sum(
                len(np.unique(subjects[rows])) for rows in parts
            )
    assert protocols.three_parts(people, replace(DIVISION, three_parts=None), seed=0) == []


def test_c_is_chosen_on_the_validation_faces_and_nothing_else_sees_them(three, examples, people, tmp_path):
    answers = protocols.run(three, examples, people, SETTINGS, checkpoints=tmp_path)
    fold, validation = three[0].folds[0], three[0].validation
    own = answers[(answers["separation"] == "frames") & (answers["draw"] == 0)]
    own = own[own["classifier"] == "resnet50_svm_rbf"]
    for part, rows in (("training", fold.train), ("validation", validation), ("testing", fold.test)):
        assert own[own["part"] == part]["face"].tolist() == rows.tolist()
    chosen, table = classifiers.search(
        "resnet50_svm_rbf", examples, settings=SETTINGS, folds=[Fold(fold.train, validation)]
    )
    assert own["C"].unique().tolist() == [chosen["C"]]
    assert table["faces"].unique().tolist() == [6]
    fitted = classifiers.fit_with("resnet50_svm_rbf", examples.take(fold.train), parameters=chosen, settings=SETTINGS)
    expected = classifiers.predict(fitted, examples.originals[fold.test])
    assert own[own["part"] == "testing"]["predicted"].tolist() == expected.tolist()
    rows = protocol_scores.validated(answers, people).set_index(["separation", "classifier"])
    row, kept = rows.loc[("frames", "resnet50_svm_rbf")], answers[answers["separation"] == "frames"]
    kept = kept[kept["classifier"] == "resnet50_svm_rbf"]
    for part, name in (("training", "training"), ("validation", "validation"), ("testing", "accuracy")):
        part_rows = kept[kept["part"] == part]
        assert row[name] == pytest.approx((part_rows["label"] == part_rows["predicted"]).mean())
    assert (row["training_faces"], row["validation_faces"], row["test_faces"]) == (36, 6, 6)
    assert "Here 36/6/6 faces a draw" in svm_tables.three_parts(rows.reset_index()).notes[0]


def test_without_three_parts_nothing_is_trained(examples, people, tmp_path):
    nothing = protocol_scores.validated(protocols.run([], examples, people, SETTINGS, checkpoints=tmp_path), people)
    assert nothing.empty
    assert "Left out." in svm_tables.three_parts(nothing).to_markdown()


def test_training_accuracy_and_the_grids_edges_are_those_of_the_single_fits(found, examples, people, predictions):
    rows = protocol_scores.fits(predictions).set_index(protocol_scores.KEYS)
    scores = protocol_scores.scores(predictions, people).set_index(protocol_scores.KEYS)
    together = protocol_scores.together(predictions, people).set_index(protocol_scores.KEYS)
    pd.testing.assert_series_equal(rows["testing"], scores["accuracy"], check_names=False)
    pd.testing.assert_series_equal(rows["training"], together["training"], check_names=False)
    fold = found[0].folds[0]
    fitted = classifiers.fit("resnet50_svm_rbf", examples.take(fold.train), settings=SETTINGS, seed=0)
    views, labels = examples.take(fold.train).pictures()
    own = predictions[(predictions["protocol"] == "per class") & (predictions["separation"] == "frames")]
    own = own[(own["draw"] == 0) & (own["classifier"] == "resnet50_svm_rbf")]
    assert own["views_accuracy"].unique() == pytest.approx((classifiers.predict(fitted, views) == labels).mean())
    assert own["edge"].unique().tolist() == ["; ".join(grid.edges(fitted.search)) or protocols.INSIDE]
    assert own["C"].unique().tolist() == [fitted.parameters["C"]]
    row = rows.loc[("per class", "frames", "resnet50_svm_rbf")]
    assert row["fits"] == DIVISION.repeats
    assert row["C_low"] <= fitted.parameters["C"] <= row["C_high"]
    assert (row["gamma_multiple_low"], row["gamma_multiple_high"]) == (1.0, 1.0)
    for name in ("pixels_svm", "class_priors"):  # they learn from the faces alone, and search nothing
        row = rows.loc[("folds", "subjects", name)]
        assert np.isnan(row["views"])
        assert np.isnan(row["C_low"])
        assert (row["on_edge"], row["edges"]) == (0, {})


def test_fits_on_an_edge_are_counted_by_edge(people):
    edges = ("C highest", "C highest; gamma_multiple lowest", protocols.INSIDE)
    frames = [
        answers(people, {"training": [True], "testing": [False]}, draw=draw, edge=edge, views_accuracy=0.5)
        for draw, edge in enumerate(edges)
    ]
    row = protocol_scores.fits(pd.concat(frames)).iloc[0]
    assert (row["fits"], row["training"], row["views"], row["testing"], row["on_edge"]) == (3, 1.0, 0.5, 0.0, 2)
    assert row["edges"] == {"C highest": 2, "gamma_multiple lowest": 1}
    shown = svm_tables.fits(protocol_scores.fits(pd.concat(frames))).frame
    assert shown["on an edge"].item() == "2: C highest 2, γ lowest 1"
    assert shown["C"].item() == "–"


@pytest.mark.parametrize(
    "measure",
    [
        protocol_scores.scores,
        protocol_scores.leaks,
        lambda rows, faces: protocol_scores.paired(rows, faces, first="resnet50_svm_rbf", second="resnet50_softmax"),
    ],
    ids=["scores", "leaks", "paired"],
)
def test_every_measure_is_of_test_faces_alone_and_reads_the_older_form(measure, predictions, people):
    older = protocol_scores.testing(predictions)
    assert not {"part", *protocol_scores.OF_FITS} & set(older)
    assert 0 < len(older) < len(predictions)
    pd.testing.assert_frame_equal(protocol_scores.testing(older), older)
    pd.testing.assert_frame_equal(measure(predictions, people), measure(older, people))


def test_together_counts_both_parts(predictions, people):
    rows = protocol_scores.together(predictions, people).set_index(["protocol", "separation", "classifier"])
    scores = protocol_scores.scores(predictions, people).set_index(["protocol", "separation", "classifier"])
    assert set(rows.index) == set(scores.index)
    tested = rows.loc[scores.index]
    np.testing.assert_array_equal(tested["testing"], scores["accuracy"])
    np.testing.assert_array_equal(tested[["testing_low", "testing_high"]], scores[["low", "high"]])
    for count in ("faces", "wrong"):
        np.testing.assert_array_equal(rows[f"together_{count}"], rows[f"training_{count}"] + rows[f"testing_{count}"])
    np.testing.assert_allclose(rows["together"], 1 - rows["together_wrong"] / rows["together_faces"])
    knows_sequences = rows.loc[("folds", "subjects", "resnet50_svm_rbf")]
    assert knows_sequences["training"] > 0.95
    assert knows_sequences["testing"] < knows_sequences["together"] < knows_sequences["training"]


def test_a_persons_answers_in_both_parts_stay_together(people):
    """Each subject has as many answers in both parts, all right or all wrong: the interval is that of one part."""
    hits = [who % 2 == 0 for who in range(4) for _ in range(9)]
    alone = answers(people, {"testing": hits})
    taught = alone.assign(part="training")
    row = protocol_scores.together(pd.concat([taught, alone]), people).iloc[0]
    for bound in ("", "_low", "_high"):
        assert row[f"together{bound}"] == pytest.approx(row[f"testing{bound}"])
    assert (row["together_faces"], row["together_wrong"], row["testing_wrong"]) == (72, 36, 18)


def test_the_printed_value_is_looked_for_in_each_interval(people):
    """Of 70 faces one is wrong, a test face: 98.57 % of both parts together, 93 % of the test part."""
    right = {"training": [True] * 56, "testing": [False] + [True] * 13}
    row = protocol_scores.together(answers(people, right), people).iloc[0]
    assert row["printed"] == 0.986
    assert row["together"] == pytest.approx(69 / 70)
    assert row["testing_low"] < 0.986
    for part in ("training", "testing", "together"):
        assert row[f"{part}_holds_printed"] == (row[f"{part}_low"] <= 0.986 <= row[f"{part}_high"])
    assert row["together_holds_printed"]
    right = {"training": [True] * 56, "testing": [False] * 14}  # of two subjects: half of them right excludes little
    mixed = protocol_scores.together(answers(people, right), people).iloc[0]
    assert mixed["training_holds_printed"]
    assert not mixed["testing_holds_printed"]
    right = {"training": [False, True] * 28, "testing": [True] * 14}
    mixed = protocol_scores.together(answers(people, right), people).iloc[0]
    assert not mixed["training_holds_printed"]
    assert mixed["testing_holds_printed"]
    assert not mixed["together_holds_printed"]


# --- FER-2013 ---------------------------------------------------------------------------------------------------------


def test_whole_test_counts_and_pairs():
    labels = np.array([0, 1, 2, 0])
    right = np.eye(3)[labels]
    rows = protocol_scores.whole_test({"a": right, "b": np.eye(3)[[0, 1, 2, 1]]}, labels).set_index("model")
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
    scores = protocol_scores.scores(predictions, people)
    paired = protocol_scores.paired(predictions, people, first="resnet50_svm_rbf", second="resnet50_softmax")
    tested = protocol_scores.whole_test({"resnet50_svm_rbf": np.eye(3)}, np.arange(3))
    said = liu2023_claims.claims(scores, paired, tested, pd.DataFrame())
    assert set(said) <= set(liu2023_tables.CLAIMS)
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
        name = f"metrics/resnet50_svm_seed{seed}.json"
        content = {"name": "x", "synthetic": synthetic, "values": values}
        digest = files.file_sha256(files.write_text(run.results / name, json.dumps(content)))
        made["artifacts"] = {name: digest}
        files.write_text(run.results / "provenance" / f"04_resnet_svm_seed{seed}.json", json.dumps(made))
    return report_liu2023.gather(run)


@pytest.fixture
def measured(predictions, people):
    scores, leaks = protocol_scores.scores(predictions, people), protocol_scores.leaks(predictions, people)
    paired = protocol_scores.paired(predictions, people, first="resnet50_svm_rbf", second="resnet50_softmax")
    alone = protocol_scores.whole_test({"resnet50_svm_rbf": np.eye(3)}, np.arange(3))
    smiles = generalisation.smile_rows({}, photos([], []))
    together = protocol_scores.together(predictions, people)
    frames = {"scores": scores, "leaks": leaks, "svm_softmax": paired, "fer2013": alone, "genki4k": smiles}
    frames |= {"together": together}
    return json.loads(json.dumps(artifacts.plain(frames)))


def test_the_report_reads_two_seeds_and_a_folder_without_genki4k(tmp_path, measured):
    results = gathered(tmp_path, {1: dict(measured), 0: dict(measured)})
    glance = results.glance_table()
    assert "mean of seeds 0, 1, each with a fine-tuning of its own" in glance.title
    assert any("no neutral faces" in note for note in glance.notes)
    for table in [
        glance,
        *results.ckplus_tables(),
        *results.fer2013_tables(),
        results.genki_table(),
        results.claims_table(),
    ]:
        assert "SYNTHETIC" in table.to_markdown()
    assert results.separation_figure() is not None
    assert results.hypothesis3_figure() is not None


def test_the_report_says_what_the_run_did_and_not_what_its_profile_says(tmp_path, measured):
    results = gathered(tmp_path, {0: dict(measured)})
    results.model[0]["provenance"]["settings"]["resnet50_svm"] = {"fer2013_components": 64}
    assert "64 principal components" in results.fer2013_tables()[0].to_markdown()


def test_the_report_shows_hypothesis_2(tmp_path, measured, predictions, people):
    tables = gathered(tmp_path, {0: dict(measured)}).ckplus_tables()
    (found,) = [table for table in tables if "Hypothesis 2" in table.title]
    expected = liu2023_tables.hypothesis2(protocol_scores.together(predictions, people)).frame
    pd.testing.assert_frame_equal(found.frame, expected)


def test_seeds_that_were_not_run_alike_are_refused(tmp_path, measured):
    with pytest.raises(FerError, match="were not run alike"):
        gathered(tmp_path, {0: dict(measured), 1: dict(measured) | {"setting": 2}})


def test_a_report_without_results_says_so(tmp_path):
    results = gathered(tmp_path, {})
    assert "not measured yet" in results.glance_table().title
    for table in [*results.ckplus_tables(), results.genki_table(), *results.lenet_tables(), results.claims_table()]:
        table.to_markdown()
