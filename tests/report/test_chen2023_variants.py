"""Test the comparison of ResNet50 + MLP's variants on invented trainings."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from fer_lib.figures import hypothesis1
from fer_lib.report import chen2023_variants as variants
from fer_lib.settings import ResNet50MlpSettings

OWN = dataclasses.asdict(ResNet50MlpSettings())

PRIORS = 1.8096  # nats: the class priors' loss in FER-2013's validation part


def training(name: str, accuracies: list[float], *, split: str = "stratified", **changes) -> variants.Training:
    history = pd.DataFrame({"epoch": range(1, len(accuracies) + 1), "val_categorical_accuracy": accuracies})
    history["categorical_accuracy"] = history["val_categorical_accuracy"] + 0.01
    history["loss"], history["val_loss"] = 1.7, 2.05 - history["val_categorical_accuracy"]
    metrics = ("loss", "categorical_accuracy", "binary_accuracy")
    scores = [
        {"split": part, "metric": metric, "value": 0.3, "low": 0.2, "high": 0.4, "n": 1000}
        for part in ("validation", "testing")
        for metric in metrics
    ]
    made = {"settings": OWN | changes, "seed": 0, "weights": {"origin": "some"}}
    made["data_settings"] = {"validation_split": split}
    return variants.Training(name, made, pd.DataFrame(scores), history)


@pytest.fixture(scope="module")
def trainings():
    return [
        training("seed0", [0.20, 0.24, 0.28, 0.29]),
        training("random_frozen_seed0", [0.26, 0.30, 0.35, 0.36], weights="random_frozen"),
        training("whole_seed0", [0.40, 0.50], trainable_trunk="all", epochs=2, layers="fast"),
        training("scratch_seed0", [0.20, 0.49], weights="none", epochs=2, trunk_precision="bfloat16"),
        training("bfloat16_seed0", [0.1] * 4, trunk_precision="bfloat16"),
        training("rate_seed0", [0.3] * 4, learning_rate=0.01),
        training("four_seed0", [0.3] * 4, trainable_trunk="last_four_weighted"),
        training("split_seed0", [0.3] * 4, split="per_class_floor"),
    ]


def test_every_reading_has_a_row_that_says_what_differs(trainings):
    frame = variants.readings(trainings).set_index("training")
    assert list(frame.index) == [each.name for each in trainings]
    assert frame.loc["whole_seed0", "trainable trunk"] == frame.loc["scratch_seed0", "trainable trunk"] == "all"
    assert list(frame["frozen layers in"]) == ["float32"] * 2 + ["–"] * 2 + ["bfloat16"] + ["float32"] * 3
    assert frame.loc["rate_seed0", "learning rate"] == "0.01"
    assert frame.loc["split_seed0", "8:2"] == "by class, rounded down"
    assert frame["loss (nats)"].eq("0.3000 [0.2000, 0.4000]").all()


def test_trainings_are_grouped_by_what_matters_most(trainings):
    own = training("trunk_scaling_seed1", [0.3], scaling="trunk")
    kinds = [each.kind for each in [*trainings, own]]
    assert kinds == [
        "ours, as printed",
        "random trunk",
        *["all layers trained"] * 2,
        *["other settings"] * 4,
        "trunk's own scaling",
    ]
    assert set(kinds) == set(hypothesis1.KINDS)


def test_trunks_are_compared_after_as_many_epochs_as_the_shortest_has(trainings):
    compared = variants.at_equal_epochs(trainings, priors=PRIORS).set_index("training")
    assert list(compared.index) == ["seed0", "random_frozen_seed0", "whole_seed0", "scratch_seed0"]  # trunks alone
    assert compared["epochs"].eq(2).all()
    assert list(compared["accuracy"]) == [0.24, 0.30, 0.50, 0.49]
    assert list(compared["reached"]) == [3, 1, 1, 2]
    assert (compared["low"] < compared["accuracy"]).all()
    table = variants.trunks(variants.at_equal_epochs(trainings))
    assert list(table["trunk"].str.partition(",")[0]) == ["pre-trained", "random", "pre-trained", "random"]


def test_what_pre_training_changes_is_said_for_each_pair(trainings):
    said = variants.pretraining_helps(variants.at_equal_epochs(trainings, priors=PRIORS))
    assert said == (
        "categorical accuracy in validation after 2 epochs, pre-trained against random trunk. Frozen, pixels 1/255: "
        "24.00 % against 30.00 % (lower); training minus validation +1.00 against +1.00 points; first epoch better "
        "than class priors 3 against 1. All layers train, pixels 1/255: 50.00 % against 49.00 % (not told apart); "
        "training minus validation +1.00 against +1.00 points; first epoch better than class priors 1 against 2"
    )
    assert set(variants.at_equal_epochs(trainings)["reached"]) == {0}
    assert variants.pretraining_helps(variants.at_equal_epochs(trainings[:1])) == ""
    assert variants.pretraining_helps(pd.DataFrame()) == ""


def test_a_setting_that_is_newer_than_a_training_has_its_default(trainings):
    older = training("random_frozen_seed0", [0.26, 0.30], weights="random_frozen")
    settings = {name: value for name, value in older.made["settings"].items() if name != "precision"}
    older = dataclasses.replace(older, made={**older.made, "settings": settings})
    assert list(variants.at_equal_epochs([trainings[0], older])["training"]) == ["seed0", "random_frozen_seed0"]
