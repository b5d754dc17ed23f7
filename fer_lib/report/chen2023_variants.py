"""Compare trainings of ResNet50 + MLP that differ from the paper's own reading: other readings, other trunks."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fer_lib.evaluation.metrics import wilson
from fer_lib.settings import ResNet50MlpSettings, settings_dict
from fer_lib.tables.format import SCORE_NAMES, interval, percent

READ = ("loss", "categorical_accuracy", "binary_accuracy")
SETTINGS = ("trainable_trunk", "learning_rate", "kernel_initializer")
TRUNK = ("weights", "scaling", "trainable_trunk", "epochs", "layers")
"""Settings in which two trainings may differ whose trunks alone are compared."""
FROZEN = ("trunk_engine", "trunk_precision")
"""Settings of the frozen layers; they change nothing where all layers train."""
SCALINGS = {"unit": "1/255", "trunk": "the trunk's own"}
SPLITS = {
    "stratified": "by class",
    "unstratified_ceil": "at random, 5,742",
    "unstratified_floor": "at random, 5,741",
    "per_class_floor": "by class, rounded down",
}


@dataclass(frozen=True)
class Training:
    """One training of ResNet50 + MLP.

    Attributes:
        name: such as ``"seed0"`` or ``"trunk_scaling_seed0"``.
        made: its provenance.
        scores: ``split``, ``metric``, ``value``, ``low``, ``high`` and ``n``.
        history: a row for each epoch; empty if it is missing.
    """

    name: str
    made: Mapping[str, Any]
    scores: pd.DataFrame
    history: pd.DataFrame

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the model; one that is newer than the training has its default, which is what was done before."""
        return {**settings_dict(ResNet50MlpSettings()), **self.made["settings"]}

    @property
    def pretrained(self) -> bool:
        """Tell whether the trunk starts from weights of another training."""
        return self.settings["weights"] not in ("none", "random_frozen")

    @property
    def whole(self) -> bool:
        """Tell whether all layers of the trunk train."""
        return self.settings["weights"] == "none" or self.settings["trainable_trunk"] == "all"

    @property
    def kind(self) -> str:
        """What matters most in this training, one of :data:`fer_lib.figures.hypothesis1.KINDS`."""
        if re.fullmatch(r"seed\d+", self.name):
            return "ours, as printed"
        if self.whole:
            return "all layers trained"
        if not self.pretrained:
            return "random trunk"
        return "other settings" if self.settings["scaling"] == "unit" else "trunk's own scaling"


def readings(trainings: Sequence[Training]) -> pd.DataFrame:
    """Tabulate what each training was and its scores on the test faces: one row for each."""
    rows = []
    for each in trainings:
        testing = each.scores[each.scores["split"] == "testing"].set_index("metric")
        cells = {SCORE_NAMES[metric]: interval(*testing.loc[metric, ["value", "low", "high"]]) for metric in READ}
        facts = {"scaling": each.settings["scaling"], "trunk": each.made["weights"]["origin"]}
        frozen = "–" if each.whole else each.settings["trunk_precision"]  # without weights no layer is frozen
        facts |= {"frozen layers in": frozen, "epochs": each.settings["epochs"]}
        varied = {name: each.settings[name] for name in SETTINGS} | ({"trainable_trunk": "all"} if each.whole else {})
        split = each.made["data_settings"]["validation_split"]
        rows.append({"training": each.name, **facts, **cells, **_spaced(varied), "8:2": SPLITS[split]})
    return pd.DataFrame(rows)


def at_equal_epochs(trainings: Sequence[Training], *, priors: float = math.nan) -> pd.DataFrame:
    """Compare trunks after as many epochs as the shortest training has: one row for each trunk.

    Args:
        trainings: the paper's own reading first; of the others those count that differ from it in ``TRUNK`` alone.
        priors: the validation loss of the class priors, in nats.

    Returns:
        ``training``, ``pretrained`` and ``whole`` (bool: all layers train), ``scaling``, ``epochs`` (equal in all
        rows), ``loss`` and ``val_loss`` (nats), ``training_accuracy`` (of ``fit``, with dropout and augmentation on),
        ``accuracy`` in validation with ``low`` and ``high`` (all categorical), and ``reached``: the first epoch, of all
        it has, whose validation loss is below that of the class priors (0 if none): it has learnt to look at faces.
    """
    compared = [each for each in trainings if _alike(each, trainings[0]) and len(each.history)]
    if not compared:
        return pd.DataFrame()
    epochs = min(len(each.history) for each in compared)
    rows = []
    for each in compared:
        at = each.history.iloc[epochs - 1]
        accuracy = at["val_categorical_accuracy"]
        faces = int(each.scores.loc[each.scores["split"] == "validation", "n"].max())
        low, high = wilson(accuracy * faces, faces)
        better = each.history.loc[each.history["val_loss"] < priors, "epoch"]
        rows.append(
            {"training": each.name, "pretrained": each.pretrained, "whole": each.whole}
            | {"scaling": each.settings["scaling"], "epochs": epochs, "loss": at["loss"], "val_loss": at["val_loss"]}
            | {"training_accuracy": at["categorical_accuracy"], "accuracy": accuracy, "low": low, "high": high}
            | {"reached": int(better.min()) if len(better) else 0}
        )
    return pd.DataFrame(rows)


def trunks(compared: pd.DataFrame) -> pd.DataFrame:
    """Write :func:`at_equal_epochs` for a table."""
    starts, layers = {True: "pre-trained", False: "random"}, {True: "all layers train", False: "frozen"}
    rows = [
        {
            "trunk": f"{starts[row.pretrained]}, {layers[row.whole]}",
            "pixels": SCALINGS[row.scaling],
            "loss, training": f"{row.loss:.4f}",
            "loss, validation": f"{row.val_loss:.4f}",
            "categorical accuracy, training (%)": percent(row.training_accuracy),
            "categorical accuracy, validation (%)": percent(row.accuracy, row.low, row.high),
            "first epoch better than class priors": str(row.reached or "none"),
        }
        for row in compared.itertuples()
    ]
    return pd.DataFrame(rows)


def pretraining_helps(compared: pd.DataFrame) -> str:
    """Say what pre-training changes: each pre-trained trunk against the random one with the same layers and pixels.

    The paper claims a higher accuracy, less over-fitting (training minus validation) and a faster start.

    "higher" and "lower" are said where the intervals do not overlap, which asks for more than a test of the difference.
    """
    parts = []
    for (whole, scaling), pair in compared.groupby(["whole", "scaling"], sort=False) if len(compared) else ():
        ours, random = (pair[pair["pretrained"] == flag] for flag in (True, False))
        if len(ours) and len(random):
            first, second = ours.iloc[0], random.iloc[0]
            said = "higher" if first.low > second.high else "lower" if first.high < second.low else "not told apart"
            place = f"{'All layers train' if whole else 'Frozen'}, pixels {SCALINGS[scaling]}"
            gaps = " against ".join(
                f"{100 * (each.training_accuracy - each.accuracy):+.2f}" for each in (first, second)
            )
            reached = " against ".join(str(each.reached or "none") for each in (first, second))
            parts.append(
                f"{place}: {percent(first.accuracy)} % against {percent(second.accuracy)} % ({said}); training minus "
                f"validation {gaps} points; first epoch better than class priors {reached}"
            )
    if not parts:
        return ""
    after = f"after {int(compared['epochs'].iloc[0])} epochs"
    return f"categorical accuracy in validation {after}, pre-trained against random trunk. {'. '.join(parts)}"


def _alike(one: Training, own: Training) -> bool:
    differing = {name for name in {*one.settings, *own.settings} if one.settings.get(name) != own.settings.get(name)}
    differing -= set(FROZEN) if one.whole else set()
    layers = one.settings["trainable_trunk"] in (own.settings["trainable_trunk"], "all")
    same_split = one.made["data_settings"] == own.made["data_settings"] and one.made["seed"] == own.made["seed"]
    return differing <= set(TRUNK) and layers and same_split


def _spaced(facts: Mapping[str, Any]) -> dict[str, str]:
    """Write settings for a table: ``"last four layers"`` under ``"trainable trunk"``."""
    return {name.replace("_", " "): str(value).replace("_", " ") for name, value in facts.items()}
