"""Test tables: the contents and format of each cell, and the mark of generated faces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fer_lib.datasets.catalog import TITLES
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.settings import BaselineCnnSettings, ResNet50MlpSettings
from fer_lib.tables import (
    base as tables,
    chen2023 as chen2023_tables,
    hypotheses as hypotheses_tables,
    input_scale as scale_tables,
)
from fer_lib.tables.base import Table
from fer_lib.tables.format import MODEL_NAMES
from fer_lib.utils import packed

SPLITS = ("training", "validation", "testing")
# chen2023, Table 2, as printed: loss and accuracy of training, validation and testing
CNN_PRINTED = ["0.13", "0.9613", "2.11", "0.6314", "1.98", "0.6420"]
MLP_PRINTED = ["1.71", "0.8580", "1.68", "0.8581", "1.78", "0.8571"]


def small_scores(loss=1.5, categorical=0.25, binary=0.86, *, width=0.01) -> pd.DataFrame:
    """Scores as evaluation.score returns them, each interval ``width`` to either side."""
    values = {"loss": loss, "categorical_accuracy": categorical, "binary_accuracy": binary, "recall_happy": 0.5}
    rows = [
        {"metric": name, "value": value, "low": value - width, "high": value + width, "n": 9, "interval": "wilson"}
        for name, value in values.items()
    ]
    return pd.DataFrame(rows)


def measured(**changes) -> pd.DataFrame:
    return tables.long_scores({split: small_scores(**changes) for split in SPLITS})


def faces(labels, *, split="Training", synthetic=False) -> FaceDataset:
    meta = pd.DataFrame({"label": labels, "split": split})
    images = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1)
    return FaceDataset(images, meta, ("angry", "happy", "sad"), "few", synthetic)


def row(table: Table, model: str, numbers: str) -> list[str]:
    """The six score cells of one row of Table 2."""
    frame = table.frame.set_index(["Model", "Numbers"])
    assert frame.index.is_unique
    return frame.loc[(model, numbers)].to_list()


# --- Table ------------------------------------------------------------------------------------------------------------


def test_markdown_has_title_header_rows_and_notes():
    frame = pd.DataFrame({"name": ["x", "y"], "faces": [28709, 3], "share": [0.25, np.nan], "kept": [True, False]})
    lines = Table(frame, "A title", notes=("A note.", "Another.")).to_markdown().splitlines()
    assert lines[0] == "**A title**"
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert cells[0] == ["name", "faces", "share", "kept"]
    assert cells[2:] == [["x", "28,709", "0.25", "yes"], ["y", "3", "–", "no"]]
    assert [line for line in lines if line][-2:] == ["A note.", "Another."]


def test_an_index_is_shown_only_where_it_has_a_name():
    frame = pd.DataFrame({"faces": [1]}, index=["first"])
    assert "first" not in Table(frame, "t").to_markdown()
    named = Table(frame.rename_axis("place"), "t")
    assert list(named.flat().columns) == ["place", "faces"]
    assert "first" in named.to_markdown()


@pytest.mark.parametrize("synthetic", [True, False])
def test_generated_faces_are_said_everywhere_and_real_ones_nowhere(synthetic):
    table = Table(pd.DataFrame({"a": [1]}), "A title", synthetic)
    for text in (table.heading, table.to_markdown(), table._repr_markdown_(), repr(table)):
        assert ("SYNTHETIC" in text) is synthetic
        assert "A title" in text


def test_makers_pass_the_mark_on():
    given = {"testing": small_scores()}
    sure = {"testing": {"faces": 1, "largest_output": 0.5, "binary_accuracy": 0.5}}
    for synthetic in (True, False):
        made = [
            tables.scores(given, title="t", synthetic=synthetic),
            chen2023_tables.table2({}, title="t", synthetic=synthetic),
            tables.statements("chen2023", {"classes": 7}, synthetic=synthetic),
            chen2023_tables.sureness(sure, title="t", synthetic=synthetic),
            tables.part_sizes({"training": faces([0], synthetic=synthetic)}, title="t"),
        ]
        assert [table.synthetic for table in made] == [synthetic] * 5


# --- settings, sizes, predictions -------------------------------------------------------------------------------------


def test_table_1_sets_printed_beside_used():
    frame = chen2023_tables.table1(ResNet50MlpSettings(dropout_rate=0.25)).frame
    assert frame.to_numpy().tolist() == [
        ["width_shift_range", "0.1", "0.1"],
        ["height_shift_range", "0.1", "0.1"],
        ["rotation_range", "15", "15.0"],
        ["batch_size", "64", "64"],
        ["dropout_rate", "0.5", "0.25"],
        ["optimizer", "Adam", "Adam"],
    ]


def test_settings_table_holds_every_setting_and_no_folder():
    frame = tables.all_settings(ResNet50MlpSettings(weights="/somewhere/own.h5"), title="t").frame
    values = dict(zip(frame["setting"], frame["value"], strict=True))
    assert set(values) == set(ResNet50MlpSettings.__dataclass_fields__)
    assert values["weights"] == "file own.h5"
    assert values["batch_size"] == "64"
    filters = tables.all_settings(BaselineCnnSettings(), title="t").frame.set_index("setting")
    assert filters.loc["convolution_filters", "value"] == "[32, 64, 128]"


def test_part_sizes_count_each_class_and_show_the_fingerprint():
    parts = {"training": faces([0, 0, 2]), "testing": faces([1])}
    frame = tables.part_sizes(parts, title="t").frame.set_index("part")
    assert frame.loc["training", ["angry", "happy", "sad", "total"]].to_list() == [2, 0, 1, 3]
    assert frame.loc["testing", ["angry", "happy", "sad", "total"]].to_list() == [0, 1, 0, 1]
    assert frame.loc["training", "fingerprint"] == parts["training"].fingerprint[:12]


def test_part_sizes_say_how_the_faces_of_each_corpus_were_cropped():
    given, found = faces([0, 1]), replace(faces([0, 1]), corpus="genki4k", notes={"faces": {"found": 2}})
    table = tables.part_sizes({"training": given, "testing": given, "GENKI-4K": found}, title="t")
    name = TITLES.get(given.corpus, given.corpus)
    assert table.notes == (f"Crops: {name} already cropped, GENKI-4K found by MTCNN.",)
    assert tables.crops_note(found.take([])) == "Crops: none."


def test_part_sizes_of_forty_people_are_counted_without_their_names():
    frame = tables.part_sizes({"training": faces([0, 0, 2])}, title="t", classes=False).frame
    assert list(frame.columns) == ["part", "classes", "total", "fingerprint"]
    assert frame.iloc[0][["classes", "total"]].to_list() == [3, 3]


def test_settings_of_several_experiments_stand_under_their_names():
    given = {"mlp": ResNet50MlpSettings(batch_size=7), "cnn": BaselineCnnSettings(batch_size=9)}
    frame = tables.settings_by_name(given, title="t").frame
    assert list(frame.columns) == ["of", "setting", "value"]
    found = frame[frame["setting"] == "batch_size"].set_index("of")["value"].to_dict()
    assert found == {"mlp": "7", "cnn": "9"}
    assert len(frame) == len(ResNet50MlpSettings.__dataclass_fields__) + len(BaselineCnnSettings.__dataclass_fields__)


def test_prediction_rows_hold_face_label_and_outputs_in_order():
    outputs = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]])
    frame = tables.prediction_rows(faces([2, 1]), outputs)
    assert list(frame.columns) == ["face", "label", "angry", "happy", "sad"]
    assert frame[["face", "label"]].to_numpy().tolist() == [[0, 2], [1, 1]]
    np.testing.assert_array_equal(frame[["angry", "happy", "sad"]], outputs)


def test_packed_answers_name_the_part_and_keep_the_prediction(tmp_path):
    close = np.array([[0.40001, 0.40002, 0.19997], [0.1, 0.6, 0.3]])
    frame = tables.answers({"training": (faces([2, 1]), close), "validation": (faces([0]), close[1:])})
    packed.write(frame, tmp_path / "a.npz")
    again = packed.read(tmp_path / "a.npz")
    assert list(again.columns) == ["part", "face", "label", "predicted", "sure", "angry", "happy", "sad"]
    assert again["part"].to_list() == ["training", "training", "validation"]
    assert again[["face", "label", "predicted"]].to_numpy().tolist() == [[0, 2, 1], [1, 1, 1], [0, 0, 1]]
    assert again["sure"].to_list() == [False, True, True]
    assert again["angry"][0] == again["happy"][0]  # rounded to the same number; the prediction still tells them apart


def test_sureness_table_shows_enough_decimals_to_tell_from_six_sevenths():
    row_of = {"faces": 3589, "sure_right": 3, "sure_wrong": 2, "largest_output": 0.51234, "binary_accuracy": 0.8571826}
    table = chen2023_tables.sureness({"testing": row_of}, title="t")
    assert table.flat().iloc[0].to_list() == ["testing", "3,589", "3", "2", "0.5123", "0.857183"]
    assert list(table.frame.columns)[:3] == ["faces of", "faces", "sure right"]
    assert "6/7 = 0.857143" in table.to_markdown()


# --- scores -----------------------------------------------------------------------------------------------------------


def test_long_scores_put_the_split_in_front():
    frame = tables.long_scores({"training": small_scores(), "testing": small_scores(loss=2.0)})
    assert list(frame.columns) == ["split", "metric", "value", "low", "high", "n", "interval"]
    assert list(frame["split"]) == ["training"] * 4 + ["testing"] * 4
    assert frame[(frame["split"] == "testing") & (frame["metric"] == "loss")]["value"].item() == 2.0


def test_score_table_has_a_column_a_name_and_readable_metrics():
    table = tables.scores({"validation": small_scores(), "testing": small_scores(loss=2.0)}, title="t")
    assert list(table.frame.columns) == ["validation", "testing"]
    assert list(table.frame.index) == ["loss (nats)", "categorical accuracy", "binary accuracy", "recall: happy"]
    assert table.frame.loc["loss (nats)", "testing"] == "2.0000 [1.9900, 2.0100]"
    assert "loss (nats)" in table.to_markdown()


def test_table_2_shows_published_scores_exactly_as_printed_and_what_is_missing():
    table = chen2023_tables.table2({}, title="t")
    assert row(table, "Traditional CNN", "published") == CNN_PRINTED
    assert row(table, "ResNet50 + MLP", "published") == MLP_PRINTED
    for model in ("Traditional CNN", "ResNet50 + MLP"):
        assert row(table, model, "not measured yet") == ["–"] * 6
    assert len(table.frame) == 4
    assert list(table.frame.columns[2:]) == [
        f"{split} {metric}" for split in ("Training", "Validation", "Testing") for metric in ("loss", "accuracy")
    ]


def test_table_2_sets_categorical_and_binary_accuracy_apart():
    table = chen2023_tables.table2({"resnet50_mlp": measured()}, title="t")
    loss = "1.5000 [1.4900, 1.5100]"
    assert row(table, "ResNet50 + MLP", "measured, categorical") == [loss, "0.2500 [0.2400, 0.2600]"] * 3
    assert row(table, "ResNet50 + MLP", "measured, binary") == [loss, "0.8600 [0.8500, 0.8700]"] * 3
    assert row(table, "ResNet50 + MLP", "published") == MLP_PRINTED
    assert row(table, "Traditional CNN", "not measured yet") == ["–"] * 6


def test_table_2_takes_each_split_from_its_own_scores():
    values = {"training": 0.1, "validation": 0.2, "testing": 0.3}
    long = tables.long_scores({split: small_scores(loss=value, width=np.nan) for split, value in values.items()})
    cells = row(chen2023_tables.table2({"baseline_cnn": long}, title="t"), "Traditional CNN", "measured, binary")
    assert cells[::2] == ["0.1000", "0.2000", "0.3000"]


def test_class_priors_have_a_row_once_measured_and_none_published():
    table = chen2023_tables.table2({"class_priors": measured(categorical=0.2449)}, title="t")
    priors = table.frame[table.frame["Model"].str.startswith("Class priors")]
    assert list(priors["Numbers"]) == ["measured, categorical", "measured, binary"]
    assert priors.iloc[0]["Testing accuracy"] == "0.2449 [0.2349, 0.2549]"


def test_only_the_models_asked_for_have_rows():
    table = chen2023_tables.table2({"baseline_cnn": measured()}, title="t", only=["resnet50_mlp"])
    assert set(table.frame["Model"]) == {"ResNet50 + MLP"}


def test_over_seeds_of_one_is_that_seeds_own_scores():
    own = measured()
    pd.testing.assert_frame_equal(tables.over_seeds({4: own}), own)


def test_over_seeds_is_the_mean_with_its_spread_and_the_interval_of_the_mean():
    losses = [1.1, 1.4, 1.3]
    frames = {seed: measured(loss=loss) for seed, loss in enumerate(losses)}
    result = tables.over_seeds(frames)
    for split in SPLITS:
        found = result[(result["split"] == split) & (result["metric"] == "loss")].iloc[0]
        mean, spread = np.mean(losses), np.std(losses, ddof=1)
        assert (found["value"], found["spread"]) == pytest.approx((mean, spread))
        own = [frame[(frame["split"] == split) & (frame["metric"] == "loss")].iloc[0] for frame in frames.values()]
        width = own[0]["high"] - own[0]["value"]
        reach = np.hypot(4.302653 * spread / np.sqrt(3), width)  # Student's t of three seeds, and over the faces
        assert (found["low"], found["high"]) == pytest.approx((mean - reach, mean + reach))
        assert found["interval"] == "mean ± s.d. of 3 seeds"
    assert len(result) == len(measured())
    np.testing.assert_allclose(result[result["metric"] == "binary_accuracy"]["spread"], 0, atol=1e-15)


def test_over_seeds_fits_into_table_2():
    both = tables.over_seeds({0: measured(loss=1.0), 1: measured(loss=2.0)})
    cells = row(chen2023_tables.table2({"resnet50_mlp": both}, title="t"), "ResNet50 + MLP", "measured, binary")
    # two seeds say next to nothing of a third: Student's t is 12.7
    assert cells[:2] == ["1.5000 ± 0.7071 [-4.8531, 7.8531]", "0.8600 ± 0.0000 [0.8500, 0.8700]"]


def test_at_a_glance_sets_the_test_faces_printed_beside_measured():
    long = tables.long_scores({"training": small_scores(loss=9.0), "testing": small_scores()})
    measured = {"resnet50_mlp": long, "class_priors": long}
    frame = chen2023_tables.glance(measured, title="t").frame.set_index("Test faces")
    assert list(frame.index) == [MODEL_NAMES[model] for model in MODEL_NAMES]
    assert frame.loc["ResNet50 + MLP"].to_list() == [
        "0.8571",
        "0.2500 [0.2400, 0.2600]",
        "0.8600 [0.8500, 0.8700]",
        "1.78",
        "1.5000 [1.4900, 1.5100]",
    ]
    assert frame.loc["Traditional CNN"].to_list() == ["0.6420", "–", "–", "1.98", "–"]


def test_the_note_on_weights_says_whether_they_test_the_papers_claim():
    origin = {"origin": "file own.h5", "sha256": "0123456789abcdef" * 4, "tests_transfer_claim": False}
    note = tables.weights_note(origin)
    assert "file own.h5, SHA-256 0123456789ab…." in note
    assert "do not test the paper's claim" in note
    assert "PROFILE=paper" in note
    assert "do not test" not in tables.weights_note({**origin, "tests_transfer_claim": True})
    assert note.startswith("Weights of ResNet50 + MLP's trunk")
    assert tables.weights_note(origin, model="ResNet-50").startswith("Weights of ResNet-50's trunk")
    table = chen2023_tables.table2({}, title="t", notes=[note])
    assert note in table.to_markdown()


# --- statements -------------------------------------------------------------------------------------------------------


def test_statements_set_printed_beside_measured_in_the_order_given():
    table = tables.statements("chen2023", {"trunk-parameters": 23587712, "classes": 7})
    assert list(table.frame.columns) == ["place", "quantity", "printed", "measured", "unit"]
    assert list(table.frame["printed"]) == ["23587712", "7"]
    assert list(table.frame["measured"]) == ["23,587,712", "7"]
    assert list(table.frame["place"]) == ["Section 2.2.1", "Section 2.1"]


def test_an_unknown_statement_is_a_mistake_in_the_call():
    with pytest.raises(KeyError, match="trunk-size"):
        tables.statements("chen2023", {"trunk-size": 1})


# --- the input's scale, and hypothesis 1 ------------------------------------------------------------------------------


def scale_rows() -> pd.DataFrame:
    row = {
        "trunk": "given",
        "divisor": 255.0,
        "centred": False,
        "variation": 0.0204,
        "variance": 1e-4,
        "after_batch_norm": 0.3,
        "accuracy": 0.25,
        "low": 0.23,
        "high": 0.27,
        "sure": 0.01,
        "bfloat16_of_norm": 0.005,
        "bfloat16_of_variation": 0.2345,
    }
    lacking = {"bfloat16_of_norm": np.nan, "bfloat16_of_variation": np.nan}
    return pd.DataFrame([row, {**row, "trunk": "random", "divisor": 1.0, "centred": True, **lacking}])


def test_the_input_scales_say_what_is_kept_and_what_bfloat16_costs():
    table = scale_tables.scales(scale_rows(), synthetic=True)
    assert table.heading.startswith("SYNTHETIC")
    first, second = table.frame.to_dict("records")
    assert (first["pixels times"], second["pixels times"]) == ("1/255", "1, mean subtracted")
    assert first["variation (%)"] == "2.0"
    assert first["probe's accuracy (%)"] == "25.00 [23.00, 27.00]"
    assert (first["bfloat16, of the norm (%)"], first["of the variation (%)"]) == ("0.50", "23.45")
    assert second["of the variation (%)"] == "–"


def test_the_layers_stay_in_order_with_a_column_for_each_trunk_and_scale():
    rows = [
        {"trunk": "given", "divisor": divisor, "centred": centred, "layer": layer, "variation": share}
        for divisor, centred in ((255.0, False), (1.0, True))
        for layer, share in (("pixels", 0.5), ("conv1_bn", 0.02))
    ]
    frame = scale_tables.layers(pd.DataFrame(rows)).frame
    assert list(frame.index) == ["pixels", "conv1_bn"]
    assert list(frame.columns) == ["given, 1/255", "given, 1, mean subtracted"]
    assert frame.loc["conv1_bn", "given, 1/255"] == "2.0"


def test_hypothesis1_counts_the_sure_faces_that_the_printed_values_need():
    printed = pd.DataFrame(
        {
            "split": SPLITS,
            "loss": [1.71, 1.68, 1.78],
            "accuracy": [0.8580, 0.8581, 0.8571],
            "faces": [22967, 5741, 3589],
        }
    )
    epochs = pd.DataFrame(
        {
            "training": ["trunk_scaling_seed0", "seed0", "seed0", "seed1", "seed12"],
            "part": ["training", "training", "validation", "validation", "validation"],
            "loss": [1.70, 1.9, 1.78, 1.71, 1.78],
            "binary_accuracy": [0.859, 0.857, 0.8572, 0.7, 0.8572],
            "categorical_accuracy": [0.31, 0.25, 0.26, 0.1, 0.26],
        }
    )
    frame = hypotheses_tables.hypothesis1(printed, measured(binary=0.8572), epochs).frame.set_index("split")
    need = frame["more sure-right than sure-wrong, for the printed"]
    assert need.to_list() == ["130 to 145", "37 to 40", "-2 to 0"]
    assert frame.loc["testing", "measured"] == f"{7 * 3589 * (0.8572 - 6 / 7):.0f}"
    assert frame["their binary accuracy"].to_list() == ["0.8590 to 0.8590", "–", "0.8572 to 0.8572"]
    assert frame["of the trainings"].to_list() == ["trunk scaling 1", "–", "as printed 2"]
    assert hypotheses_tables.hypothesis1(printed, measured().iloc[:0], epochs).frame["measured"].eq("–").all()
