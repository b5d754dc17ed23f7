"""Test the sentences on chen2023's claims against small scores and histories."""

from __future__ import annotations

import pandas as pd
import pytest

from fer_lib.report.chen2023_claims import claims
from fer_lib.tables import chen2023 as tables

TRUNKS = pd.DataFrame(
    {"pretrained": [True, False], "whole": False, "scaling": "unit", "epochs": 4}
    | {"accuracy": [0.28, 0.31], "low": [0.27, 0.30], "high": [0.29, 0.32]}
    | {"training_accuracy": [0.29, 0.33], "reached": [2, 0]}
)
NONE = pd.DataFrame()
GRADIENTS = pd.DataFrame({"when": ["before training", "after training"] * 2, "first / last": [2.0, 3.0, 2.0, 3.5]})


def scores_of(categorical: float, binary: float) -> pd.DataFrame:
    values = {"categorical_accuracy": categorical, "binary_accuracy": binary}
    rows = [
        {"split": split, "metric": metric, "value": value - 0.01 * place, "low": value - 0.02, "high": value + 0.02}
        for place, split in enumerate(("training", "validation", "testing"))
        for metric, value in values.items()
    ]
    return pd.DataFrame(rows)


def epochs_of(**lengths: int) -> pd.DataFrame:
    rows = [
        (name, part, epoch, 2 - 0.1 * epoch + wobble * (-1) ** epoch, 6 / 7, 0.2 + 0.01 * epoch)
        for name, length in lengths.items()
        for part, wobble in (("training", 0.001), ("validation", 0.02))
        for epoch in range(1, length + 1)
    ]
    names = ["training", "part", "epoch", "loss", "binary_accuracy", "categorical_accuracy"]
    return pd.DataFrame(rows, columns=names)


@pytest.fixture(scope="module")
def said():
    scores = {"resnet50_mlp": scores_of(0.30, 0.857), "baseline_cnn": scores_of(0.64, 0.90)}
    return claims(scores, epochs_of(seed0=8, seed1=8, random_frozen_seed0=4), TRUNKS, GRADIENTS)


def test_both_accuracies_are_named_wherever_one_is_told(said):
    assert said["accuracy"].startswith("categorical 28.00 [28.00, 32.00] %; binary 83.70")
    assert said["than_cnn"] == "categorical 28.00 % against 62.00 %; binary 83.70 % against 88.00 %"
    assert said["above_85"].startswith("binary accuracy in 16 of 16 epochs")
    assert said["above_85"].endswith("categorical accuracy in 0")
    assert "CNN 64.00 % in training, 63.00 % in validation" in said["no_overfitting"]


def test_pre_training_is_judged_at_equal_epochs(said):
    assert said["transfer"].startswith("categorical accuracy in validation after 4 epochs, pre-trained against random")
    assert "transfer" not in claims({"resnet50_mlp": scores_of(0.3, 0.857)}, epochs_of(seed0=8), NONE, NONE)


def test_the_gradient_is_told_over_seeds(said):
    assert "relative to its kernel: 2 before training, 3 to 3.5 after training" in said["vanishing"]


def test_a_loss_that_varies_more_in_validation_is_told_so(said):
    validation, training = (float(word) for word in said["varies"].split() if word.startswith("0."))
    assert validation > 10 * training
    assert said["varies"].endswith("the validation loss varies more than the training loss")


def test_every_claim_has_a_row_and_unknown_ones_are_refused(said):
    frame = tables.claims(said).frame.set_index("claim")
    assert len(frame) == len(tables.CLAIMS)
    assert frame["measured"].eq("not measured yet").sum() == len(tables.CLAIMS) - len(said)
    assert claims({}, epochs_of(seed0=2), NONE, NONE) == {}
    with pytest.raises(KeyError, match="no claim 'speed'"):
        tables.claims({"speed": "fast"})
