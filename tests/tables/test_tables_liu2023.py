"""Test liu2023's tables: printed values exactly as printed, measured values next to them, never mixed up."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest

from fer_lib.augmentation import arithmetic
from fer_lib.settings import ExpansionSettings, LeNetSettings, ResNet50SvmSettings
from fer_lib.tables import lenet as lenet_tables, liu2023 as liu2023_tables, svm as svm_tables
from fer_lib.tables.base import Table

CLASSES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]


def study(**changes) -> pd.DataFrame:
    """One row as ``lenet_study.summary`` returns it."""
    row = {
        "corpus": "ckplus",
        "sweep": "learning_rate",
        "order": "unshuffled",
        "learning_rate": 0.05,
        "batch_size": 56,
        "n_kerns": "[20,50]",
        "runs": 5,
        "at_chance": 0.4,
    }
    for place, name in enumerate(("validation", "test", "epoch"), start=1):
        row |= {name: 10.0 * place, f"{name}_min": 10.0 * place - 1, f"{name}_max": 10.0 * place + 2.5}
    return pd.DataFrame([row | changes])


def accuracies(**changes) -> pd.DataFrame:
    """One row for each separation as ``protocol_scores.scores`` returns it."""
    rows = [
        {"separation": kind, "accuracy": value, "low": value - 0.1, "high": value + 0.05}
        for kind, value in (("subjects", 0.7), ("frames", 0.9), ("sequences", 0.8))
    ]
    row = {"protocol": "per class", "classifier": "resnet50_svm_rbf", "draws": 5}
    return pd.DataFrame([row | cells | changes for cells in rows])


def compared(**changes) -> pd.DataFrame:
    row = {
        "classifier": "resnet50_svm_rbf",
        "protocol": "folds",
        "separation": "subjects",
        "difference": 0.012,
        "low": -0.01,
        "high": 0.034,
        "only_first": 9,
        "only_second": 4,
        "p_value": 0.0312,
        "n_subjects": 118,
    }
    return pd.DataFrame([row | changes])


def smiles() -> pd.DataFrame:
    row = {"model": "resnet50_softmax", "photos": 200, "smiles": 108}
    row |= {"accuracy": 0.8, "accuracy_low": 0.7, "accuracy_high": 0.9, "auc": 0.85, "auc_low": 0.8, "auc_high": 0.9}
    return pd.DataFrame([{**row, "group": "all"}, {**row, "group": "yaw to 4.1°", "smiles": 20, "photos": 20}])


def checks() -> pd.DataFrame:
    rows = [
        ("3, 11", "the sum is the decision value", 1e-12, 1e-9, True, ""),
        ("6-9", "KKT", 0.5, 0.1, False, "a slip"),
    ]
    return pd.DataFrame(rows, columns=["equation", "says", "deviation", "tolerance", "holds", "note"])


def misses() -> pd.DataFrame:
    cells = {"photos": [30, 30], "found": [27, 27], "low confidence": [2, 2], "no face": [1, 1], "missed": [0.1, 0.1]}
    return pd.DataFrame(cells, index=pd.Index(["smile", "total"], name="class"))


def whole_test() -> pd.DataFrame:
    """Rows as ``protocol_scores.whole_test`` returns them; the others are compared with the first model."""
    row = {"accuracy": 0.6, "low": 0.58, "high": 0.62, "faces": 3589, "wrong": 1436}
    none = dict.fromkeys(("difference", "difference_low", "difference_high", "p_value"), np.nan)
    some = {"difference": 0.01, "difference_low": -0.005, "difference_high": 0.025, "p_value": 0.21}
    return pd.DataFrame([{"model": "resnet50_softmax", **row, **none}, {"model": "resnet50_svm_rbf", **row, **some}])


def together() -> pd.DataFrame:
    """Rows as protocol_scores.together returns them, of a classifier that is shown and one that is not."""
    rows = []
    for classifier in ("pixels_svm", "class_priors"):
        row = {"protocol": "per class", "separation": "frames", "classifier": classifier, "printed": 0.986}
        cells = {"training": (1.0, 0.965, 1.0, 1680, 0, True), "testing": (0.9238, 0.8925, 0.9518, 420, 32, False)}
        cells["together"] = (0.98476, 0.9781, 0.9903, 2100, 32, True)
        for part, values in cells.items():
            ends = ("", "_low", "_high", "_faces", "_wrong", "_holds_printed")
            row |= {f"{part}{end}": value for end, value in zip(ends, values, strict=True)}
        rows.append(row)
    return pd.DataFrame(rows)


def fits() -> pd.DataFrame:
    """Rows as protocol_scores.fits returns them."""
    row = {"protocol": "per class", "separation": "frames", "classifier": "resnet50_svm_rbf", "fits": 5}
    row |= {"training": 0.98, "views": 0.95, "testing": 0.88, "C_low": 10.0, "C_high": 1000.0}
    row |= {"gamma_multiple_low": 0.1, "gamma_multiple_high": 0.1, "on_edge": 1, "edges": {"C highest": 1}}
    none = dict.fromkeys(("views", "C_low", "C_high", "gamma_multiple_low", "gamma_multiple_high"), np.nan)
    return pd.DataFrame([row, row | none | {"classifier": "pixels_svm", "on_edge": 0, "edges": {}}])


def readings() -> pd.DataFrame:
    """Rows as readings.scores returns them."""
    row = {"reading": "five_crops", "draws": 5, "learnt": 20160, "tested": 420, "training": 0.99, "views": 0.97}
    row |= {"testing": 0.88, "testing_low": 0.85, "testing_high": 0.91, "testing_min": 0.86, "testing_max": 0.9}
    row |= {"wrong": 252, "on_edge": 1, "printed": 0.986, "holds_printed": False}
    return pd.DataFrame([row, row | {"reading": "pixels", "views": np.nan, "holds_printed": True}])


def variants(name: str) -> pd.DataFrame:
    """Rows as svm_variants.compare, or with "model" as svm_variants.fer2013 returns them."""
    row = {"accuracy": 0.8, "low": 0.75, "high": 0.85, "training": 0.99, "views": 0.98, "on_edge": 0, "fits": 5}
    row |= {"chosen": "C 1 to 10, γ 0.1", "edge": "gamma_multiple lowest", "learnt": 5000}
    none = dict.fromkeys(("difference", "difference_low", "difference_high", "p_value"), np.nan)
    some = {"difference": 0.01, "difference_low": -0.005, "difference_high": 0.025, "p_value": 0.21}
    return pd.DataFrame([row | none | {name: "resnet50_svm_rbf"}, row | some | {name: "resnet50_svm_nu"}])


def three_parts() -> pd.DataFrame:
    """Rows as protocol_scores.validated returns them."""
    row = {"separation": "frames", "classifier": "resnet50_svm_rbf", "accuracy": 0.88, "low": 0.8, "high": 0.93}
    row |= {"training": 0.99, "views": 0.97, "validation": 0.9, "accuracy_min": 0.86, "accuracy_max": 0.9, "draws": 5}
    row |= {"on_edge": 1, "edges": {"C highest": 1}}
    return pd.DataFrame([row | {"training_faces": 336, "validation_faces": 42, "test_faces": 42}])


def own_errors() -> pd.DataFrame:
    """Rows as lenet_hypothesis.own_against_printed returns them."""
    printed = {"printed_validation": 5.0, "printed_test": 5.0, "printed_epoch": 46.0, "as_printed": True}
    row = {"place": "Table 5, row 2", "setting": "[10,30]", "arithmetic": "float32", "exchanged": False, **printed}
    found = {"validation": 5.0, "test": 5.0, "best_epoch": 46, "last_as_printed": False}
    found |= {"last_validation": 5.0, "last_test": 7.5, "last_epoch": 50}
    return pd.DataFrame([{**row, **found, "within": within} for within in (50, 200)])


MADE = {
    "hypothesis2": lambda **s: liu2023_tables.hypothesis2(together(), **s),
    "readings": lambda **s: svm_tables.readings(readings(), **s),
    "variants": lambda **s: svm_tables.variants(variants("classifier"), ResNet50SvmSettings(), **s),
    "variants_fer2013": lambda **s: svm_tables.variants_fer2013(variants("model"), ResNet50SvmSettings(), **s),
    "three_parts": lambda **s: svm_tables.three_parts(three_parts(), **s),
    "fits": lambda **s: svm_tables.fits(fits(), **s),
    "fer2013": lambda **s: liu2023_tables.fer2013(whole_test(), ResNet50SvmSettings(), **s),
    "table1": lambda **s: liu2023_tables.table1(pd.DataFrame({"training": [8], "testing": [2]}, index=["happy"]), **s),
    "table3": lambda **s: liu2023_tables.table3(accuracies(), **s),
    "table4": lambda **s: lenet_tables.table4(study(), **s),
    "table5": lambda **s: lenet_tables.table5(study(sweep="n_kerns"), **s),
    "batch_sizes": lambda **s: lenet_tables.batch_sizes(study(sweep="batch_size"), **s),
    "tutorial": lambda **s: lenet_tables.tutorial(own_errors(), **s),
    "separations": lambda **s: liu2023_tables.separations(accuracies(), **s),
    "leaks": lambda **s: liu2023_tables.leaks(compared(), **s),
    "svm_softmax": lambda **s: liu2023_tables.svm_softmax(compared(), **s),
    "misses": lambda **s: liu2023_tables.misses({"genki4k": misses()}, **s),
    "genki4k": lambda **s: liu2023_tables.genki4k(smiles(), **s),
    "equations": lambda **s: svm_tables.equations(checks(), **s),
    "paragraphs": lambda **s: lenet_tables.paragraphs(LeNetSettings(), **s),
    "claims": lambda **s: liu2023_tables.claims({}, **s),
}

# tables that take no more sentences
WITHOUT_NOTES = ("fits", "table1", "table4", "table5", "batch_sizes", "tutorial", "misses", "equations", "paragraphs")


# --- all of them ------------------------------------------------------------------------------------------------------


def test_every_table_of_measurements_is_tried():
    public = {
        name
        for module in (liu2023_tables, lenet_tables, svm_tables)
        for name, made in inspect.getmembers(module, inspect.isfunction)
        if made.__module__ == module.__name__ and made.__annotations__["return"] == "Table"
    }
    assert public == {*MADE, "table2", "expansion"}  # these two use no faces


@pytest.mark.parametrize("name", MADE)
def test_generated_faces_are_said_and_notes_come_along(name):
    noted = {} if name in WITHOUT_NOTES else {"notes": ["Whose weights."]}
    plain, marked = MADE[name](), MADE[name](synthetic=True, **noted)
    assert "SYNTHETIC" not in plain.to_markdown()
    assert marked.heading.startswith("SYNTHETIC")
    assert not noted or marked.notes[-1] == "Whose weights."
    assert "liu2023" in plain.title or name in ("separations", "leaks", "svm_softmax")


@pytest.mark.parametrize("name", MADE)
def test_every_row_of_the_markdown_has_a_cell_a_column(name):
    """A bar in a cell, such as that of |yaw|, would break the table."""
    table = MADE[name]()
    lines = [line for line in table.to_markdown().splitlines() if line.startswith("|")]
    assert len(lines) == len(table.frame) + 2
    assert {line.count("|") for line in lines} == {table.frame.shape[1] + 1}


def test_training_accuracy_is_beside_fer2013s_if_it_was_measured():
    older = liu2023_tables.fer2013(whole_test(), ResNet50SvmSettings()).frame
    frame = liu2023_tables.fer2013(whole_test().assign(training=[0.9, 0.95]), ResNet50SvmSettings()).frame
    assert frame["training faces (%)"].to_list() == ["90.00", "95.00"]
    pd.testing.assert_frame_equal(frame.drop(columns="training faces (%)"), older)


def test_choices_of_the_search_are_shown_as_a_range_with_their_edges():
    frame = svm_tables.fits(fits()).frame
    assert frame.iloc[0, 4:].to_list() == ["98.00", "95.00", "88.00", "10 to 1000", "0.1", "1: C highest 1"]
    assert frame.iloc[1, 4:].to_list() == ["98.00", "–", "88.00", "–", "–", "0"]


# --- Tables 1 to 3 ----------------------------------------------------------------------------------------------------


def test_table_1_sets_printed_beside_drawn_in_the_papers_words():
    counts = pd.DataFrame({"training": [56] * 6, "testing": [14, 14, 13, 14, 14, 14]}, index=CLASSES[:6])
    table = liu2023_tables.table1(counts)
    frame = table.frame.set_index("Class")
    assert list(frame.index) == ["Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise", "Neutrality", "Total"]
    assert frame.loc["Fear"].to_list() == ["56", "56", "14", "13"]
    assert frame.loc["Neutrality"].to_list() == ["56", "–", "14", "–"]
    assert frame.loc["Total"].to_list() == ["392", "336", "98", "83"]
    assert "no faces labelled neutral." in table.notes[0]


def test_table_1_with_all_classes_misses_none_and_shows_an_eighth():
    counts = pd.DataFrame({"training": [56] * 8, "testing": [14] * 8}, index=[*CLASSES, "contempt"])
    table = liu2023_tables.table1(counts)
    assert table.notes == ()
    frame = table.frame.set_index("Class")
    assert frame.loc["Contempt"].to_list() == ["–", "56", "–", "14"]
    assert frame.loc["Total", "Training, here"] == "448"


def test_table_2_sets_printed_beside_used():
    table = lenet_tables.table2(LeNetSettings(batch_size=40, n_epochs=200, n_kerns=(5, 10), learning_rate=0.1))
    assert table.frame.to_numpy().tolist() == [
        ["Batch size", "56", "40"],
        ["epoch", "50", "200"],
        ["Learning-rate", "0.05", "0.1"],
        ["Pool-size", "(2,2)", "(2,2)"],
        ["n-kerns", "[20,50]", "[5,10]"],
    ]
    assert not table.synthetic


def test_table_3_quotes_five_and_measures_its_own():
    frame = liu2023_tables.table3(accuracies()).frame.set_index("Algorism")
    assert frame["printed"].to_list() == ["84.55", "89.89", "84.40", "92.46", "91.40", "98.60"]
    own = frame.loc["Algorithms in this paper"]
    assert own["measured, frames at random"] == "90.00 [80.00, 95.00]"
    assert own["measured, sequences apart"] == "80.00 [70.00, 85.00]"
    assert own["measured, subjects apart"] == "70.00 [60.00, 75.00]"
    quoted = frame.drop(index="Algorithms in this paper")
    assert (quoted.filter(like="measured") == "–").all(axis=None)
    assert set(quoted["numbers"]) == {"quoted by the paper, not run here yet"}


def test_table_3_without_measurements_and_with_another_corpus():
    empty = liu2023_tables.table3(None).frame
    assert (empty.filter(like="measured") == "–").all(axis=None)
    other = accuracies().assign(separation="FER-2013's test faces").iloc[:1]
    more = liu2023_tables.table3(pd.concat([accuracies(), other]))
    assert more.frame.iloc[-1]["measured, FER-2013's test faces"] == "70.00 [60.00, 75.00]"


# --- the LeNet's study ------------------------------------------------------------------------------------------------


def cells(table: Table, key: str, numbers: str) -> list[str]:
    frame = table.frame
    found = frame[(frame.iloc[:, 0] == key) & (frame["numbers"] == numbers)]
    assert len(found) == 1
    return found.iloc[0, 2:].to_list()


def test_table_4_names_the_test_error_first_and_table_5_the_validation_error():
    table4, table5 = lenet_tables.table4(None), lenet_tables.table5(None)
    assert list(table4.frame.columns) == [
        "Learning-rate", "numbers", "Test error (%)", "Validation error (%)", "epoch", "at chance",
    ]  # fmt: skip
    assert list(table5.frame.columns[2:5]) == ["Validation error (%)", "Test error (%)", "epoch"]
    assert cells(table4, "0.1", "printed") == ["82.4", "97.5", "–", "–"]
    assert cells(table4, "0.01", "printed") == ["5", "15", "–", "–"]
    assert cells(table4, "0.05", "printed") == ["2.5", "5", "–", "–"]
    assert cells(table5, "[20,50]", "printed") == ["2.5", "5", "36", "–"]
    assert cells(table5, "[10,30]", "printed") == ["5", "5", "46", "–"]
    assert cells(table5, "[5,10]", "printed") == ["5", "7.5", "38", "–"]
    assert "not measured yet" in set(table4.frame["numbers"])
    assert "opposite order" in " ".join(table4.notes)


def test_measured_rows_stand_under_the_printed_one_with_median_range_and_chance():
    summary = pd.concat([study(), study(order="shuffled", at_chance=0), study(corpus="olivetti", batch_size=40)])
    table = lenet_tables.table4(summary)
    assert cells(table, "0.05", "CK+, unshuffled") == [
        "20.0 (19.0 to 22.5)", "10.0 (9.0 to 12.5)", "30 (29 to 32)", "2 of 5",
    ]  # fmt: skip
    assert cells(table, "0.05", "CK+, shuffled")[-1] == "0 of 5"
    assert cells(table, "0.05", "Olivetti faces, unshuffled, batch 40")[0] == "20.0 (19.0 to 22.5)"
    places = table.frame.index[table.frame["Learning-rate"] == "0.05"]
    assert list(np.diff(places)) == [1, 1, 1]  # printed, then the three measured
    assert "not measured yet" not in set(table.frame["numbers"])


def test_a_single_run_has_no_range():
    assert cells(lenet_tables.table4(study(runs=1, at_chance=1.0)), "0.05", "CK+, unshuffled") == [
        "20.0",
        "10.0",
        "30",
        "1 of 1",
    ]


@pytest.mark.parametrize("kerns", ["[5,10]", (5, 10), [5, 10], "(5, 10)"])
def test_table_5_takes_its_own_sweep_however_the_pair_is_written(kerns):
    row = study(sweep="n_kerns").assign(n_kerns=[kerns])
    table = lenet_tables.table5(pd.concat([row, study(learning_rate=0.7)]))
    assert cells(table, "[5,10]", "CK+, unshuffled")[0] == "10.0 (9.0 to 12.5)"
    assert len(table.frame) == 4


def test_a_value_that_the_paper_does_not_print_has_measured_rows_alone():
    table = lenet_tables.table4(study(learning_rate=0.2))
    assert table.frame[table.frame["Learning-rate"] == "0.2"]["numbers"].to_list() == ["CK+, unshuffled"]


def test_batch_sizes_printed_and_measured():
    table = lenet_tables.batch_sizes(pd.concat([study(sweep="batch_size", batch_size=size) for size in (1, 56, 40)]))
    for size in ("1", "2", "5", "10", "20"):
        assert cells(table, size, "printed") == ["97.5", "–", "–", "–"]
    assert cells(table, "56", "printed")[:2] == ["5 (Table 4) and 2.5 (Table 5)", "2.5 (Table 4) and 5 (Table 5)"]
    assert cells(table, "40", "CK+, unshuffled")[0] == "10.0 (9.0 to 12.5)"
    assert list(dict.fromkeys(table.frame["Batch size"])) == ["1", "2", "5", "10", "20", "56", "40"]


def test_paragraphs_follow_the_settings_and_the_trainings():
    frame = lenet_tables.paragraphs(LeNetSettings(n_epochs=60, filter_size=5)).frame
    here = frame["here"].to_list()
    assert here[0] == "n_epochs: 60"
    assert here[2] == "not measured yet"
    assert here[-1] == "maps after each step: 48×48 → 44×44 → 22×22 → 18×18 → 9×9"
    results = pd.DataFrame(
        {"epochs": [200, 200, 30], "best_epoch": [199, 50, 29], "stopped": ["n_epochs", "n_epochs", "patience"]}
    ).assign(corpus="ckplus", order="shuffled", learning_rate=0.05, batch_size=56, n_kerns="[20,50]", seed=range(3))
    results = pd.concat([results.assign(sweep=sweep) for sweep in ("learning_rate", "n_kerns")])  # the same trainings
    here = lenet_tables.paragraphs(LeNetSettings(), results=results).frame["here"].to_list()
    assert here[1] == "trainings stopped: 2 of 3 by n_epochs, 1 of 3 by patience"
    assert here[2] == "of 2 trainings that it ended, 1 had their best validation error in the last tenth"


# --- SVM, leaks, smiles -----------------------------------------------------------------------------------------------


def test_separations_are_columns_and_classifiers_rows():
    both = pd.concat([accuracies(), accuracies(classifier="resnet50_softmax", protocol="folds", draws=1)])
    table = liu2023_tables.separations(both)
    frame = table.frame.set_index("classifier")
    assert frame.loc["ResNet-50 + SVM (RBF)", "56 + 14 faces a class: subjects apart"] == "70.00 [60.00, 75.00]"
    assert frame.loc["ResNet-50 + SoftMax", "folds: frames at random"] == "90.00 [80.00, 95.00]"
    assert frame.loc["ResNet-50 + SoftMax", "56 + 14 faces a class: frames at random"] == "–"
    assert "56 + 14 faces a class: 5, folds: 1" in table.notes[0]


def test_leaks_are_in_points_with_their_sign():
    row = liu2023_tables.leaks(compared()).frame.iloc[0]
    assert row["compared"] == "frames at random minus subjects apart"
    assert row["difference (points)"] == "+1.20 [-1.00, +3.40]"
    assert row["p"] == "0.031"
    assert row["protocol"] == "folds"
    assert "protocol" not in liu2023_tables.leaks(compared().drop(columns="protocol")).frame


def test_leaks_are_adjusted_for_all_comparisons_of_the_table():
    values = (0.01, 0.04, np.nan, 0.03, 0.005)
    table = liu2023_tables.leaks(pd.concat([compared(p_value=value) for value in values]))
    assert table.frame["p"].to_list() == ["0.01", "0.04", "–", "0.03", "0.005"]
    assert table.frame["Holm's p"].to_list() == ["0.03", "0.06", "–", "0.06", "0.02"]
    assert "adjusted for all the comparisons of this table" in table.notes[0]
    liu2023_tables.leaks(pd.DataFrame(columns=compared().columns))  # with one separation there is nothing to compare


def test_svm_against_softmax_is_adjusted_within_each_seed():
    rows = [compared(protocol=protocol, p_value=value) for protocol, value in (("per class", 0.01), ("folds", 0.03))]
    alone = liu2023_tables.svm_softmax(pd.concat(rows))
    assert alone.frame["Holm's p"].to_list() == ["0.02", "0.03"]
    assert "of this table" in alone.notes[0]
    seeds = liu2023_tables.svm_softmax(pd.concat([row.assign(seed=seed) for seed in (0, 1, "all") for row in rows]))
    assert seeds.frame["Holm's p"].to_list() == ["0.02", "0.03"] * 3
    assert "of a seed" in seeds.notes[0]


def test_fer2013s_models_are_adjusted_for_each_other():
    rows = whole_test()
    other = rows.iloc[[1]].assign(model="pixels_svm", p_value=0.01)
    frame = liu2023_tables.fer2013(pd.concat([rows, other]), ResNet50SvmSettings()).frame
    assert frame["McNemar's exact p"].to_list() == ["–", "0.21", "0.01"]
    assert frame["Holm's p"].to_list() == ["–", "0.21", "0.02"]


def test_hypothesis_2_has_each_part_and_says_where_the_printed_value_lies():
    table = liu2023_tables.hypothesis2(together())
    assert len(table.frame) == 1  # class priors learn no face
    assert table.frame.iloc[0].to_list() == [
        "pixels + SVM (RBF)", "56 + 14 faces a class", "frames at random",
        "100.00 [96.50, 100.00]", "0 of 1,680", "92.38 [89.25, 95.18]", "32 of 420", "98.48 [97.81, 99.03]",
        "32 of 2,100", "training faces, both together",
    ]  # fmt: skip
    assert list(table.frame.columns)[-1] == "98.60 is in the interval of"
    none = together().assign(**dict.fromkeys([f"{part}_holds_printed" for part in ("training", "together")], False))
    assert liu2023_tables.hypothesis2(none).frame.iloc[0, -1] == "–"


def test_hypothesis_2_counts_the_papers_own_seven_wrong():
    """7 of 98 wrong are 92.86 % right, 7 of 392 + 98 are 98.57 %."""
    said = liu2023_tables.hypothesis2(together()).notes[0]
    assert "prints 7 wrong" in said
    assert "92.86 % of its 98 test faces and 98.57 % of the 490 faces of both parts" in said


def test_svm_against_softmax_per_seed_and_pooled():
    rows = pd.concat([compared(seed=0), compared(seed="all", p_value=1e-7)])
    frame = liu2023_tables.svm_softmax(rows).frame
    assert frame["seed"].to_list() == ["0", "all"]
    assert frame["p"].to_list() == ["0.031", "< 0.0001"]
    assert frame.iloc[0][["right only by SVM", "right only by SoftMax"]].to_list() == [9, 4]
    drawn = liu2023_tables.svm_softmax(compared(draws=3, difference_min=-0.01, difference_max=0.02)).frame
    assert drawn["of single draws"].to_list() == ["-1.00 to +2.00 (3)"]


def test_smiles_have_two_measures_and_the_level_of_always_smiling():
    table = liu2023_tables.genki4k(smiles())
    assert table.frame.iloc[0].to_list() == [
        "ResNet-50 + SoftMax", "all", 200, 108, "80.00 [70.00, 90.00]", "0.8500 [0.8000, 0.9000]",
    ]  # fmt: skip
    assert "right for 54.00 %" in table.notes[0]


def test_smiles_of_an_svm_taught_on_another_corpus_and_without_photos():
    taught = liu2023_tables.genki4k(smiles().assign(model="FER-2013"))
    assert set(taught.frame["model"]) == {"SVM taught on FER-2013"}
    empty = liu2023_tables.genki4k(smiles().iloc[:0])
    assert len(empty.frame) == 0
    assert "holds no GENKI-4K" in empty.to_markdown()


def test_fer2013_says_what_the_svm_saw_and_compares_with_the_first():
    table = liu2023_tables.fer2013(whole_test(), ResNet50SvmSettings(fer2013_components=200, fer2013_search_faces=900))
    assert table.frame.to_numpy().tolist() == [
        ["ResNet-50 + SoftMax", "60.00 [58.00, 62.00]", "1,436 of 3,589", "–", "–", "–"],
        ["ResNet-50 + SVM (RBF)", "60.00 [58.00, 62.00]", "1,436 of 3,589", "+1.00 [-0.50, +2.50]", "0.21", "0.21"],
    ]
    assert "sees 200 principal components" in table.notes[0]
    assert "on 900 training faces" in table.notes[0]
    assert "the exact kernel" in liu2023_tables.fer2013(whole_test(), ResNet50SvmSettings()).notes[0]


def test_misses_of_corpora_that_hold_crops_are_none():
    table = liu2023_tables.misses({})
    assert len(table.frame) == 0
    assert "face crops already" in table.to_markdown()


def test_misses_are_in_per_cent_under_the_corpus_name():
    frame = liu2023_tables.misses({"genki4k": misses(), "ckplus": misses()}).frame
    assert frame["corpus"].to_list() == ["GENKI-4K"] * 2 + ["CK+"] * 2
    assert frame["missed (%)"].to_list() == ["10.00"] * 4
    assert frame["class"].to_list() == ["smile", "total"] * 2


def test_equations_stand_beside_their_checks():
    frame = svm_tables.equations(checks()).frame.set_index("equation")
    assert frame.loc["3, 11", "printed"] == svm_tables.EQUATIONS[3]  # both print the same
    assert frame.loc["6-9", "printed"] == "–"
    assert frame["holds"].to_list() == [True, False]
    assert frame.loc["3, 11", ["largest deviation", "tolerance", "note"]].to_list() == ["1.0e-12", "1.0e-09", "–"]


def test_claims_without_a_printed_number_say_so():
    frame = liu2023_tables.claims({"svm_gain": "+0.3 points"}).frame
    assert frame["printed"].to_list() == ["98.6 %", "98.60 %", "about 1 %", *["announced, no number printed"] * 4]
    assert frame["measured"].to_list() == ["not measured yet"] * 2 + ["+0.3 points"] + ["not measured yet"] * 4
    with pytest.raises(KeyError, match="svm_gian"):
        liu2023_tables.claims({"svm_gian": "x"})


def test_the_counts_after_augmentation_are_printed_whole():
    table = liu2023_tables.expansion(arithmetic(ExpansionSettings()))
    rows = table.frame.set_index("calculation")
    assert rows.loc["392 · 12 · 5", ["result", "printed"]].tolist() == ["23,520", "25,600"]
    assert rows.loc["2,268 / 12", ["result", "printed"]].tolist() == ["189", "–"]
    assert rows.loc["25,600 / 392", "result"] == "65.31"
