"""Test the records of printed numbers: complete for their tables, exactly as printed, each number once."""

from __future__ import annotations

import re

import numpy as np
import pytest

from fer_lib import published
from fer_lib.errors import FerError
from fer_lib.settings import PROJECT, LeNetSettings, ResNet50MlpSettings

PAPERS = ("chen2023", "liu2023")
TABLE_1 = {
    "width_shift_range": "0.1",
    "height_shift_range": "0.1",
    "rotation_range": "15",
    "batch_size": "64",
    "dropout_rate": "0.5",
    "optimizer": "Adam",
}
TABLE_2 = {
    ("baseline_cnn", "training", "loss"): "0.13",
    ("baseline_cnn", "training", "accuracy"): "0.9613",
    ("baseline_cnn", "validation", "loss"): "2.11",
    ("baseline_cnn", "validation", "accuracy"): "0.6314",
    ("baseline_cnn", "testing", "loss"): "1.98",
    ("baseline_cnn", "testing", "accuracy"): "0.6420",
    ("resnet50_mlp", "training", "loss"): "1.71",
    ("resnet50_mlp", "training", "accuracy"): "0.8580",
    ("resnet50_mlp", "validation", "loss"): "1.68",
    ("resnet50_mlp", "validation", "accuracy"): "0.8581",
    ("resnet50_mlp", "testing", "loss"): "1.78",
    ("resnet50_mlp", "testing", "accuracy"): "0.8571",
}
# the numbers of the running text, by id
CHEN_TEXT = {
    "abstract-accuracy": "85.71",
    "intro-accuracy": "85",
    "image-size": "48",
    "classes": "7",
    "training-faces": "28709",
    "testing-faces": "3589",
    "train-share": "8",
    "validation-share": "2",
    "feature-channels": "2048",
    "flattened": "8192",
    "trunk-parameters": "23587712",
    "python": "3.10",
    "gpu-memory": "8",
    "epochs": "50",
    "iterations": "50",
    "figure6-validation": "85",
    "conclusion-accuracy": "85.71",
}
LIU_TEXT = {
    "abstract-accuracy": "98.6",
    "abstract-svm-gain": "1",
    "intro-depth": "50",
    "imagenet-images": "14",
    "imagenet-profiles": "20000",
    "fer2013-pictures": "35887",
    "fer2013-types": "7",
    "ckplus-people": "123",
    "ckplus-sequences": "593",
    "ckplus-expressions": "8",
    "ckplus-selected": "7",
    "ckplus-frames-low": "3",
    "ckplus-frames-high": "5",
    "section21-training": "392",
    "section21-testing": "98",
    "section21-fear-training": "56",
    "section21-neutrality-testing": "14",
    "section21-expansion": "12",
    "expanded-training": "25600",
    "expanded-testing": "2268",
    "genki-photos": "4000",
    "genki-smiling": "2162",
    "genki-not-smiling": "1838",
    "section22-training": "392",
    "section22-validation": "49",
    "section22-testing": "49",
    "image-size": "48",
    "resnet-layers-low": "100",
    "resnet-layers-high": "1000",
    "tensorflow": "2.6.0",
    "python": "3.9",
    "opencv": "3",
    "section31-accuracy": "98.6",
    "section31-wrong": "7",
    "section321-validation": "56",
    "section321-testing": "56",
    "section321-wrong-high": "2",
    "section322-validation": "49",
    "section322-validation-error": "97.5",
    "section322-in-a-row": "10",
    "section322-classes": "2",
    "section322-batch-size": "56",
    "section323-epochs": "200",
    "section325-pool-area": "2",
}
# liu2023's tables, row by row, as the paper prints them
LIU_TABLES = {
    "Table 1": (
        ["row", "training", "testing"],
        """Anger 56 14 | Disgust 56 14 | Fear 56 14 | Happiness 56 14 | Sadness 56 14 | Surprise 56 14 |
        Neutrality 56 14 | Total 392 98""",
    ),
    "Table 4": (
        ["n-kerns", "Batch size", "Pool-size", "Learning-rate", "Test error", "Validation error"],
        "[20,50] 56 (2,2) 0.1 82.4 97.5 | [20,50] 56 (2,2) 0.01 5 15 | [20,50] 56 (2,2) 0.05 2.5 5",
    ),
    "Table 5": (
        ["n-kerns", "Validation error", "Test error", "epoch"],
        "[20,50] 2.5 5 36 | [10,30] 5 5 46 | [5,10] 5 7.5 38",
    ),
}


@pytest.fixture(scope="module", params=PAPERS)
def printed(request):
    return published.load(request.param)


def test_chen2023s_table_1_is_there_exactly_as_printed():
    rows = published.load("chen2023")
    rows = rows[rows["place"].str.startswith("Table 1, row")]
    assert dict(zip(rows["quantity"], rows["value"], strict=True)) == TABLE_1
    assert rows["id"].str.startswith("table1-").all()


def test_chen2023s_table_2_is_there_exactly_as_printed():
    rows = published.load("chen2023")
    rows = rows[rows["place"].str.startswith("Table 2")]
    keys = zip(rows["model"], rows["split"], rows["metric"], strict=True)
    assert dict(zip(keys, rows["value"], strict=True)) == TABLE_2
    assert len(rows) == 12


@pytest.mark.parametrize("table", LIU_TABLES)
def test_liu2023s_tables_are_there_exactly_as_printed(table):
    columns, text = LIU_TABLES[table]
    found = published.printed_table("liu2023", table)
    assert found[columns].to_numpy().tolist() == [row.split() for row in text.split("|")]
    assert set(found.columns) == {"row", *columns}


def test_liu2023s_tables_2_and_3_are_there_exactly_as_printed():
    table2 = published.printed_table("liu2023", "Table 2").set_index("row")
    assert {name: table2.loc[name, name] for name in table2.index} == {
        "Batch size": "56",
        "epoch": "50",
        "Learning-rate": "0.05",
        "Pool-size": "(2,2)",
        "n-kerns": "[20,50]",
    }
    table3 = published.printed_table("liu2023", "Table 3")
    assert dict(zip(table3["row"], table3["Accuracy"], strict=True)) == {
        "CNN + AD": "84.55",
        "CSPL + SVM": "89.89",
        "LBP + CNN": "84.40",
        "GB + DBNs + SAE": "92.46",
        "LBP/VAR + DBN": "91.40",
        "Algorithms in this paper": "98.60",
    }


def test_an_unknown_table_names_those_that_there_are():
    with pytest.raises(FerError, match=r"no numbered rows of 'Table 6'.*'Table 1', 'Table 2', 'Table 3'"):
        published.printed_table("liu2023", "Table 6")


@pytest.mark.parametrize(("paper", "text"), [("chen2023", CHEN_TEXT), ("liu2023", LIU_TEXT)])
def test_the_numbers_of_the_text_are_there(paper, text):
    values = published.load(paper).set_index("id")["value"]
    assert values[list(text)].to_dict() == text


def test_statements_that_contradict_each_other_are_all_there():
    """Test faces are 98, 49 and 56 in turn; Tables 4 and 5 name 2.5 and 5 in opposite order for one row."""
    values = published.load("liu2023").set_index("id")["value"]
    ids = ["section21-testing", "section22-testing", "section322-testing", "section321-testing"]
    assert values[ids].to_list() == ["98", "49", "49", "56"]
    assert values[["table4-row3-test-error", "table4-row3-validation-error"]].to_list() == ["2.5", "5"]
    assert values[["table5-row1-test-error", "table5-row1-validation-error"]].to_list() == ["5", "2.5"]
    assert values[["table2-epoch", "section323-epochs"]].to_list() == ["50", "200"]


def test_each_statement_has_one_id_a_place_and_its_words(printed):
    assert printed["id"].is_unique
    assert printed["id"].str.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*").all()
    assert list(printed.columns) == published.COLUMNS
    assert printed[["id", "place", "quantity", "value", "unit", "states"]].notna().all(axis=None)
    assert set(printed["corpus"].dropna()) <= {"fer2013", "ckplus", "genki4k"}


def test_values_are_strings_so_that_their_decimals_stay(printed):
    assert printed["value"].map(lambda value: isinstance(value, str)).all()
    assert (printed["value"] == printed["value"].str.strip()).all()


def test_the_words_quoted_hold_the_number_where_they_are_words(printed):
    """A digit that a quoted sentence spells out is the statement's own value: a slip of the pen would show."""
    sentences = printed[~printed["place"].str.startswith("Table")]
    assert len(sentences) > 25
    for statement in sentences.itertuples():
        numbers = [number.replace(",", "") for number in re.findall(r"\d[\d,.]*\d|\d", statement.states)]
        value = re.sub(r"[^\d.]", "", statement.value)  # of a pair too, which the sentence may space as (2, 2)
        assert not numbers or value in [*numbers, "".join(numbers[-2:])], statement.id


def test_scores_are_table_2_as_numbers():
    for model in ("baseline_cnn", "resnet50_mlp"):
        for metric in ("loss", "accuracy"):
            expected = {split: float(value) for (m, split, k), value in TABLE_2.items() if (m, k) == (model, metric)}
            assert published.scores("chen2023", model, metric) == expected
    assert published.scores("chen2023", "class_priors", "loss") == {}


def test_scores_of_liu2023_are_in_per_cent_and_name_their_statement():
    scores = published.load("liu2023").dropna(subset=["model", "split", "metric"])
    assert set(scores["unit"]) == {"%"}
    own = scores[scores["model"] == "resnet50_svm"]
    assert dict(zip(own["id"], own["value"], strict=True)) == {
        "abstract-accuracy": "98.6",
        "section31-accuracy": "98.6",
        "table3-own": "98.60",
    }
    assert len(scores[scores["model"] == "lenet"]) == 13  # six of Table 4, six of Table 5, one of section 3.2.2


def test_every_number_of_table_1_is_the_setting_that_its_record_names():
    record, defaults = published.record("chen2023"), ResNet50MlpSettings()
    named = {part.ids[0]: part.value for part in record.measured if part.ids[0].startswith("table1-")}
    assert {float(record[name].value) for name in named} == {getattr(defaults, key) for key in named.values()}
    for name, key in named.items():
        assert float(record[name].value) == getattr(defaults, key), name
    ids = {statement.id for statement in record.statements if statement.id.startswith("table1-")}
    assert ids - set(named) == {"table1-optimizer"}


def test_the_lenets_defaults_are_the_printed_numbers():
    defaults, values = LeNetSettings(), published.load("liu2023").set_index("id")["value"]
    assert float(values["table2-learning-rate"]) == defaults.learning_rate
    assert int(values["table2-batch-size"]) == defaults.batch_size
    assert int(values["table2-epoch"]) == defaults.n_epochs  # section 3.2.3 speaks of 200
    rates = {float(values[f"table4-row{row}-learning-rate"]) for row in (1, 2, 3)}
    assert rates == set(defaults.learning_rates)
    sizes = {int(values[f"section322-batch-{size}"]) for size in (1, 2, 5, 10, 20)}
    assert sizes | {int(values["section322-batch-size"])} == set(defaults.batch_sizes)


@pytest.mark.parametrize(
    ("asked", "near"), [("chen2032", "chen2023"), ("Chen2023", "chen2023"), ("liu2032", "liu2023"), ("__init__", "")]
)
def test_an_unknown_paper_names_the_nearest(asked, near):
    with pytest.raises(FerError, match=rf"record of a paper '{asked}'") as error:
        published.load(asked)
    assert (f"did you mean '{near}'?" in str(error.value)) is bool(near)
    assert "the papers are ['chen2023', 'liu2023'" in str(error.value)


def test_a_binary_cross_entropy_near_guessing_is_far_from_the_printed_losses():
    text = " ".join((PROJECT / "docs" / "decisions.md").read_text(encoding="utf-8").split())
    said = re.search(
        r"class shares has a binary cross-entropy of ([\d.]+) nats, answering 1/7 for each class ([\d.]+)", text
    )
    counts = np.array([3995, 436, 4097, 7215, 4830, 3171, 4965])  # FER-2013's training part
    for shares, value in zip((counts / counts.sum(), np.full(7, 1 / 7)), said.groups(), strict=True):
        true = counts / counts.sum()
        assert -(true * np.log(shares) + (1 - true) * np.log(1 - shares)).mean() == pytest.approx(
            float(value), abs=0.005
        )
    printed = published.scores("chen2023", "resnet50_mlp", "loss")
    assert (min(printed.values()), max(printed.values())) == (1.68, 1.78)
