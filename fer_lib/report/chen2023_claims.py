"""Write the measured values behind each claim of chen2023, as sentences for its table of claims."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from fer_lib.report.chen2023_variants import pretraining_helps
from fer_lib.tables.format import UNSURE, percent

LATER = 0.5  # of the epochs: the half in which a loss that still moves is not that of the start


def claims(
    scores: Mapping[str, pd.DataFrame], epochs: pd.DataFrame, trunks: pd.DataFrame, gradients: pd.DataFrame
) -> dict[str, str]:
    """Write the measured values behind each claim, by a key of ``tables.chen2023.CLAIMS``.

    Args:
        scores: model -> scores over seeds: ``split``, ``metric``, ``value``, ``low`` and ``high``.
        epochs: every epoch of every training of ResNet50 + MLP (:meth:`fer_lib.report.chen2023.Chen2023.epochs`).
        trunks: of :func:`fer_lib.report.chen2023_variants.at_equal_epochs`.
        gradients: of :func:`fer_lib.experiments.gradients.summary`, of all seeds; may be empty.
    """
    own = scores.get("resnet50_mlp")
    if own is None or epochs.empty:
        return {}
    found = own.set_index(["split", "metric"])
    test = {kind: found.loc[("testing", f"{kind}_accuracy")] for kind in ("categorical", "binary")}
    said = {
        "accuracy": "; ".join(f"{kind} {percent(row.value, row.low, row.high)} %" for kind, row in test.items()),
        "above_85": _above(epochs),
        "no_overfitting": _gap(found, scores.get("baseline_cnn")),
        "transfer": pretraining_helps(trunks),
        "vanishing": _vanishing(gradients),
        "varies": _varies(epochs),
    }
    if (cnn := scores.get("baseline_cnn")) is not None:
        said["than_cnn"] = _against(found, cnn.set_index(["split", "metric"]))
    return {claim: sentence for claim, sentence in said.items() if sentence}


def _paper_reading(epochs: pd.DataFrame) -> pd.DataFrame:
    return epochs[epochs["training"].str.fullmatch(r"seed\d+")]


def _above(epochs: pd.DataFrame) -> str:
    shown = _paper_reading(epochs)
    shown = shown[shown["part"] == "validation"]
    binary, categorical = ((shown[f"{kind}_accuracy"] > 0.85).sum() for kind in ("binary", "categorical"))
    return (
        f"binary accuracy in {binary} of {len(shown)} epochs, as of a model of seven classes that is never sure "
        f"({UNSURE:.4f}); categorical accuracy in {categorical}"
    )


def _gap(found: pd.DataFrame, cnn: pd.DataFrame | None) -> str:
    """Compare training, evaluated where it was (else ``fit``'s), with validation, in categorical accuracy."""
    models = {"ResNet50 + MLP": found}
    models |= {} if cnn is None else {"CNN": cnn.set_index(["split", "metric"])}
    parts = []
    for name, rows in models.items():
        part = "training, evaluated" if "training, evaluated" in rows.index.get_level_values(0) else "training"
        values = [rows.loc[(split, "categorical_accuracy"), "value"] for split in (part, "validation")]
        parts.append(f"{name} {percent(values[0])} % in training, {percent(values[1])} % in validation")
    return "categorical accuracy: " + "; ".join(parts)


def _against(found: pd.DataFrame, cnn: pd.DataFrame) -> str:
    parts = []
    for kind in ("categorical", "binary"):
        ours, other = (rows.loc[("testing", f"{kind}_accuracy"), "value"] for rows in (found, cnn))
        parts.append(f"{kind} {percent(ours)} % against {percent(other)} %")
    return "; ".join(parts)


def _vanishing(gradients: pd.DataFrame) -> str:
    """Compare the gradient in the first convolution with that in the last, each relative to its kernel, over seeds."""
    parts = []
    for when, own in gradients.groupby("when", sort=False)["first / last"] if len(gradients) else ():
        low, high = own.min(), own.max()
        parts.append(f"{low:.3g} {when}" if low == high else f"{low:.3g} to {high:.3g} {when}")
    if not parts:
        return ""
    return (
        "gradient in the first convolution over that in the last, each relative to its kernel: "
        f"{', '.join(parts)} (vanishing: near 0)"
    )


def _varies(epochs: pd.DataFrame) -> str:
    """Compare the validation loss's steps from epoch to epoch with the training loss's, in the later half."""
    shown = _paper_reading(epochs)
    later = shown[shown["epoch"] > shown["epoch"].max() * LATER]
    steps = {part: own.groupby("training")["loss"].diff().std() for part, own in later.groupby("part", sort=False)}
    if any(pd.isna(step) for step in steps.values()) or len(steps) < 2:
        return ""
    more = "more" if steps["validation"] > steps["training"] else "no more"
    return (
        f"steps from epoch to epoch in the later half have a standard deviation of {steps['validation']:.4f} nats in "
        f"validation and {steps['training']:.4f} in training: the validation loss varies {more} than the training loss"
    )
