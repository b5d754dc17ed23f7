"""Figures of faces: examples, counts and mean faces of each class, and the steps of preprocessing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from fer_lib.datasets.catalog import NAMES as CORPUS_NAMES
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.figures.style import (
    colors,
    face_rows,
    legend_above,
    new_figure,
    styled,
)


@styled
def example_faces(dataset: FaceDataset, *, per_class: int = 6, seed: int = 0, synthetic: bool = False) -> Figure:
    """Draw chen2023's Figure 1: faces chosen at random, one row for each class.

    Args:
        dataset: faces of shape (N, H, W) or (N, H, W, 3); generated faces are marked in any case.
        per_class: faces in a row; a class with fewer faces leaves the rest of its row empty.
        seed: of the random choice.
        synthetic: whether to mark the figure as made from generated faces.
    """
    rng = np.random.default_rng(seed)
    rows = {}
    for label, name in enumerate(dataset.class_names):
        places = np.flatnonzero(dataset.labels == label)
        chosen = np.sort(rng.choice(places, size=min(per_class, len(places)), replace=False))
        rows[name] = dataset.images[chosen] / 255
    title = f"chen2023, Figure 1: examples of {CORPUS_NAMES.get(dataset.corpus, dataset.corpus)}"
    return face_rows(rows, title, columns=per_class, synthetic=synthetic or dataset.synthetic)


@styled
def class_counts(counts: pd.DataFrame, *, synthetic: bool = False) -> Figure:
    """Draw the number of faces of each class and split as labelled bars.

    Args:
        counts: ``FaceDataset.counts()``: splits as rows, classes and ``total`` as columns.
        synthetic: whether to mark the figure as made from generated faces.
    """
    shares = counts.drop(columns="total", errors="ignore").rename_axis("split").reset_index()
    long = shares.melt(id_vars="split", var_name="class", value_name="faces")
    splits = list(counts.index)
    bars = len(long)
    figure = new_figure(max(2.2, 0.19 * bars + 0.9), "Faces per class and split", synthetic=synthetic)
    ax = figure.subplots()
    sns.barplot(long, x="faces", y="class", hue="split", hue_order=splits, palette=colors(splits), saturation=1, ax=ax)
    for container in ax.containers:
        ax.bar_label(container, fmt="{:,.0f}", padding=3, fontsize=8)  # type: ignore[arg-type]  # all are bars
    ax.margins(x=0.08)
    ax.grid(visible=False, axis="y")
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.set(xlabel="faces", ylabel="class")
    legend_above(ax, columns=len(splits))
    return figure


@styled
def mean_faces(means: np.ndarray, class_names: Sequence[str], *, synthetic: bool = False) -> Figure:
    """Draw the mean face of each class, all on one scale.

    Args:
        means: float, shape (C, H, W) or (C, H, W, 3), any pixel scale.
        class_names: C names.
        synthetic: whether to mark the figure as made from generated faces.
    """
    low, high = float(np.min(means)), float(np.max(means))
    scale = "grey scale" if np.ndim(means) == 3 else "scale"
    grey = (np.asarray(means) - low) / ((high - low) or 1)
    note = f"One {scale} for all: pixel value {low:.4g} is black, {high:.4g} is white."
    return face_rows(
        {"": grey}, "Mean face of each class", columns=len(means), above=class_names, note=note, synthetic=synthetic
    )


@styled
def preprocessing_steps(images: np.ndarray, steps: Mapping[str, np.ndarray], *, synthetic: bool = False) -> Figure:
    """Draw the same faces before and after each step of preprocessing (chen2023, section 2.1 and Table 1).

    Args:
        images: the raw faces, shape (n, H, W) or (n, H, W, 3), in 0–255: the first row, named "raw".
        steps: name of a step -> the n faces after it, in 0–255, in 0–1 or on any other scale; one row for each step.
            The range of values is below each name.
        synthetic: whether to mark the figure as made from generated faces.
    """
    rows, labels = {}, {}
    for name, faces in {"raw": images, **steps}.items():
        low, high = float(np.min(faces)), float(np.max(faces))
        # 0–255 and 0–1 are drawn unstretched, so that a change of contrast shows; other scales are stretched
        scale = next((top for top in (1, 255) if low >= 0 and high <= top * (1 + 1e-6)), None)
        black, white = (0, scale) if scale else (low, high)
        rows[name] = (np.asarray(faces, dtype=np.float64) - black) / (white - black)
        labels[name] = f"{name}\nvalues {_bound(low)} to {_bound(high)}"
    title = "chen2023, section 2.1: preprocessing, the same faces after each step"
    note = "Values: smallest and largest of the row. Rows in 0–255 or 0–1 are drawn on that scale, others stretched."
    named = {labels[name]: row for name, row in rows.items()}
    return face_rows(named, title, columns=len(images), note=note, synthetic=synthetic)


def _bound(value: float) -> str:
    return (f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}").replace("-", "−")
