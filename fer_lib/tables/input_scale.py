"""The tables of chen2023's input scale: what a trunk keeps of the differences between faces (notebook 02)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from fer_lib.tables.base import Table
from fer_lib.tables.format import percent

SCALES_NOTE = (
    "Variation: the features' deviations from their mean over faces, as a share of their norm. After the head's batch "
    "norm: the root mean square of a feature there, 1 unless its variance is as small as Keras' epsilon of 0.001. "
    "Probe: a softmax regression on the pooled features, which it standardises; in brackets its 95 % interval over "
    "faces. Sure: its answers above 0.5. bfloat16's error is a share of the features' norm, then of their variation."
)
HEADS = {
    "as printed": "as printed",
    "no first dropout": "without its first dropout",
    "small epsilon": "batch norm's epsilon 1e-9, not 0.001",
    "standardised": "features standardised before the dropout",
}
HEADS_NOTE = (
    "The head of section 2.2.2 alone, on features of frozen layers, without shifts and rotations; batch size, epochs "
    "and learning rate are those of the paper's model. Scores on validation faces, with 95 % intervals over faces; one "
    "seed. Sure: answers above 0.5. Without sure answers the binary accuracy is 6/7 = 85.71 %."
)
LAYERS_NOTE = "Variation over faces as a share of the layer's norm, in per cent; a block is named after its last layer."


def scale_name(divisor: float, centred: bool) -> str:
    """Name an input scale, such as ``"1/255"`` or ``"1/64, mean subtracted"``."""
    scale = "1" if divisor == 1 else f"1/{divisor:g}"
    return f"{scale}, mean subtracted" if centred else scale


def scales(found: pd.DataFrame, *, synthetic: bool = False, notes: Sequence[str] = ()) -> Table:
    """Build the table of features, probe and precision at each scale of the input.

    Args:
        found: of :func:`fer_lib.experiments.input_scale.measure`.
        synthetic: whether the faces were generated.
        notes: more sentences under the table, such as the origin of the weights.
    """
    rows = [
        {
            "trunk": row["trunk"],
            "pixels times": scale_name(row["divisor"], row["centred"]),
            "variation (%)": f"{100 * row['variation']:.1f}",
            "after the head's batch norm": f"{row['after_batch_norm']:.3f}",
            "probe's accuracy (%)": percent(row["accuracy"], row["low"], row["high"]),
            "sure (%)": percent(row["sure"]),
            "bfloat16, of the norm (%)": percent(row["bfloat16_of_norm"]),
            "of the variation (%)": percent(row["bfloat16_of_variation"]),
        }
        for row in found.to_dict("records")
    ]
    title = "What a frozen ResNet50 keeps of the differences between faces, by the scale of its input"
    return Table(pd.DataFrame(rows), title, synthetic, (SCALES_NOTE, *notes))


def heads(found: pd.DataFrame, *, synthetic: bool = False, notes: Sequence[str] = ()) -> Table:
    """Build the table of the heads that learn from frozen features, with what was taken away from each.

    Args:
        found: of :func:`fer_lib.experiments.frozen_head.compare`.
        synthetic: whether the faces were generated.
        notes: more sentences under the table.
    """
    rows = [
        {
            "trunk": row["trunk"],
            "pixels times": scale_name(row["divisor"], row["centred"]),
            "head": HEADS[row["head"]],
            "loss (nats)": f"{row['loss']:.4f}",
            "categorical accuracy (%)": percent(row["categorical_accuracy"], row["low"], row["high"]),
            "binary accuracy (%)": percent(row["binary_accuracy"]),
            "sure (%)": percent(row["sure"]),
            "categorical accuracy, training (%)": percent(row["training"]),
        }
        for row in found.to_dict("records")
    ]
    title = "What keeps chen2023's head from learning: one thing taken away at a time"
    return Table(pd.DataFrame(rows), title, synthetic, (HEADS_NOTE, *notes))


def layers(found: pd.DataFrame, *, synthetic: bool = False) -> Table:
    """Build the table of the variation over faces after each block, a column for each trunk and scale.

    Args:
        found: of :func:`fer_lib.experiments.input_scale.by_layer`.
        synthetic: whether the faces were generated.
    """
    columns: dict[str, dict[str, str]] = {}
    for row in found.to_dict("records"):
        name = f"{row['trunk']}, {scale_name(row['divisor'], row['centred'])}"
        columns.setdefault(name, {})[row["layer"]] = f"{100 * row['variation']:.1f}"
    frame = pd.DataFrame(columns)
    frame.index.name = "layer"
    return Table(frame, "Where the differences between faces are lost, layer by layer", synthetic, (LAYERS_NOTE,))
