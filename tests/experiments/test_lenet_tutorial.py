"""Test the tutorial program's own run: its weights by hand, its network, its counting, and the table."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fer_lib import published
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.experiments import lenet_hypothesis, lenet_study, lenet_tutorial
from fer_lib.models import lenet
from fer_lib.settings import LeNetSettings
from fer_lib.tables import lenet as tables

TINY = LeNetSettings(
    n_kerns=(2, 3),
    hidden_units=8,
    olivetti_batch_size=4,
    learning_rates=(0.1, 0.05),
    n_kerns_grid=((2, 3),),
    batch_sizes=(2, 5),
    tutorial=("float32",),
    tutorial_epochs=3,
)
SHAPE = (17, 16)


@pytest.fixture(scope="module")
def parts():
    labels = np.repeat(np.arange(4), 10)
    images = np.random.default_rng(0).integers(0, 256, (40, *SHAPE)).astype(np.uint8)
    meta = pd.DataFrame({"label": labels, "split": "all"})
    return lenet_study.olivetti_parts(FaceDataset(images, meta, tuple("abcd"), "noise", synthetic=True))


def test_the_weights_are_drawn_in_the_program_s_order_with_its_integer_division():
    random = np.random.RandomState(23455)
    bound = math.sqrt(6 / (25 + 18))  # 3 · 25 // 4 is 18
    first = random.uniform(-bound, bound, (3, 1, 5, 5))
    bound = math.sqrt(6 / (75 + 31))  # 5 · 25 // 4 is 31
    second = random.uniform(-bound, bound, (5, 3, 5, 5))
    bound = math.sqrt(6 / (5 * 11 * 8 + 8))
    hidden = random.uniform(-bound, bound, (5 * 11 * 8, 8))
    weights = lenet_tutorial.initial_weights(replace(TINY, n_kerns=(3, 5)), image_shape=(57, 47), classes=40)
    for found, drawn in zip(weights[::2], (first, second, hidden, np.zeros((8, 40))), strict=True):
        np.testing.assert_array_equal(found, drawn)
    assert not any(biases.any() for biases in weights[1::2])


@pytest.mark.parametrize("turned", [True, False])
def test_the_network_is_that_of_the_study(turned):
    weights = lenet_tutorial.initial_weights(TINY, image_shape=SHAPE, classes=4)
    weights[6] = np.random.default_rng(1).normal(size=weights[6].shape)
    faces = np.random.default_rng(2).random((5, *SHAPE, 1), dtype=np.float32)
    network = lenet.build(TINY, image_shape=SHAPE, classes=4)
    filters = [each[:, :, ::-1, ::-1] if turned else each for each in weights[:4:2]]
    height, width = 1, 1  # 17 × 16 pixels become 6 × 6 and then 1 × 1
    hidden = weights[4].reshape(3, height, width, -1).transpose(1, 2, 0, 3).reshape(-1, 8)
    kernels = [each.transpose(2, 3, 1, 0) for each in filters]
    network.set_weights([kernels[0], weights[1], kernels[1], weights[3], hidden, *weights[5:]])
    found = lenet_tutorial._logits(
        [each.astype(np.float32) for each in weights], faces.transpose(0, 3, 1, 2), (2, 2), turned=turned
    )
    np.testing.assert_allclose(found, network.predict_on_batch(faces), rtol=1e-4, atol=1e-5)


def test_each_row_is_run_once_and_read_back(parts, tmp_path, monkeypatch):
    settings = replace(TINY, tutorial=("float32", "float64_unturned"))
    results, histories = lenet_tutorial.run(settings, parts, checkpoints=tmp_path, jobs=0)
    assert len(results) == 2 * 5 * len(lenet_tutorial.WITHIN)
    assert len(list(tmp_path.iterdir())) == 2 * 4  # a rate and a number of maps are the same training
    assert histories.groupby("arithmetic")["epoch"].max().tolist() == [3, 3]
    start = histories[histories["epoch"] == 1].drop_duplicates("arithmetic")["loss"]
    assert start.between(0.9 * math.log(4), 1.5 * math.log(4)).all()
    monkeypatch.setattr(lenet_tutorial, "_fit", None)
    again, histories_again = lenet_tutorial.run(settings, parts, checkpoints=tmp_path, jobs=0)
    pd.testing.assert_frame_equal(again, results, check_exact=True)
    pd.testing.assert_frame_equal(histories_again, histories, check_exact=True)


def test_only_whole_batches_of_held_out_faces_count(parts):
    results, histories = lenet_tutorial.run(TINY, parts, jobs=0)
    swept = results[results["sweep"] == "batch_size"].set_index("batch_size")
    assert swept.loc[5, ["validation", "test", "best_epoch"]].isna().all(axis=None)  # four faces are no batch of five
    assert swept.loc[2, ["validation", "test"]].isin([0, 25, 50, 75, 100]).all(axis=None)
    assert histories["loss"].notna().all()


def test_training_learns_and_stops_by_patience(parts):
    settings = replace(TINY, tutorial_epochs=40, patience=16, learning_rates=(0.3,), batch_sizes=(4,))
    settings = replace(settings, improvement_threshold=0.01)  # no improvement is enough to go on
    histories = lenet_tutorial.run(settings, parts, jobs=1)[1]  # in a worker process
    own = histories[histories["learning_rate"] == 0.3]
    assert len(own) * 8 >= 16 - 8
    assert len(own) < 40
    assert own["loss"].iloc[-1] < own["loss"].iloc[0]


def test_without_jax_one_sentence_names_it(parts, monkeypatch):
    monkeypatch.setattr(lenet_tutorial, "_jax_is_there", lambda: False)
    with pytest.raises(
        FerError, match=r"needs JAX, .* install fer_lib\[jax\], or leave it out by changes=\{'tutorial'"
    ):
        lenet_tutorial.run(TINY, parts)


def made_up(**errors: tuple[float, float, float]) -> pd.DataFrame:
    rows = [("learning_rate", 0.01, "[20,50]", "rate"), ("n_kerns", 0.05, "[10,30]", "maps")]
    return pd.DataFrame(
        [
            {
                "arithmetic": "float32", "sweep": sweep, "learning_rate": rate, "batch_size": 40, "n_kerns": maps,
                "within": within, "validation": errors[name][0], "test": errors[name][1],
                "best_epoch": errors[name][2], "epochs": 101,
            }
            for sweep, rate, maps, name in rows
            for within in lenet_tutorial.WITHIN
        ]
    )  # fmt: skip


def ending(results: pd.DataFrame, validation: float = 20, test: float = 20) -> pd.DataFrame:
    """Histories of 60 epochs that are these errors at epoch 50 and others elsewhere."""
    trained = results[["arithmetic", "learning_rate", "batch_size", "n_kerns"]].drop_duplicates()
    epochs = pd.DataFrame({"epoch": range(1, 61), "validation": 30.0, "test": 30.0})
    epochs.loc[49, ["validation", "test"]] = validation, test
    return trained.merge(epochs, how="cross")


def compared(results: pd.DataFrame, **ends: float) -> pd.DataFrame:
    return lenet_hypothesis.own_against_printed(results, ending(results, **ends))


def test_the_printed_rows_are_found_as_printed_or_exchanged():
    printed = published.printed_table("liu2023", "Table 4").set_index("Learning-rate").loc["0.01"]
    assert (printed["Validation error"], printed["Test error"]) == ("15", "5")
    rows = compared(made_up(rate=(5, 15, 77), maps=(5, 5, 46)))
    assert rows["place"].unique().tolist() == ["Table 4, row 2", "Table 5, row 2"]
    assert rows["as_printed"].tolist() == [False, False, True, True]
    assert rows["exchanged"].tolist() == [True, True, False, False]
    other = compared(made_up(rate=(15, 5, 77), maps=(5, 5, 45)))
    assert other["as_printed"].tolist() == [True, True, False, False]
    assert not other["exchanged"].any()
    frame = tables.tutorial(rows).frame
    assert frame["equal"].tolist() == [
        "with Table 4's headings exchanged, within 50 and 200",
        "as printed, within 50 and 200",
    ]
    assert frame["printed"].tolist() == ["15 / 5 / –", "5 / 5 / 46"]
    assert frame["within 50 epochs"].tolist() == ["5 / 15 / 77", "5 / 5 / 46"]
    assert frame["after 50 epochs"].tolist() == ["20 / 20 / 50"] * 2
    assert "Not run: it needs the Olivetti faces" in tables.tutorial(None).notes[0]


def test_the_last_epoch_is_another_reading_of_table_4_alone():
    rows = compared(made_up(rate=(5, 15, 17), maps=(2.5, 5, 36)), validation=15, test=5)
    assert rows["last_epoch"].tolist() == [50, 60] * 2
    assert rows["last_as_printed"].tolist() == [
        True,
        False,
        False,
        False,
    ]  # after 200 epochs, epoch 60 has other errors
    said = tables.tutorial(rows).frame["equal"]
    assert said.iloc[0] == "with Table 4's headings exchanged, within 50 and 200; as printed, after 50"


def test_the_batch_sizes_are_compared_by_their_validation_error_alone():
    swept = made_up(rate=(97.5, 90, 3), maps=(5, 5, 46)).assign(sweep="batch_size", batch_size=10)
    rows = compared(swept)
    assert set(rows["place"]) == {"Section 3.2.2"}
    assert rows["printed_test"].isna().all()
    assert rows["as_printed"].tolist() == [True, True, False, False]
    assert not rows["exchanged"].any()
    assert tables.tutorial(rows.head(2)).frame["printed"].tolist() == ["97.5 / – / –"]
