"""The record of what chen2023 prints: complete for both tables, exactly as printed, each number once."""

from __future__ import annotations

import re

import pytest

from fer_lib import published
from fer_lib.errors import FerError
from fer_lib.settings import ResNet50MlpSettings

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
TEXT = {
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


@pytest.fixture(scope="module")
def printed():
    return published.load("chen2023")


def test_table_1_is_there_exactly_as_printed(printed):
    rows = printed[printed["place"] == "Table 1"]
    assert dict(zip(rows["quantity"], rows["value"], strict=True)) == TABLE_1
    assert rows["id"].str.startswith("table1-").all()


def test_table_2_is_there_exactly_as_printed(printed):
    rows = printed[printed["place"].str.startswith("Table 2")]
    keys = zip(rows["model"], rows["split"], rows["metric"], strict=True)
    assert dict(zip(keys, rows["value"], strict=True)) == TABLE_2
    assert len(rows) == 12


def test_the_numbers_of_the_text_are_there(printed):
    values = printed.set_index("id")["value"]
    assert values[list(TEXT)].to_dict() == TEXT


def test_each_statement_has_one_id_a_place_and_its_words(printed):
    assert printed["id"].is_unique
    assert printed["id"].str.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*").all()
    assert list(printed.columns) == published.COLUMNS
    assert printed[["id", "place", "quantity", "value", "unit", "states"]].notna().all(axis=None)


def test_values_are_strings_so_that_their_decimals_stay(printed):
    assert printed["value"].map(lambda value: isinstance(value, str)).all()
    assert (printed["value"] == printed["value"].str.strip()).all()


def test_the_words_quoted_hold_the_number_where_they_are_words(printed):
    """A digit that a quoted sentence spells out is the statement's own value: a slip of the pen would show."""
    sentences = printed[~printed["place"].str.startswith("Table")]
    for statement in sentences.itertuples():
        numbers = [number.replace(",", "") for number in re.findall(r"\d[\d,.]*\d|\d", statement.states)]
        assert not numbers or statement.value in " ".join(numbers), statement.id


def test_scores_are_table_2_as_numbers():
    scores = published.scores("chen2023")
    assert list(scores.columns) == ["model", "split", "metric", "value", "id"]
    found = scores.set_index(["model", "split", "metric"])["value"].to_dict()
    assert found == {key: float(value) for key, value in TABLE_2.items()}


def test_every_number_of_table_1_names_its_setting():
    defaults = ResNet50MlpSettings()
    printed = published.load("chen2023").set_index("id")["value"]
    for name, setting in published.TABLE1_SETTINGS.items():
        assert float(printed[name]) == getattr(defaults, setting), name
    ids = {name for name in printed.index if name.startswith("table1-")}
    assert ids - set(published.TABLE1_SETTINGS) == {"table1-optimizer"}


@pytest.mark.parametrize(("asked", "near"), [("chen2032", True), ("Chen2023", True), ("__init__", False)])
def test_an_unknown_paper_names_the_nearest(asked, near):
    with pytest.raises(FerError, match=rf"no record of a paper '{asked}'") as error:
        published.load(asked)
    assert ("did you mean 'chen2023'?" in str(error.value)) is near
    assert "the papers are ['chen2023'" in str(error.value)
