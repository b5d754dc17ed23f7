"""Tables of the pre-training: the images, and the accuracy on the validation part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from fer_lib.datasets.imagenet_folders import ImageFolders
from fer_lib.models import weights_report
from fer_lib.tables.base import Table

FEATURES = {"pixels": "raw pixels", "pretrained": "these weights", "random": "random weights"}


def images(corpus: ImageFolders) -> Table:
    """Count the images and classes of each part."""
    rows = [
        {
            "part": part,
            "images": f"{len(labels):,}",
            "classes": len(set(labels.tolist())),
            "pixels": f"{corpus.side}×{corpus.side}",
        }
        for part, labels in (("training", corpus.labels), ("validation", corpus.val_labels))
    ]
    note = f"Corpus: {corpus.corpus}, fingerprint {corpus.fingerprint[:12]}…"
    return Table(pd.DataFrame(rows), "The images of the pre-training", corpus.synthetic, (note,))


def accuracy(measured: Mapping[str, Mapping[str, Any]], *, classes: int, synthetic: bool = False) -> Table:
    """Show top-1 and top-5 accuracy on the validation images, with 95 % intervals (Wilson).

    Args:
        measured: the result of :func:`fer_lib.evaluation.metrics.top_k`.
        classes: number of classes; guessing scores one in so many.
        synthetic: whether the images were generated.
    """
    rows = [
        {
            "accuracy": name.replace("top", "top-"),
            "share": f"{row['value']:.4f} [{row['low']:.4f}, {row['high']:.4f}]",
            "guessing": f"{min(1, int(name.removeprefix('top')) / classes):.4f}",
            "images": f"{row['n']:,}",
        }
        for name, row in measured.items()
    ]
    title = "Accuracy of the pre-trained network on validation images"
    return Table(pd.DataFrame(rows), title, synthetic, ("In brackets: 95 % intervals over the images (Wilson).",))


def weights(found: Mapping[str, Any]) -> Table:
    """Show what a weights file is: the result of :func:`fer_lib.models.weights_report.describe`."""
    rows = [{"fact": name, "value": value} for name, value in weights_report.rows(found).items()]
    synthetic = bool(found["card"] and found["card"]["data"]["synthetic"])
    return Table(pd.DataFrame(rows), "The weights file and its card", synthetic)


def linear_probe(scores: pd.DataFrame, gains: pd.DataFrame, *, synthetic: bool = False) -> Table:
    """Show the linear classifiers on frozen features, and what each gains over random weights and over pixels.

    Args:
        scores: the result of :func:`fer_lib.experiments.linear_probe.scores`.
        gains: the results of :func:`fer_lib.experiments.linear_probe.gains`, one below the other.
        synthetic: whether the faces were generated.
    """
    rows = []
    for row in scores.itertuples():
        cells = {
            "features": FEATURES[row.features],
            "pixels scaled by": {"trunk": "the trunk's own", "unit": "1/255"}[row.scaling],
        }
        cells["categorical accuracy"] = f"{row.accuracy:.4f} [{row.low:.4f}, {row.high:.4f}]"
        for other in gains["over"].unique():
            of = (gains["features"] == row.features) & (gains["scaling"] == row.scaling) & (gains["over"] == other)
            gain = gains[of]
            cells[f"gain over {FEATURES[other]}"] = (
                "" if gain.empty else "{:+.4f} [{:+.4f}, {:+.4f}]".format(*gain[["difference", "low", "high"]].iloc[0])
            )
        rows.append(cells)
    notes = (
        "A softmax regression on the trunk's features, averaged over the map, fitted on FER-2013's training part. In "
        "brackets: 95 % intervals over the test faces, those of gains paired.",
    )
    return Table(pd.DataFrame(rows), "A linear classifier on frozen features of FER-2013", synthetic, notes)
